/*---
description: The designs printed on tote bags, and where their artwork is kept.
key: [design_id]
checks:
  - not_null: [design_name, file_location, file_name]
---*/
SELECT
    d.design_id,
    COALESCE(d.design_name, 'unknown') AS design_name,
    COALESCE(d.file_location, 'unknown') AS file_location,
    COALESCE(d.file_name, 'unknown') AS file_name
FROM totesys.design AS d
