/*---
description: What happened in the repositories, one row per event.
key: [event_id]
measures:
  events: {sql: count(*), format: integer, label: Events, description: Events of any type.}
  people: {sql: count(distinct actor), format: integer, label: People, description: Logins with at least one event.}
  commits_total: {sql: sum(commits), format: integer, label: Commits, description: Commits in pushes.}
checks:
  - not_null: [type, repo, actor, created_at]
---*/
SELECT
    a.id AS event_id,
    a.type,
    JSON_EXTRACT_STRING(a.payload, '$.action') AS action,
    a.repo,
    a.actor,
    a.created_at,
    COALESCE(
        JSON_EXTRACT_STRING(a.payload, '$.pull_request.title'),
        JSON_EXTRACT_STRING(a.payload, '$.issue.title'),
        JSON_EXTRACT_STRING(a.payload, '$.release.tag_name'),
        JSON_EXTRACT_STRING(a.payload, '$.ref')
    ) AS subject,
    CASE WHEN a.type = 'PushEvent'
        THEN COALESCE(json_array_length(JSON_EXTRACT(a.payload, '$.commits')), 0)
    END AS commits
FROM archive AS a
