/*---
description: How many stations each country has, and between which latitudes.
key: [country]
measures:
  countries: {sql: count(*), format: integer, label: Countries, description: Countries with a station.}
  most: {sql: max(stations), format: integer, label: Most stations, description: In one country.}
---*/
SELECT
    s.country,
    CAST(COUNT(*) AS INTEGER) AS stations,
    MIN(s.latitude) AS southernmost,
    MAX(s.latitude) AS northernmost
FROM stations AS s
GROUP BY s.country
