/*---
description: One row per product in an order, at the price of that day.
key: [order_id, line]
references: {order_id: orders, product_id: products}
measures:
  lines: {sql: count(*), format: integer, label: Lines, description: Lines of all orders.}
  units: {sql: sum(quantity), format: integer, label: Units, description: Pieces sold.}
  revenue: {sql: sum(quantity * unit_price), format: gbp, label: Revenue, description: Units at the price of the day.}
  average_unit_price:
    sql: sum(quantity * unit_price) / nullif(sum(quantity), 0)
    format: gbp
    label: Average unit price
    description: Revenue per unit.
checks:
  - not_null: [product_id, quantity, unit_price]
  - check: quantity > 0
    severity: quarantine
---*/
SELECT
    l.order_id,
    l.line,
    l.product_id,
    l.quantity,
    l.unit_price
FROM shop.order_lines AS l
