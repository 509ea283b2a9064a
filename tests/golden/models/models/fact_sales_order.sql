/*---
description: Every version of every sales order.
key: [sales_record_id]
entity: [sales_order_id]
references: {sales_staff_id: dim_staff}
measures:
  revenue: {sql: sum(units_sold * unit_price), format: gbp, label: Revenue}
checks:
  - not_null: [sales_order_id, unit_price]
  - units_sold > 0
---*/
SELECT
  o._id AS sales_record_id,
  o.sales_order_id,
  o.created_at::date AS created_date,
  o.staff_id AS sales_staff_id,
  o.units_sold,
  o.unit_price
FROM totesys.sales_order__history AS o
