/*---
description: The companies that are sold to and bought from, with their legal address.
key: [counterparty_id]
checks:
  - not_null: [counterparty_legal_name, counterparty_legal_address_line_1, counterparty_legal_city,
      counterparty_legal_postal_code, counterparty_legal_country, counterparty_legal_phone_number]
    severity: quarantine
---*/
SELECT
    c.counterparty_id,
    c.counterparty_legal_name,
    a.address_line_1 AS counterparty_legal_address_line_1,
    a.address_line_2 AS counterparty_legal_address_line_2,
    a.district AS counterparty_legal_district,
    a.city AS counterparty_legal_city,
    a.postal_code AS counterparty_legal_postal_code,
    a.country AS counterparty_legal_country,
    a.phone AS counterparty_legal_phone_number
FROM totesys.counterparty AS c
LEFT JOIN totesys.address AS a ON a.address_id = c.legal_address_id
