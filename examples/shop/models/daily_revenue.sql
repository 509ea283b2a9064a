/*---
description: Revenue and orders per day (UTC) and country, returned orders left out.
key: [day, country]
references: {country: countries}
measures:
  total: {sql: sum(revenue), format: gbp, label: Revenue, description: Without returned orders.}
  best_day: {sql: max(revenue), format: gbp, label: Best day, description: The most that one country brought in a day.}
---*/
SELECT
    CAST(o.placed_at AT TIME ZONE 'UTC' AS DATE) AS day,
    o.country,
    CAST(COUNT(*) AS INTEGER) AS orders,
    CAST(SUM(o.value) AS DECIMAL(18, 2)) AS revenue
FROM orders AS o
WHERE o.status <> 'returned'
GROUP BY ALL
