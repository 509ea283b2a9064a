/*---
description: One row per day from 2020 to 2035, and every other day that a version of an order or payment names.
key: [date_id]
checks:
  - not_null: [year, month, day, day_of_week, day_name, month_name, quarter]
---*/
WITH days AS (
    SELECT CAST(UNNEST(GENERATE_SERIES(DATE '2020-01-01', DATE '2035-12-31', INTERVAL 1 DAY)) AS DATE) AS date_id
    UNION SELECT CAST(created_at AS DATE) FROM totesys.sales_order__history
    UNION SELECT CAST(last_updated AS DATE) FROM totesys.sales_order__history
    UNION SELECT TRY_CAST(agreed_delivery_date AS DATE) FROM totesys.sales_order__history
    UNION SELECT TRY_CAST(agreed_payment_date AS DATE) FROM totesys.sales_order__history
    UNION SELECT CAST(created_at AS DATE) FROM totesys.purchase_order__history
    UNION SELECT CAST(last_updated AS DATE) FROM totesys.purchase_order__history
    UNION SELECT TRY_CAST(agreed_delivery_date AS DATE) FROM totesys.purchase_order__history
    UNION SELECT TRY_CAST(agreed_payment_date AS DATE) FROM totesys.purchase_order__history
    UNION SELECT CAST(created_at AS DATE) FROM totesys.payment__history
    UNION SELECT CAST(last_updated AS DATE) FROM totesys.payment__history
    UNION SELECT TRY_CAST(payment_date AS DATE) FROM totesys.payment__history
)
SELECT
    date_id,
    CAST(YEAR(date_id) AS INTEGER) AS year,
    CAST(MONTH(date_id) AS INTEGER) AS month,
    CAST(DAYOFMONTH(date_id) AS INTEGER) AS day,
    CAST(ISODOW(date_id) AS INTEGER) AS day_of_week,
    DAYNAME(date_id) AS day_name,
    MONTHNAME(date_id) AS month_name,
    CAST(QUARTER(date_id) AS INTEGER) AS quarter
FROM days
WHERE date_id BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'
