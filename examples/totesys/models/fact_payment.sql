/*---
description: Every version of every payment. The newest version of each is in fact_payment_current.
key: [payment_record_id]
entity: [payment_id]
references:
  created_date: dim_date
  last_updated_date: dim_date
  transaction_id: dim_transaction
  counterparty_id: dim_counterparty
  currency_id: dim_currency
  payment_type_id: dim_payment_type
  payment_date: dim_date
measures:
  payments: {sql: count(*), format: integer, label: Payments, description: Payments as they stand now.}
  amount:
    sql: sum(payment_amount)
    format: decimal
    label: Amount
    description: In the currency of the payment; group or filter by currency.
  average_payment: {sql: avg(payment_amount), format: decimal, label: Average payment}
  largest_payment: {sql: max(payment_amount), format: decimal, label: Largest payment}
  outstanding:
    sql: sum(CASE WHEN paid THEN 0 ELSE payment_amount END)
    format: decimal
    label: Outstanding
    description: What is not paid yet, in the currency of the payment.
  paid_share:
    sql: sum(CASE WHEN paid THEN 1 ELSE 0 END) / nullif(count(*), 0)
    format: percent
    label: Paid
    description: Share of the payments that are paid.
  versions: {sql: count(*), format: integer, label: Versions, over: history, description: Versions captured.}
checks:
  - not_null: [payment_id, created_date, created_time, last_updated_date, last_updated_time, transaction_id,
      counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date]
    severity: quarantine
  - check: payment_date BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'     # not infinity
    severity: quarantine
---*/
SELECT
    p._id AS payment_record_id,
    p.payment_id,
    CAST(p.created_at AS DATE) AS created_date,
    CAST(p.created_at AS TIME) AS created_time,
    CAST(p.last_updated AS DATE) AS last_updated_date,
    CAST(p.last_updated AS TIME) AS last_updated_time,
    p.transaction_id,
    p.counterparty_id,
    TRY_CAST(p.payment_amount AS DECIMAL(38, 9)) AS payment_amount,
    p.currency_id,
    p.payment_type_id,
    p.paid,
    TRY_CAST(p.payment_date AS DATE) AS payment_date
FROM totesys.payment__history AS p
