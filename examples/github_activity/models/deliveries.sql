/*---
description: What GitHub told the webhook, one row per delivery, however often it was delivered.
key: [delivery_id]
measures:
  deliveries: {sql: count(*), format: integer, label: Deliveries, description: Different deliveries.}
  kinds: {sql: count(distinct event), format: integer, label: Kinds of events, description: Such as push or issues.}
checks:
  - not_null: [event, received_at]
---*/
SELECT
    l.delivery_id,
    l.event,
    l.action,
    l.repo,
    l.actor,
    l.received_at
FROM live AS l
