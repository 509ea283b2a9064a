/*---
description: Every version of every sales order. The newest version of each is in fact_sales_order_current.
key: [sales_record_id]
entity: [sales_order_id]
references:
  created_date: dim_date
  last_updated_date: dim_date
  sales_staff_id: dim_staff
  counterparty_id: dim_counterparty
  currency_id: dim_currency
  design_id: dim_design
  agreed_payment_date: dim_date
  agreed_delivery_date: dim_date
  agreed_delivery_location_id: dim_location
measures:
  orders: {sql: count(*), format: integer, label: Orders, description: Sales orders as they stand now.}
  units: {sql: sum(units_sold), format: integer, label: Units sold}
  revenue:
    sql: sum(units_sold * unit_price)
    format: decimal
    label: Revenue
    description: In the currency of the order; group or filter by currency.
  average_unit_price:
    sql: sum(units_sold * unit_price) / nullif(sum(units_sold), 0)
    format: decimal
    label: Average unit price
    description: Revenue per unit, weighted by units.
  customers: {sql: count(distinct counterparty_id), format: integer, label: Customers}
  versions: {sql: count(*), format: integer, label: Versions, over: history, description: Versions captured.}
checks:
  - not_null: [sales_order_id, created_date, created_time, last_updated_date, last_updated_time, sales_staff_id,
      counterparty_id, units_sold, unit_price, currency_id, design_id, agreed_payment_date,
      agreed_delivery_date, agreed_delivery_location_id]
    severity: quarantine
  - check: agreed_payment_date BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'     # not infinity
    severity: quarantine
  - check: agreed_delivery_date BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'
    severity: quarantine
  - check: units_sold > 0
    severity: warn
---*/
SELECT
    o._id AS sales_record_id,
    o.sales_order_id,
    CAST(o.created_at AS DATE) AS created_date,
    CAST(o.created_at AS TIME) AS created_time,
    CAST(o.last_updated AS DATE) AS last_updated_date,
    CAST(o.last_updated AS TIME) AS last_updated_time,
    o.staff_id AS sales_staff_id,
    o.counterparty_id,
    o.units_sold,
    o.unit_price,
    o.currency_id,
    o.design_id,
    TRY_CAST(o.agreed_payment_date AS DATE) AS agreed_payment_date,     -- text in the source: a bad one
    TRY_CAST(o.agreed_delivery_date AS DATE) AS agreed_delivery_date,   -- becomes NULL, and is quarantined
    o.agreed_delivery_location_id
FROM totesys.sales_order__history AS o
