"""Values and names through a warehouse: what goes in comes out, in every kind of warehouse, or is refused by name."""

import json
from dataclasses import dataclass

import duckdb
import pytest

from catchwater.errors import WarehouseError
from catchwater.plan.plan import Model
from catchwater.ports import Loaded
from catchwater.project.names import quote
from tests.support.loads import House, bqemulator, house, model, postgres18

__all__ = ["bqemulator", "house", "postgres18"]


@dataclass(frozen=True)
class Case:
    """A type, and literals of it."""

    type: str
    values: tuple[str, ...]


def case(type_: str, *values: str) -> Case:
    return Case(type_, values)


EXACT = (
    case("BOOLEAN", "true", "false"),
    case("TINYINT", "-128", "127"), case("SMALLINT", "-32768", "32767"),
    case("INTEGER", "-2147483648", "2147483647"),
    case("BIGINT", "(-9223372036854775808)", "9223372036854775807"),
    case("UTINYINT", "0", "255"), case("USMALLINT", "65535"), case("UINTEGER", "4294967295"),
    case("UBIGINT", "18446744073709551615"),
    case("DECIMAL(4,1)", "-999.9", "0.1"), case("DECIMAL(18,6)", "123456789012.123456"),
    case("DECIMAL(38,0)", "'99999999999999999999999999999999999999'", "'-99999999999999999999999999999999999999'"),
    case("DECIMAL(4,4)", "'0.9999'"), case("DECIMAL(9,9)", "'-0.999999999'"),
    case("DECIMAL(18,17)", "'9.99999999999999999'"),
    case("DECIMAL(38,37)", "'9.9999999999999999999999999999999999999'"),
    case("DECIMAL(38,36)", "'99.999999999999999999999999999999999999'"),
    case("DECIMAL(38,38)", "'0.99999999999999999999999999999999999999'"),
    case("DECIMAL(38,10)", "'-1234567890123456789012345678.0123456789'"),
    case("FLOAT", "'NaN'", "'inf'", "'-inf'", "'-0.0'", "'3.4028235e38'", "'1e-45'"),
    case("DOUBLE", "'NaN'", "'inf'", "'-inf'", "'-0.0'", "'1.7976931348623157e308'", "'5e-324'", "'0.1'"),
    case("VARCHAR", "''", "'naïve 日本語 🦆'", "'a''b\"c\\d'", "'tab\tline\nend\r'", "repeat('x', 100000)", "'NULL'",
         "'\\N'"),
    case("BLOB", "''::BLOB", "'\\x00\\xFF\\x27'::BLOB"),
    case("DATE", "'0001-01-01'", "'9999-12-31'", "'1970-01-01'", "'5874897-12-31'", "'infinity'", "'-infinity'"),
    case("TIME", "'00:00:00'", "'23:59:59.999999'"),
    case("TIMESTAMP", "'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'infinity'", "'-infinity'"),
    case("TIMESTAMP_S", "'2026-11-21 10:00:01'"), case("TIMESTAMP_MS", "'2026-11-21 10:00:01.123'"),
    case("TIMESTAMP_NS", "'2026-11-21 10:00:01.123456'"),
    case("TIMESTAMP WITH TIME ZONE", "'2026-11-21 10:00:00+05:30'", "'infinity'"),
    case("INTERVAL", "INTERVAL '1 month 2 days 3 seconds'"),
    case("UUID", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    case("ENUM('a', 'it''s')", "'a'", "'it''s'"),
    case("BIT", "'0101'::BIT"),
)  # fmt: skip
NESTED = (
    case("JSON", """'{"a": [1, null, "x"]}'"""),
    case("INTEGER[]", "[1, NULL, 3]", "[]"),
    case("INTEGER[2]", "[1, 2]"),
    case("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'it''s'}"),
    case("MAP(VARCHAR, INTEGER)", "MAP {'k': 1}"),
    case('"NULL"', "NULL"),
)


BIGQUERY_REFUSES = ("INTERVAL", "TIMESTAMP_NS")
EMULATOR_HAS_NO = ("DECIMAL(38,0)", "DECIMAL(38,37)", "DECIMAL(38,36)", "DECIMAL(38,38)", "DECIMAL(38,10)",
                   "DECIMAL(18,17)")  # fmt: skip
_ENDLESS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def exact(kind: str) -> tuple[Case, ...]:
    """What a kind of warehouse holds as it is: BigQuery has no infinite moments and no year 5874897."""
    if kind != "bigquery":
        return EXACT
    held = [one for one in EXACT if one.type not in (*BIGQUERY_REFUSES, *EMULATOR_HAS_NO)]
    ends = [tuple(v for v in one.values if "inf" not in v and "5874897" not in v) for one in held]
    return tuple(Case(o.type, e if o.type in _ENDLESS else o.values) for o, e in zip(held, ends, strict=True))


def name(number: int) -> str:
    return f"c{number}"


def put(house: House, of: Model, upserts: str, removed: str = "") -> Loaded:
    """One more batch, loaded; the SELECTs give the columns in the model's order, of one without key then the hash."""
    log = house.logs.setdefault(of.name, house.chain(of))
    columns = [(column.name, column.type) for column in of.columns]
    columns += [] if of.key else [("_version", "VARCHAR"), ("_occurrence", "INTEGER")]
    names = ", ".join(quote(name(n)) for n in range(len(columns)))
    fields = ", ".join(f'CAST("{name(n)}" AS {kind}) AS {quote(column)}' for n, (column, kind) in enumerate(columns))
    parts = [
        f"SELECT {fields}, {flag} AS _removed FROM ({sql}) AS given({names})"
        for sql, flag in ((upserts, "false"), (removed, "true"))
        if sql
    ]
    log.add(" UNION ALL ".join(parts))
    try:
        return house.load(log)
    except WarehouseError:
        log.batches.pop()
        raise


def test_types_round_trip(house: House) -> None:
    cases = exact(house.kind)
    width = max(len(one.values) for one in cases)
    kinds = {name(n): one.type for n, one in enumerate(cases)}
    values = model("kinds", {"id": "INTEGER", **kinds})
    rows = [
        f"SELECT {row}, " + ", ".join(f"CAST({one.values[row % len(one.values)]} AS {one.type})" for one in cases)
        for row in range(width)
    ]
    rows.append(f"SELECT {width}" + ", NULL" * len(cases))
    put(house, values, " UNION ALL ".join(rows))
    found = house.texts("kinds", kinds)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for row in range(width):
            for number, one in enumerate(cases):
                wanted = con.execute(
                    f"SELECT CAST(CAST({one.values[row % len(one.values)]} AS {one.type}) AS VARCHAR)"
                ).fetchall()[0][0]
                assert found[row][number] == wanted, (one.type, row)
    assert found[width] == (None,) * len(cases)


def test_bigquery_names_the_column_with_years_that_it_has_not(house: House) -> None:
    if house.kind != "bigquery":
        return
    for number, (kind, value) in enumerate([("DATE", "'infinity'"), ("DATE", "'5874897-12-31'"), ("TIMESTAMP", "'-infinity'"),
                          ("TIMESTAMP WITH TIME ZONE", "'0001-01-01 00:00:00+05'")]):  # fmt: skip
        moments = model(f"moments_{number}", {"id": "INTEGER", "plain": kind, "odd": kind})
        with pytest.raises(WarehouseError, match=r"years 1 to 9999, and column odd has") as refused:
            put(house, moments, f"SELECT 1, '2026-01-01', {value}")
        assert "plain" not in str(refused.value)


def test_nested_types_are_held_or_written_as_json(house: House) -> None:
    if house.kind == "bigquery":
        for number, one in enumerate(case for case in NESTED if case.type not in ("JSON", '"NULL"')):
            nested = model(f"nested_{number}", {"id": "INTEGER", "v": one.type})
            with pytest.raises(WarehouseError, match=r"column v as it is(.|\n)*to_json"):
                put(house, nested, f"SELECT 1, {one.values[0]}")
        return
    kinds = {name(n): one.type for n, one in enumerate(NESTED)}
    values = model("nested", {"id": "INTEGER", **kinds})
    put(house, values, "SELECT 1, " + ", ".join(f"CAST({one.values[0]} AS {one.type})" for one in NESTED))
    put(house, values, "SELECT 2" + ", NULL" * len(NESTED))
    wanted = ('{"a":[1,null,"x"]}', "[1,null,3]", "[1,2]", """{"a":1,"b":"it's"}""", '{"k":1}')
    if house.kind == "duckdb":
        found = house.rows(f"SELECT {', '.join(f'to_json({column})' for column in kinds)} FROM nested ORDER BY id")
        assert found[0][: len(wanted)] == wanted
    else:
        assert house.db is not None
        found = [tuple(row) for row in house.db.run(f"SELECT {', '.join(kinds)} FROM nested ORDER BY id")]
        assert found[0][: len(wanted)] == tuple(json.loads(text) for text in wanted)
    assert found[1] == (None,) * len(NESTED)


def test_a_nul_in_a_text(house: House) -> None:
    texts = model("texts", {"id": "INTEGER", "plain": "VARCHAR", "the text": "VARCHAR"})
    if house.kind == "bigquery":
        put(house, model("texts", {"id": "INTEGER", "v": "VARCHAR"}), "SELECT 1, 'a' || chr(0) || 'b'")
        assert house.rows("SELECT v FROM texts") == [("a\0b",)]
        return
    if house.kind == "duckdb":
        put(house, texts, "SELECT 1, 'x', 'a' || chr(0) || 'b'")
        assert house.rows('SELECT "the text" FROM texts') == [("a\0b",)]
        return
    put(house, texts, "SELECT 1, 'x', 'a'")
    with pytest.raises(WarehouseError, match="NUL") as refused:
        put(house, texts, "SELECT 1, 'x', 'a' || chr(0) || 'b'")
    assert "the text" in str(refused.value)
    assert "plain" not in str(refused.value)
    assert house.rows('SELECT "the text" FROM texts') == [("a",)]


ODD = (
    "select", "Mixed Case", 'qu"ote', "semi;colon", "Ünïcode", "日本", "a.b", "it's", "$1", "100%", "_removed_",
    "rowid", "ctid", "s", "t", "u", "__stage", " ",
)  # fmt: skip


@pytest.mark.parametrize("odd", ["select", "Mixed Case", 'qu"o;te', "日本 ü", "it's {0} %s", "t", "warehouse", "main"])
def test_odd_table_names(house: House, odd: str) -> None:
    table = model(odd, {"id": "INTEGER", "v": "VARCHAR"})
    if house.kind == "bigquery" and not odd.isidentifier():
        with pytest.raises(WarehouseError, match="can't hold the name"):
            put(house, table, "VALUES (1, 'a')")
        return
    put(house, table, "VALUES (1, 'a'), (2, 'b')")
    put(house, table, "VALUES (1, 'c')", "VALUES (2, 'b')")
    assert house.rows(f"SELECT * FROM {quote(odd)}") == [(1, "c")]


def test_odd_column_names(house: House) -> None:
    wanted = [column for column in ODD if house.kind == "duckdb" or column != "ctid"]
    if house.kind == "bigquery":
        wanted = [column for column in wanted if column.isidentifier() and column.isascii()]
    keys = wanted[:4]
    odd = model("odd", dict.fromkeys(wanted, "VARCHAR"), keys, description="it's; 'odd'")
    texts = ", ".join(f"'{n}'" for n in range(len(wanted)))
    changed = ", ".join(f"'{n if n < 4 else -n}'" for n in range(len(wanted)))
    put(house, odd, f"SELECT {texts}")
    done = put(house, odd, f"SELECT {changed}")
    assert (done.added, done.changed) == (0, 1)
    [found] = house.rows(f"SELECT {', '.join(map(quote, wanted))} FROM odd")
    assert found == tuple(str(n if n < 4 else -n) for n in range(len(wanted)))
    loose = model("loose_odd", dict.fromkeys(wanted, "VARCHAR"), ())
    put(house, loose, f"SELECT {texts}, 'h', 1")
    assert len(house.rows('FROM "loose_odd"')[0]) == len(wanted)


def test_names_of_more_than_63_bytes(house: House) -> None:
    long, limit = "é" * 32, "n" * 63
    if house.kind == "bigquery":
        long = "e" * 301
    fits = model(limit, {"id": "INTEGER", limit: "INTEGER"})
    put(house, fits, "VALUES (1, 2)")
    assert house.rows(f"FROM {limit}") == [(1, 2)]
    wide = model("wide", {"id": "INTEGER", long: "INTEGER"})
    if house.kind == "duckdb":
        put(house, wide, "VALUES (1, 2)")
        assert house.rows("FROM wide") == [(1, 2)]
        return
    with pytest.raises(WarehouseError, match="too long" if house.kind == "bigquery" else "63 bytes"):
        put(house, wide, "VALUES (1, 2)")


def test_names_that_differ_in_case_only(house: House) -> None:
    if house.kind != "postgres":
        return
    upper = model("Cased", {"ID": "INTEGER", "V": "INTEGER"}, ("ID",))
    put(house, upper, "VALUES (1, 2)")
    assert house.db is not None
    assert house.db.run('SELECT "ID", "V" FROM public."Cased"') == [[1, 2]]
