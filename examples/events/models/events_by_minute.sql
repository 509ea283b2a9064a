/*---
description: How many events of each type, and what they brought in, per minute (UTC).
key: [minute, type]
measures:
  total: {sql: sum(events), format: integer, label: Events, description: Events of any type.}
  busiest_minute: {sql: max(events), format: integer, label: Busiest minute, description: The most of one type.}
  revenue: {sql: sum(amount_pence) / 100.0, format: gbp, label: Revenue, description: What purchases brought in.}
---*/
SELECT
    DATE_TRUNC('minute', e.occurred_at AT TIME ZONE 'UTC') AS minute,
    e.type,
    CAST(COUNT(*) AS INTEGER) AS events,
    CAST(COALESCE(SUM(e.amount_pence), 0) AS BIGINT) AS amount_pence
FROM events AS e
GROUP BY ALL
