/*---
description: Events, and people who caused them, per day (UTC), repository and type.
key: [day, repo, type]
measures:
  total: {sql: sum(events), format: integer, label: Events, description: Events of any type.}
  active_days: {sql: count(distinct day), format: integer, label: Active days, description: Days with an event.}
---*/
SELECT
    CAST(a.created_at AT TIME ZONE 'UTC' AS DATE) AS day,
    a.repo,
    a.type,
    CAST(COUNT(*) AS INTEGER) AS events,
    CAST(COUNT(DISTINCT a.actor) AS INTEGER) AS people
FROM activity AS a
GROUP BY ALL
