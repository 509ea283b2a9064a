/*---
description: Events since a year.
materialized: full
---*/
SELECT e.event_id, year(e.moment) AS year FROM events AS e WHERE year(e.moment) >= ${YEAR}
