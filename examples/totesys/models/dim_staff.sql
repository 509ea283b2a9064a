/*---
description: The people who take and place orders, with their department.
key: [staff_id]
checks:
  - not_null: [first_name, last_name, department_name, location, email_address]
---*/
SELECT
    s.staff_id,
    COALESCE(s.first_name, 'unknown') AS first_name,
    COALESCE(s.last_name, 'unknown') AS last_name,
    COALESCE(d.department_name, 'unknown') AS department_name,
    COALESCE(d.location, 'unknown') AS location,
    COALESCE(s.email_address, 'unknown') AS email_address
FROM totesys.staff AS s
LEFT JOIN totesys.department AS d ON d.department_id = s.department_id
