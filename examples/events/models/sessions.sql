/*---
description: One row per visit, with how it ended.
key: [session_id]
measures:
  visits: {sql: count(*), format: integer, label: Visits, description: Sessions with at least one event.}
  conversion:
    sql: count(*) FILTER (WHERE purchases > 0) / nullif(count(*), 0)
    format: percent
    label: Conversion
    description: Share of the visits in which something was bought.
---*/
SELECT
    e.session_id,
    MIN(e.occurred_at) AS began_at,
    MAX(e.occurred_at) AS ended_at,
    MAX(e.country) AS country,
    CAST(COUNT(*) AS INTEGER) AS events,
    CAST(COUNT(CASE WHEN e.type = 'purchase' THEN 1 END) AS INTEGER) AS purchases,
    CAST(COALESCE(SUM(e.amount_pence), 0) AS BIGINT) AS amount_pence
FROM events AS e
GROUP BY e.session_id
