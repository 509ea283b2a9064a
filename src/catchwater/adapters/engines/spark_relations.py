"""What a model reads, as views of a Spark session over Parquet files: the same rows as lake/read.py's views have."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from catchwater.adapters.engines.spark_rows import CURRENT, LATEST, STATE, VALIDITY
from catchwater.ports import Piece, Relation
from catchwater.project.portable import named, spark_type
from catchwater.project.portable_types import digits
from catchwater.project.tables import Column

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_HISTORY = (
    Column("_op", "VARCHAR"), Column("_at", "TIMESTAMP WITH TIME ZONE"), Column("_version", "VARCHAR"),
    Column("_exact", "MAP(VARCHAR, VARCHAR)"),
)  # fmt: skip
_REMOVED = (Column("_removed", "BOOLEAN"),)
_KEYLESS = ("_version", "_occurrence")
_OF_SOURCE = ("versions", "validity", "current")


def unfit(relation: Relation) -> str:
    """Why DuckDB must read these files itself: a column of another type than the files have, and not just wider."""
    for piece in relation.pieces:
        if piece.revises:
            return "a table was read again after its shape changed, and Spark doesn't know which version a row replaces"
        held = {column.name.lower(): column.type for column in piece.columns}
        for column in relation.columns:
            old = held.get(column.name.lower(), column.type)
            if spark_type(column.type) and old != column.type and not _wider(old, column.type):
                return f"older files have {column.name} as {old}, it is {column.type} now"
    return ""


def _wider(old: str, new: str) -> bool:
    before, after = digits(old), digits(new)
    if not before or not after:
        return False
    return after[1] >= before[1] and after[0] - after[1] >= before[0] - before[1]


def create_relation(session: "SparkSession", relation: Relation, number: int) -> None:
    """A view named as the alias, with the relation's columns that Spark has types for."""
    visible = [column for column in relation.columns if spark_type(column.type)]
    fields = ", ".join(named(column.name) for column in visible)
    versions = named(f"versions {number}")
    create_versions(session, relation, versions)
    rows = _rows(relation, versions, f"exact {number}", session)
    session.sql(f"SELECT {fields} FROM ({rows})").createOrReplaceTempView(named(relation.alias))


def create_versions(session: "SparkSession", relation: Relation, name: str) -> None:
    """Every version in the relation's files: its columns, the lake's own, `_id` and `_seq`."""
    of_source = relation.rows in _OF_SOURCE
    own = _HISTORY if of_source else _REMOVED
    keyless = () if relation.key else (Column("_version", "VARCHAR"), Column("_occurrence", "INTEGER"))
    taken = {column.name for column in own} | {"_id", "_seq", "_valid_from", "_valid_to", "_is_current"}
    wanted = [c for c in (*relation.columns, *keyless) if spark_type(c.type) and not (of_source and c.name in taken)]
    wanted = list({column.name.lower(): column for column in wanted if column not in own}.values())
    made = None
    for group in _groups(relation.pieces):
        one = _group(session, group, wanted, own)
        made = one if made is None else made.unionAll(one)
    if made is None:
        made = _nothing(session, [*wanted, *own])
    made.createOrReplaceTempView(name)


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Files of one shape together."""

    def shape(piece: Piece) -> tuple[object, ...]:
        return (*((c.name, c.type) for c in piece.columns), piece.keyed)

    gathered: dict[tuple[object, ...], list[Piece]] = {}
    for key, group in groupby(pieces, shape):
        gathered.setdefault(key, []).extend(group)
    yield from gathered.values()


def _group(session: "SparkSession", group: Sequence[Piece], wanted: Sequence[Column], own: Sequence[Column]):  # type: ignore[no-untyped-def]
    """One read of files of one shape. `_id` is found by each file's name and the row's place in it."""
    from pyspark.sql.functions import broadcast, expr

    held = {column.name.lower(): column for column in (*group[0].columns, *own)}
    present = [held[c.name.lower()] for c in (*wanted, *own) if c.name.lower() in held]
    schema = ", ".join(f"{named(c.name)} {spark_type(c.type)}" for c in present)
    files = session.read.schema(schema).parquet(*(piece.place for piece in group))
    fields = [_field(held.get(c.name.lower()), c) for c in (*wanted, *own)]
    read = files.select(
        *(expr(field) for field in fields),
        expr("_metadata.file_name AS `#file`"), expr("_metadata.row_index AS `#row`"),
    )  # fmt: skip
    bases = ", ".join(f"('{piece.place.rpartition('/')[2]}', {piece.base}L)" for piece in group)
    known = session.sql(f"SELECT * FROM VALUES {bases} AS t(`#file`, `#base`)")
    numbered = read.join(broadcast(known), "#file").withColumn("_id", expr("`#base` + `#row`"))
    numbered = numbered.withColumn("_seq", expr("SHIFTRIGHT(_id, 24)"))
    return numbered.drop("#file", "#row", "#base")


def _field(old: Column | None, column: Column) -> str:
    name, kind = named(column.name), spark_type(column.type)
    return f"CAST({named(old.name) if old else 'NULL'} AS {kind}) AS {name}"


def _nothing(session: "SparkSession", columns: Sequence[Column]):  # type: ignore[no-untyped-def]
    fields = [f"CAST(NULL AS {spark_type(c.type)}) AS {named(c.name)}" for c in columns]
    fields += [f"CAST(NULL AS BIGINT) AS {name}" for name in ("_id", "_seq")]
    return session.sql(f"SELECT {', '.join(fields)} WHERE FALSE")


def _rows(relation: Relation, versions: str, exact: str, session: "SparkSession") -> str:
    by = ", ".join(named(name) for name in relation.key or _KEYLESS)
    if relation.rows == "versions":
        rows = f"SELECT * FROM {versions}"
    elif relation.rows == "validity":
        rows = VALIDITY.format(versions=versions, by=by)
    elif relation.rows == "current":
        rows = CURRENT.format(versions=versions, by=by)
    else:
        rows = STATE.format(versions=versions, by=by)
    if relation.rows == "latest":
        entity = ", ".join(map(named, relation.entity))
        order = ", ".join(f"{named(name)} DESC NULLS LAST" for name in (relation.order, *relation.key))
        rows = LATEST.format(rows=rows, by=entity, order=order)
    if relation.exact:
        session.sql(f"SELECT _exact FROM ({rows})").createOrReplaceTempView(named(exact))
    return rows
