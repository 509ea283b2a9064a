/*---
description: Departments that sell much.
materialized: view
---*/
SELECT department, revenue FROM sales_by_department WHERE revenue > 1000
