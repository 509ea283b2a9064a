"""Spark's SQL for the rows that a relation has of its versions; the meaning is that of lake/read.py."""

CURRENT = (
    "SELECT h.* FROM {versions} AS h LEFT SEMI JOIN (SELECT MAX(_id) AS newest FROM {versions} GROUP BY {by}) AS n "
    "ON h._id = n.newest WHERE h._op <> 'delete'"
)
STATE = (
    "SELECT h.* FROM {versions} AS h LEFT SEMI JOIN (SELECT MAX(_id) AS newest FROM {versions} GROUP BY {by}) AS n "
    "ON h._id = n.newest WHERE NOT COALESCE(h._removed, FALSE)"
)
LATEST = (
    "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY {order}) AS `#place` FROM ({rows})) "
    "WHERE `#place` = 1 AND _op <> 'delete'"
)
VALIDITY = (
    "SELECT *, _at AS _valid_from, LEAD(_at) OVER later AS _valid_to, "
    "LEAD(_id) OVER later IS NULL AND _op <> 'delete' AS _is_current FROM {versions} "
    "WINDOW later AS (PARTITION BY {by} ORDER BY _id)"
)
