"""Sixty and more values of every type that a column can have: bit-exact in the lake, and right or refused in models."""

import io
import math
import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.sources import postgres_select
from catchwater.errors import SourceError
from catchwater.project.names import literal, quote
from tests.support import proof, values
from tests.support.clusters import cluster
from tests.support.commands import catchwater
from tests.support.postgres import Database, Lake, any_db, db, postgres16, postgres18
from tests.support.warehouse import published

__all__ = ["any_db", "db", "postgres16", "postgres18"]

SETTINGS = (
    "SET search_path = pg_catalog", "SET DateStyle = 'ISO, YMD'", "SET IntervalStyle = 'postgres'", "SET TimeZone = 'UTC'",
    "SET extra_float_digits = 1", "SET bytea_output = 'hex'", "SET lc_monetary = 'C'",
)  # fmt: skip
COLUMN_TYPES = """SELECT typname::text FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A' ORDER BY 1"""
BUILT_WITHOUT = ("xml",)  # the wheels' servers; Debian's has it
Grid = dict[str, list[str | None]]


def kinds(db: Database) -> list[str]:
    return [str(name) for [name] in db.run(COLUMN_TYPES)]


def valid(db: Database, kind: str, texts: Sequence[str]) -> list[str]:
    """Those that Postgres takes: a type with a modifier has no room for all of its base type's."""
    found = db.open[0].run(
        "SELECT v FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS u(v, n) WHERE pg_input_is_valid(v, :kind) ORDER BY n",
        texts=list(texts),
        kind=kind,
    )
    return [str(v) for [v] in found or []]


def made(db: Database, chance: random.Random) -> dict[str, dict[str, list[str]]]:
    """Table → type → texts, of all types that this server has."""
    there = [kind for kind in kinds(db) if kind not in BUILT_WITHOUT]
    plain = {kind: valid(db, sql(kind), values.values(kind, chance)) for kind in there if kind in values.TYPES}
    modified = {kind: valid(db, kind, values.values(base, chance)) for kind, base in values.MODIFIED.items()}
    arrays = {f"{sql(kind)}[]": valid(db, f"{sql(kind)}[]", values.arrays(kind, chance)) for kind in plain}
    return {"plain": {sql(kind): texts for kind, texts in plain.items()}, "modified": modified, "arrays": arrays}


def sql(kind: str) -> str:
    """How a type is called in SQL: "char" isn't char."""
    return '"char"' if kind == "char" else f"pg_catalog.{kind}" if kind in values.TYPES else kind


def fill(db: Database, table: str, columns: Mapping[str, Sequence[str]]) -> int:
    """A table with a column of each type, its values one under the other and a NULL after them; how many rows."""
    fields = ", ".join(f"c{n} {kind}" for n, kind in enumerate(columns))
    db.run(f"CREATE TABLE public.{table} (id int PRIMARY KEY, {fields})")
    height = max(len(texts) for texts in columns.values()) + 1
    stacks = [list(islice(cycle([*texts, None]), height)) for texts in columns.values()]
    lines = "".join(
        "\t".join([str(number), *("\\N" if text is None else escaped(text) for text in row)]) + "\n"
        for number, row in enumerate(zip(*stacks, strict=True))
    )
    db.open[0].run(f"COPY public.{table} FROM STDIN", stream=io.BytesIO(lines.encode()))
    return height


def escaped(text: str) -> str:
    for plain, code in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, code)
    return text


def unescaped(text: str) -> str | None:
    if text == "\\N":
        return None
    codes = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
    parts = text.split("\\\\")
    return "\\".join("".join(codes[p[0]] + p[1:] if i else p for i, p in enumerate(part.split("\\"))) for part in parts)


def there(db: Database, table: str) -> Grid:
    """Column → values in the order of the key, as COPY writes them; floats by their bits."""
    for setting in SETTINGS:
        db.run(setting)
    columns = db.run(
        "SELECT attname::text, atttypid::regtype::text FROM pg_attribute "
        f"WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    sends = {"real": "float4send", "double precision": "float8send"}
    parts = [
        f"CASE {quote(c)} WHEN 'NaN' THEN 'NaN' ELSE encode({sends[kind]}({quote(c)}), 'hex') END"
        if kind in sends
        else quote(c)
        for c, kind in columns
    ]
    out = io.BytesIO()
    db.open[0].run(f"COPY (SELECT {', '.join(parts)} FROM public.{table} ORDER BY id) TO STDOUT", stream=out)
    rows = [[unescaped(text) for text in line.split("\t")] for line in out.getvalue().decode().split("\n")[:-1]]
    return {str(c): list(column) for (c, _), column in zip(columns, zip(*rows, strict=True), strict=True)}


def here(con: duckdb.DuckDBPyConnection, relation: str, exact: bool = True) -> Grid:
    """The same of a relation in DuckDB that is as readers and models see it."""
    described = con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {relation})").fetchall()
    shape = [(name, kind) for name, kind in described if not name.startswith("_")]
    parts = ", ".join(_text(name, kind, exact) for name, kind in shape)
    rows = con.execute(f"SELECT {parts} FROM {relation} ORDER BY id").fetchall()
    grid: Grid = {}
    for (name, kind), column in zip(shape, zip(*rows, strict=True), strict=True):
        grid[name] = [_bits(value, kind) for value in column]
    return grid


def _text(name: str, kind: str, exact: bool) -> str:
    c = quote(name)
    text = f"{c}::VARCHAR"
    if kind in ("FLOAT", "DOUBLE"):
        return c
    if kind == "BOOLEAN":
        return f"left({text}, 1)"
    if kind == "BLOB":
        return f"'\\x' || lower(hex({c}))"
    if kind.startswith("DECIMAL"):
        text = f"regexp_replace({text}, '^(-?)\\.', '\\10.')"
    return f"coalesce({text}, _exact[{literal(name)}])" if exact else text


def _bits(value: float | str | None, kind: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return "NaN" if math.isnan(value) else struct.pack(">f" if kind == "FLOAT" else ">d", value).hex()


def different(expected: Grid, found: Grid, names: Mapping[str, str]) -> list[str]:
    """What isn't as Postgres writes it, by type."""
    wrong = []
    for column, texts in expected.items():
        pairs = zip(texts, found[column], strict=True)
        wrong += [f"{names.get(column, column)}: {a!r:.200} is {b!r:.200}" for a, b in pairs if a != b][:3]
    return wrong


def named(columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {f"c{n}": kind for n, kind in enumerate(columns)}


@pytest.fixture
def filled(any_db: Database) -> Iterator[tuple[Database, dict[str, dict[str, list[str]]]]]:
    any_db.run(*values.OWN)
    tables = made(any_db, random.Random(proof.seed()))
    for table, columns in tables.items():
        fill(any_db, table, columns)
    yield any_db, tables


def test_every_type_is_known_here(db: Database) -> None:
    """Another server may bring another type; each has its values, or a way to get some."""
    assert sorted(set(kinds(db)) - set(values.TYPES) - set(values.UNWRITABLE)) == []


@pytest.mark.proof
def test_every_value_of_every_type(filled: tuple[Database, dict[str, dict[str, list[str]]]], tmp_path: Path) -> None:
    db, tables = filled
    poor = {kind: len(texts) for kind, texts in tables["plain"].items() if len(texts) < values.LEAST}
    assert poor == {}
    lake = Lake(db, tmp_path, list(tables))
    lake.ingest()
    wrong = []
    for table, columns in tables.items():
        with lake.connection(table) as con:
            wrong += different(there(db, table), here(con, table), named(columns))
    assert wrong == []
    print(f"{sum(len(texts) for columns in tables.values() for texts in columns.values())} values")
    # what is held is equal to what is read again, NaN and -0 too: nothing new comes of a full comparison
    for table in tables:
        db.run(f"ALTER TABLE public.{table} ADD COLUMN more int")
    assert lake.ingest().rows_out == 0


@pytest.mark.proof
def test_unwritable_types(db: Database, tmp_path: Path) -> None:
    """What only the server itself makes is read as it writes it."""
    db.run(
        "CREATE TABLE s (a int, b int DEFAULT 7)",
        "INSERT INTO s SELECT i % 5, i % 3 FROM generate_series(1, 100) i",
        "CREATE STATISTICS several (ndistinct, dependencies, mcv) ON a, b FROM s",
        "ANALYZE s",
    )
    there_are = set(kinds(db))
    tables = []
    for kind, query in values.UNWRITABLE.items():
        if kind in there_are:
            db.run(f"CREATE TABLE u_{kind} AS SELECT (row_number() OVER ())::int AS id, v FROM ({query}) AS q(v)")
            db.run(f"ALTER TABLE u_{kind} ADD PRIMARY KEY (id)")
            tables.append(f"u_{kind}")
    lake = Lake(db, tmp_path, tables)
    lake.ingest()
    for table in tables:
        with lake.connection(table) as con:
            assert different(there(db, table), here(con, table), {}) == []


@pytest.mark.proof
@pytest.mark.full
def test_xml(tmp_path: Path) -> None:
    with cluster(tmp_path / "server", 15) as server:
        db = server.database()
        fill(db, "documents", {"xml": values.values("xml", random.Random(proof.seed()))})
        lake = Lake(db, tmp_path / "lake", ["documents"])
        lake.ingest()
        with lake.connection("documents") as con:
            assert different(there(db, "documents"), here(con, "documents"), {}) == []


@pytest.mark.proof
def test_values_without_guards_are_found(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken way: values that a native type can't hold are sent as it."""
    monkeypatch.setattr(postgres_select, "GUARDS", {})
    found = []
    for table, (kind, texts) in {
        "a": ("numeric(9,2)", ["1.5", "NaN"]),
        "b": ("timestamp", ["2024-01-01 00:00:00", "294276-12-31 00:00:00"]),
        "c": ("date", ["5874897-12-31", "infinity", "4713-01-01 BC"]),
    }.items():
        fill(db, table, {kind: texts})
        lake = Lake(db, tmp_path / table, [table])
        try:
            lake.ingest()
            with lake.connection(table) as con:
                found.append(different(there(db, table), here(con, table), {}))
        except (SourceError, duckdb.Error):
            found.append(["refused"])
    assert all(found), found
