/*---
description: Every air station as last published.
key: [iata]
measures:
  stations: {sql: count(*), format: integer, label: Stations, description: Air stations.}
  northernmost: {sql: max(latitude), format: decimal, label: Northernmost latitude, description: Degrees.}
checks:
  - not_null: [station, country]
  - check: latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180
    severity: quarantine
---*/
SELECT
    s.iata,
    s.name AS station,
    s.city,
    s.state,
    s.country,
    s.latitude,
    s.longitude,
    CASE WHEN s.latitude >= 66.5 THEN 'arctic' WHEN s.latitude <= 23.5 THEN 'tropical' ELSE 'temperate' END AS climate
FROM stations AS s
