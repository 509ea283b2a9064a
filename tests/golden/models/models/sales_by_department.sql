/*---
description: Revenue per department and day, of current orders.
key: [department, created_date]
measures:
  total: sum(revenue)
---*/
WITH sales AS (
  SELECT f.*, f.units_sold * f.unit_price AS amount FROM fact_sales_order_current AS f
)
SELECT d.department, s.created_date, sum(s.amount) AS revenue, count(*) AS orders
FROM sales AS s JOIN dim_staff AS d ON d.staff_id = s.sales_staff_id
GROUP BY ALL
