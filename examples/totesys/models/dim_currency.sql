/*---
description: The currencies that are traded in, with their ISO 4217 names (which the source doesn't hold).
key: [currency_id]
checks:
  - not_null: [currency_code, currency_name]
---*/
SELECT
    c.currency_id,
    COALESCE(c.currency_code, 'unknown') AS currency_code,
    COALESCE(i.currency_name, 'not in ISO 4217') AS currency_name
FROM totesys.currency AS c
LEFT JOIN iso_4217 AS i ON i.currency_code = c.currency_code
