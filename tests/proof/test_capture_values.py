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
from pg8000.exceptions import DatabaseError

from catchwater.adapters.sources.postgres import select
from catchwater.errors import SourceError
from catchwater.project.names import literal, quote
from tests.support import proof, values
from tests.support.clusters import cluster
from tests.support.commands import catchwater
from tests.support.postgres import Database, Lake, database, db, postgres16, postgres18
from tests.support.warehouse import published

__all__ = ["db", "postgres16", "postgres18"]

SETTINGS = (
    "SET search_path = pg_catalog", "SET DateStyle = 'ISO, YMD'", "SET IntervalStyle = 'postgres'", "SET TimeZone = 'UTC'",
    "SET extra_float_digits = 1", "SET bytea_output = 'hex'", "SET lc_monetary = 'C'",
)  # fmt: skip
COLUMN_TYPES = """SELECT typname::text FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A' ORDER BY 1"""
BUILT_WITHOUT = ("xml",)  # the wheels' servers; Debian's has it
Grid = dict[str, list[str | None]]
Tables = dict[str, dict[str, list[str]]]


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


def made(db: Database, chance: random.Random) -> Tables:
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
    return {str(c): [row[n] for row in rows] for n, (c, _) in enumerate(columns)}


def here(con: duckdb.DuckDBPyConnection, relation: str, exact: bool = True) -> Grid:
    """The same of a relation in DuckDB that is as readers and models see it."""
    described = con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {relation})").fetchall()
    shape = [(name, kind) for name, kind in described if not name.startswith("_")]
    parts = ", ".join(_text(name, kind, exact) for name, kind in shape)
    rows = con.execute(f"SELECT {parts} FROM {relation} ORDER BY id").fetchall()
    return {name: [_bits(row[n], kind) for row in rows] for n, (name, kind) in enumerate(shape)}


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


@pytest.fixture(params=[pytest.param(16, marks=pytest.mark.full), 18])
def filled(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Tables]]:
    db = database(request.getfixturevalue(f"postgres{request.param}"))
    yield db, prepared(db)
    db.close()


def prepared(db: Database) -> Tables:
    db.run(*values.OWN)
    tables = made(db, random.Random(proof.seed()))
    for table, columns in tables.items():
        fill(db, table, columns)
    return tables


def test_every_type_is_known_here(db: Database) -> None:
    """Another server may bring another type; each has its values, or a way to get some."""
    assert sorted(set(kinds(db)) - set(values.TYPES) - set(values.UNWRITABLE)) == []


@pytest.mark.proof
def test_every_value_of_every_type(filled: tuple[Database, Tables], tmp_path: Path) -> None:
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


SAME = {"numeric": ("1.0", "1.00"), "float8": ("-0", "0"), "interval": ("24:00:00", "1 day"), "bpchar": ("a", "a  ")}


def keyed(db: Database, kinds: Sequence[str], chance: random.Random) -> dict[str, str]:
    """Table → type, of each type that Postgres takes for a key: some of its values, each once."""
    found = {}
    for number, kind in enumerate(kinds):
        texts = [text for text in valid(db, sql(kind), values.values(kind, chance, 20)) if len(text) < 300]
        texts += [text for text in SAME.get(kind, ()) if text not in texts][:1]
        try:
            db.run(f"CREATE TABLE public.k{number} (id {sql(kind)} PRIMARY KEY, v int)")
        except DatabaseError as error:
            assert "default operator class" in str(error)  # noqa: PT017 (others are keys, these aren't)
            continue
        found[f"k{number}"] = kind
        db.open[0].run(
            f"INSERT INTO public.k{number} SELECT u, 0 FROM unnest(CAST(:texts AS {sql(kind)}[])) u "
            "ON CONFLICT DO NOTHING",
            texts=texts,
        )
    return found


def rows_of(grid: Grid) -> list[tuple[str | None, ...]]:
    return sorted(zip(*grid.values(), strict=True), key=repr)


def wrong_keys(db: Database, lake: Lake, tables: Mapping[str, str]) -> list[str]:
    """The types of keys whose rows aren't the server's, less those in quarantine."""
    wrong = []
    for table, kind in tables.items():
        with lake.connection(table) as con:
            ours = rows_of(here(con, table))
        theirs = rows_of(there(db, table))
        aside = len(theirs) - len(ours)
        odd = lake.log.head().position["tables"][table]["refused"]  # type: ignore[union-attr]
        if set(ours) - set(theirs) or aside != len(odd):
            wrong.append(f"{kind}: {sorted(set(ours) ^ set(theirs), key=repr)[:4]}")
    return wrong


@pytest.mark.proof
def test_every_type_as_a_key(db: Database, tmp_path: Path) -> None:
    """Rows are found again by a key of any type, changed, deleted, and where another text is the same key."""
    chance = random.Random(proof.seed())
    tables = keyed(db, [kind for kind in kinds(db) if kind in values.TYPES and kind not in BUILT_WITHOUT], chance)
    assert len(tables) > 30
    lake = Lake(db, tmp_path, list(tables))
    lake.ingest()
    assert wrong_keys(db, lake, tables) == []
    for table, kind in tables.items():
        db.run(
            f"UPDATE public.{table} SET v = 1 WHERE id IN (SELECT id FROM public.{table} ORDER BY id LIMIT 9)",
            f"DELETE FROM public.{table} WHERE id IN (SELECT id FROM public.{table} ORDER BY id DESC LIMIT 5)",
        )
        if kind in SAME:
            old, new = SAME[kind]
            db.run(f"UPDATE public.{table} SET id = '{new}', v = 2 WHERE id = '{old}'")
    lake.ingest()
    assert wrong_keys(db, lake, tables) == []


PROJECT = """project: values
sources: {{src: {{kind: postgres, url: "{source}", tables: [plain, modified, arrays]}}}}
{warehouse}
"""
DECIMALS = "regexp_replace({0}::VARCHAR, '^(-?)\\.', '\\10.')"  # DuckDB writes .5
HOUSES = {"duckdb": "", "postgres": 'warehouse: {{kind: postgres, url: "{url}"}}'}


def models(folder: Path, tables: Tables, odd: Mapping[str, set[str]]) -> None:
    """Of each table: every column as it is; those that are always native; those that aren't, as text."""
    (folder / "models").mkdir(parents=True)
    for table, columns in tables.items():
        clean = [f"c{n}" for n in range(len(columns)) if f"c{n}" not in odd[table]]
        said = [f"coalesce({DECIMALS.format(c)}, _exact['{c}']) AS {c}" for c in sorted(odd[table])]
        for name, fields in {"all": ["*"], "clean": ["id", *clean], "said": ["id", *said]}.items():
            sql = f"/*---\nkey: [id]\n---*/\nSELECT {', '.join(fields)} FROM src.{table}\n"
            (folder / "models" / f"{name}_{table}.sql").write_text(sql)


def odd_columns(lake: Lake, table: str) -> set[str]:
    """The columns that have a value that their type in the lake can't hold."""
    return {str(c) for (c,) in lake.rows(f"SELECT DISTINCT unnest(map_keys(_exact)) FROM {table}", table)}


@pytest.mark.proof
@pytest.mark.parametrize("house", ["duckdb", pytest.param("postgres", marks=pytest.mark.full)])
def test_values_in_models_are_right_or_refused(db: Database, tmp_path: Path, house: str) -> None:
    """From the source through SELECT * into a warehouse; a column with values that don't fit is refused by name."""
    tables = prepared(db)
    lake = Lake(db, tmp_path / "lake", list(tables))
    lake.ingest()
    odd = {table: odd_columns(lake, table) for table in tables}
    assert odd["plain"]
    assert odd["modified"]
    target = database(db.server)
    folder = tmp_path / "project"
    models(folder, tables, odd)
    warehouse = HOUSES[house].format(url=target.url())
    (folder / "catchwater.yml").write_text(PROJECT.format(source=db.url(), warehouse=warehouse))
    done = catchwater("run", folder)
    said = (done.out + done.err).splitlines()
    for table in tables:
        refused = any(f"all_{table}" in text and c in text for text in said for c in odd[table])
        assert refused == bool(odd[table]), said
        kept = ["clean", "said"] if odd[table] else ["all", "clean", "said"]
        for name in kept:
            found = loaded(folder, target, house, f"{name}_{table}")
            expected = {column: texts for column, texts in there(db, table).items() if column in found}
            assert different(expected, found, named(tables[table])) == [], f"{name}_{table}"
    target.close()


def loaded(folder: Path, target: Database, house: str, table: str) -> Grid:
    if house == "postgres":
        return there(target, table)
    with duckdb.connect(str(published(folder)), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        return here(con, table, exact=False)


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
    monkeypatch.setattr(select, "GUARDS", {})
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
