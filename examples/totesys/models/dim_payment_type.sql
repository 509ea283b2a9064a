/*---
description: What a payment is for, a receipt or a refund of a sale or purchase.
key: [payment_type_id]
checks:
  - not_null: [payment_type_name]
---*/
SELECT
    t.payment_type_id,
    COALESCE(t.payment_type_name, 'unknown') AS payment_type_name
FROM totesys.payment_type AS t
