/*---
description: Who buys, and from which country; no e-mail address leaves the source.
key: [customer_id]
references: {country: countries}
measures:
  customers: {sql: count(*), format: integer, label: Customers, description: Customers with an account.}
checks:
  - not_null: [customer_name, country]
  - accepted: {segment: [consumer, business, school]}
    severity: warn
---*/
SELECT
    c.customer_id,
    c.customer_name,
    c.country,
    JSON_EXTRACT_STRING(c.attributes, '$.segment') AS segment,
    CAST(JSON_EXTRACT_STRING(c.attributes, '$.newsletter') AS BOOLEAN) AS newsletter,
    c.created_at
FROM shop.customers AS c
