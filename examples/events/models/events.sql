/*---
description: Every event once, however often it was sent.
key: [event_id]
measures:
  events: {sql: count(*), format: integer, label: Events, description: Events of any type.}
  sessions: {sql: count(distinct session_id), format: integer, label: Sessions, description: Visits with any event.}
  purchases: {sql: count(*) FILTER (WHERE type = 'purchase'), format: integer, label: Purchases}
  revenue: {sql: sum(amount_pence) / 100.0, format: gbp, label: Revenue, description: What purchases brought in.}
checks:
  - not_null: [type, occurred_at, session_id, country]
  - check: type <> 'purchase' OR amount_pence IS NOT NULL
    severity: quarantine
---*/
SELECT
    e.event_id,
    e.type,
    e.occurred_at,
    e.session_id,
    e.user_id,
    e.country,
    e.amount_pence,
    e.page,
    JSON_EXTRACT_STRING(e.properties, '$.device') AS device
FROM events AS e
