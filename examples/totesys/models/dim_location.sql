/*---
description: Every address that an order may be delivered to.
key: [location_id]
checks:
  - not_null: [address_line_1, city, postal_code, country, phone]
    severity: quarantine
---*/
SELECT
    a.address_id AS location_id,
    a.address_line_1,
    a.address_line_2,
    a.district,
    a.city,
    a.postal_code,
    a.country,
    a.phone
FROM totesys.address AS a
