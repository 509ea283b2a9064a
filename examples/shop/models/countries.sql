/*---
description: The countries that the shop delivers to.
key: [country]
---*/
SELECT
    c.country,
    c.country_name
FROM shop.countries AS c
