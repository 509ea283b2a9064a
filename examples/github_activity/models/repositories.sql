/*---
description: Every repository that the archive or the webhook told of, and how busy it is in each.
key: [repo]
measures:
  repositories: {sql: count(*), format: integer, label: Repositories, description: Repositories heard of.}
  busiest: {sql: max(events), format: integer, label: Most events, description: In one repository.}
---*/
SELECT
    r.repo,
    CAST(SUM(r.events) AS INTEGER) AS events,
    CAST(SUM(r.deliveries) AS INTEGER) AS deliveries
FROM (
    SELECT a.repo, 1 AS events, 0 AS deliveries FROM activity AS a
    UNION ALL
    SELECT d.repo, 0 AS events, 1 AS deliveries FROM deliveries AS d WHERE d.repo IS NOT NULL
) AS r
GROUP BY r.repo
