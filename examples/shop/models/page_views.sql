/*---
description: Pages looked at. The source has no key here, so equal rows are counted, not merged.
measures:
  views: {sql: count(*), format: integer, label: Views, description: Pages looked at.}
---*/
SELECT
    v.viewed_at,
    v.path,
    v.customer_id
FROM shop.page_views AS v
