/*---
description: One row per order, with the country it goes to and what it is worth.
key: [order_id]
references: {customer_id: customers, country: countries}
measures:
  orders: {sql: count(*), format: integer, label: Orders, description: Orders of any status.}
  order_value: {sql: sum(value), format: gbp, label: Order value, description: What all orders are worth.}
  average_order: {sql: avg(value), format: gbp, label: Average order, description: Worth of a mean order.}
  buyers: {sql: count(distinct customer_id), format: integer, label: Buyers, description: Customers who ordered.}
  returned: {sql: count(*) FILTER (WHERE status = 'returned'), format: integer, label: Returned orders}
  return_rate:
    sql: count(*) FILTER (WHERE status = 'returned') / nullif(count(*), 0)
    format: percent
    label: Return rate
    description: Share of the orders that came back.
checks:
  - not_null: [customer_id, country, status, placed_at]
  - accepted: {status: [placed, paid, shipped, delivered, returned]}
    severity: quarantine
---*/
SELECT
    o.order_id,
    o.customer_id,
    o.country,
    CAST(o.status AS VARCHAR) AS status,
    o.placed_at,
    CAST(COALESCE(SUM(l.quantity * l.unit_price), 0) AS DECIMAL(18, 2)) AS value,
    CAST(COUNT(l.line) AS INTEGER) AS lines
FROM shop.orders AS o
LEFT JOIN shop.order_lines AS l ON l.order_id = o.order_id
GROUP BY ALL
