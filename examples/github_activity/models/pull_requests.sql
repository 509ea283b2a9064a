/*---
description: Every pull request as its newest event shows it.
key: [repo, number]
measures:
  pull_requests: {sql: count(*), format: integer, label: Pull requests, description: Pull requests with an event.}
  merged_total: {sql: count(*) FILTER (WHERE merged), format: integer, label: Merged, description: Pull requests merged.}
  lines: {sql: sum(additions + deletions), format: integer, label: Lines changed, description: Added and deleted.}
---*/
SELECT
    p.repo,
    p.number,
    p.title,
    p.author,
    p.state,
    p.merged,
    p.additions,
    p.deletions,
    p.created_at AS last_event_at
FROM (
    SELECT
        a.repo,
        CAST(JSON_EXTRACT_STRING(a.payload, '$.pull_request.number') AS INTEGER) AS number,
        JSON_EXTRACT_STRING(a.payload, '$.pull_request.title') AS title,
        JSON_EXTRACT_STRING(a.payload, '$.pull_request.user.login') AS author,
        JSON_EXTRACT_STRING(a.payload, '$.pull_request.state') AS state,
        CAST(JSON_EXTRACT_STRING(a.payload, '$.pull_request.merged') AS BOOLEAN) AS merged,
        CAST(JSON_EXTRACT_STRING(a.payload, '$.pull_request.additions') AS INTEGER) AS additions,
        CAST(JSON_EXTRACT_STRING(a.payload, '$.pull_request.deletions') AS INTEGER) AS deletions,
        a.created_at,
        ROW_NUMBER() OVER (
            PARTITION BY a.repo, JSON_EXTRACT_STRING(a.payload, '$.pull_request.number')
            ORDER BY a.created_at DESC, a.id DESC
        ) AS place
    FROM archive AS a
    WHERE a.type = 'PullRequestEvent'
) AS p
WHERE p.place = 1
