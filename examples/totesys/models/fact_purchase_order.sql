/*---
description: Every version of every purchase order. The newest version of each is in fact_purchase_order_current.
key: [purchase_record_id]
entity: [purchase_order_id]
references:
  created_date: dim_date
  last_updated_date: dim_date
  staff_id: dim_staff
  counterparty_id: dim_counterparty
  currency_id: dim_currency
  agreed_delivery_date: dim_date
  agreed_payment_date: dim_date
  agreed_delivery_location_id: dim_location
measures:
  orders: {sql: count(*), format: integer, label: Orders, description: Purchase orders as they stand now.}
  quantity: {sql: sum(item_quantity), format: integer, label: Items bought}
  cost:
    sql: sum(item_quantity * item_unit_price)
    format: decimal
    label: Cost
    description: In the currency of the order; group or filter by currency.
  average_item_price:
    sql: sum(item_quantity * item_unit_price) / nullif(sum(item_quantity), 0)
    format: decimal
    label: Average item price
    description: Cost per item, weighted by quantity.
  suppliers: {sql: count(distinct counterparty_id), format: integer, label: Suppliers}
  versions: {sql: count(*), format: integer, label: Versions, over: history, description: Versions captured.}
checks:
  - not_null: [purchase_order_id, created_date, created_time, last_updated_date, last_updated_time, staff_id,
      counterparty_id, item_code, item_quantity, item_unit_price, currency_id, agreed_delivery_date,
      agreed_payment_date, agreed_delivery_location_id]
    severity: quarantine
  - check: agreed_payment_date BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'     # not infinity
    severity: quarantine
  - check: agreed_delivery_date BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'
    severity: quarantine
  - check: item_quantity > 0
    severity: warn
---*/
SELECT
    o._id AS purchase_record_id,
    o.purchase_order_id,
    CAST(o.created_at AS DATE) AS created_date,
    CAST(o.created_at AS TIME) AS created_time,
    CAST(o.last_updated AS DATE) AS last_updated_date,
    CAST(o.last_updated AS TIME) AS last_updated_time,
    o.staff_id,
    o.counterparty_id,
    o.item_code,
    o.item_quantity,
    TRY_CAST(o.item_unit_price AS DECIMAL(38, 9)) AS item_unit_price,   -- numeric without bounds comes as text;
    o.currency_id,                                                      -- (38, 9) is BigQuery's NUMERIC too
    TRY_CAST(o.agreed_delivery_date AS DATE) AS agreed_delivery_date,
    TRY_CAST(o.agreed_payment_date AS DATE) AS agreed_payment_date,
    o.agreed_delivery_location_id
FROM totesys.purchase_order__history AS o
