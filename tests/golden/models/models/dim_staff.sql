/*---
description: Staff with their departments.
key: [staff_id]
---*/
SELECT s.staff_id, s.first_name, coalesce(d.department_name, 'none') AS department
FROM totesys.staff AS s
LEFT JOIN totesys.department AS d USING (department_id)
