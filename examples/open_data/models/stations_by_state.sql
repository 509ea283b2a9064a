/*---
description: How many stations each state has, in how many climates.
key: [state]
measures:
  total: {sql: sum(stations), format: integer, label: Stations, description: In all states.}
  arctic_total: {sql: sum(arctic), format: integer, label: Arctic stations, description: North of the polar circle.}
---*/
SELECT
    s.state,
    CAST(COUNT(*) AS INTEGER) AS stations,
    CAST(COUNT(DISTINCT s.city) AS INTEGER) AS cities,
    CAST(COUNT(CASE WHEN s.climate = 'arctic' THEN 1 END) AS INTEGER) AS arctic
FROM stations AS s
WHERE s.state IS NOT NULL
GROUP BY s.state
