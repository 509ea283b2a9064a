/*---
description: Every version of every station that was published while we looked. The newest are in station_changes_current.
key: [version_id]
entity: [iata]
measures:
  stations: {sql: count(*), format: integer, label: Stations, description: As last published.}
  versions: {sql: count(*), format: integer, label: Versions, over: history, description: Versions captured.}
---*/
SELECT
    s._id AS version_id,
    s.iata,
    s.name AS station,
    s.latitude,
    s.longitude
FROM stations.stations__history AS s
