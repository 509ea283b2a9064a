/*---
description: A sale or a purchase, and the order that it belongs to.
key: [transaction_id]
checks:
  - not_null: [transaction_type]
  - accepted: {transaction_type: [SALE, PURCHASE]}
    severity: warn
---*/
SELECT
    t.transaction_id,
    COALESCE(t.transaction_type, 'unknown') AS transaction_type,
    t.sales_order_id,
    t.purchase_order_id
FROM totesys.transaction AS t
