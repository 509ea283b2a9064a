"""Values and names through a warehouse: what goes in comes out, in DuckDB and in Postgres, or is refused by name."""

from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from catchwater.errors import WarehouseError
from catchwater.project.names import quote
from tests.support.loading import Rig, logs, model, rig, warehouses  # noqa: F401
from tests.support.postgres import postgres18  # noqa: F401


@dataclass(frozen=True)
class Case:
    """A type, literals of it, and what Postgres gives back where that differs (as DuckDB's text)."""

    type: str
    values: tuple[str, ...]
    postgres: dict[str, str | None]


def case(type_: str, *values: str, **postgres: Any) -> Case:
    return Case(type_, values, postgres.get("postgres", {}))


EXACT = (
    case("BOOLEAN", "true", "false"),
    case("TINYINT", "-128", "127"), case("SMALLINT", "-32768", "32767"),
    case("INTEGER", "-2147483648", "2147483647"),
    case("BIGINT", "(-9223372036854775808)", "9223372036854775807"),
    case("UTINYINT", "0", "255"), case("USMALLINT", "65535"), case("UINTEGER", "4294967295"),
    case("UBIGINT", "18446744073709551615"),
    case("HUGEINT", "170141183460469231731687303715884105727", "-170141183460469231731687303715884105728"),
    case("UHUGEINT", "340282366920938463463374607431768211455"),
    case("DECIMAL(4,1)", "-999.9", "0.1"), case("DECIMAL(18,6)", "123456789012.123456"),
    case("DECIMAL(38,0)", "'99999999999999999999999999999999999999'", "'-99999999999999999999999999999999999999'"),
    case("DECIMAL(38,38)", "'0.99999999999999999999999999999999999999'"),
    case("DECIMAL(38,10)", "'-1234567890123456789012345678.0123456789'"),
    case("FLOAT", "'NaN'", "'inf'", "'-inf'", "'-0.0'", "'3.4028235e38'", "'1e-45'"),
    case("DOUBLE", "'NaN'", "'inf'", "'-inf'", "'-0.0'", "'1.7976931348623157e308'", "'5e-324'", "'0.1'"),
    case("VARCHAR", "''", "'naïve 日本語 🦆'", "'a''b\"c\\d'", "'tab\tline\nend\r'", "repeat('x', 100000)", "'NULL'", "'\\N'"),
    case("BLOB", "''::BLOB", "'\\x00\\xFF\\x27'::BLOB"),
    case("DATE", "'0001-01-01'", "'9999-12-31'", "'1970-01-01'", "'5874897-12-31'", "'infinity'", "'-infinity'"),
    case("TIME", "'00:00:00'", "'23:59:59.999999'"),
    case("TIMESTAMP", "'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'infinity'", "'-infinity'"),
    case("TIMESTAMP_S", "'2026-11-21 10:00:01'"), case("TIMESTAMP_MS", "'2026-11-21 10:00:01.123'"),
    case("TIMESTAMP_NS", "'2026-11-21 10:00:01.123456'"),
    case("TIMESTAMP WITH TIME ZONE", "'2026-11-21 10:00:00+05:30'", "'infinity'"),
    case("INTERVAL", "INTERVAL '1 month 2 days 3 seconds'", "INTERVAL '-5 months'"),
    case("UUID", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    case("ENUM('a', 'it''s')", "'a'", "'it''s'"),
    case("BIT", "'0101'::BIT"),
)  # fmt: skip
NESTED = (
    case("JSON", """'{"a": [1, null, "x"]}'"""),
    case("INTEGER[]", "[1, NULL, 3]", "[]", postgres={"[1, NULL, 3]": "[1,null,3]", "[]": "[]"}),
    case("INTEGER[2]", "[1, 2]"),
    case("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'it''s'}"),
    case("MAP(VARCHAR, INTEGER)", "MAP {'k': 1}"),
    case('"NULL"', "NULL"),
)


def name(number: int) -> str:
    return f"c{number}"


def test_types_round_trip(rig: Rig) -> None:
    width = max(len(one.values) for one in EXACT)
    kinds = {name(n): one.type for n, one in enumerate(EXACT)}
    values = model("kinds", {"id": "INTEGER", **kinds})
    rows = [
        f"SELECT {row}, " + ", ".join(f"CAST({one.values[row % len(one.values)]} AS {one.type})" for one in EXACT)
        for row in range(width)
    ]
    rows.append(f"SELECT {width}" + ", NULL" * len(EXACT))
    rig.put(values, " UNION ALL ".join(rows))
    texts = ", ".join(f"CAST({column} AS VARCHAR)" for column in kinds)
    found = rig.rows(f"SELECT {texts} FROM kinds ORDER BY id")
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for row in range(width):
            for number, one in enumerate(EXACT):
                wanted = con.execute(
                    f"SELECT CAST(CAST({one.values[row % len(one.values)]} AS {one.type}) AS VARCHAR)"
                ).fetchall()[0][0]
                assert found[row][number] == wanted, (one.type, row)
    assert found[width] == (None,) * len(EXACT)


def test_nested_types_are_held_or_written_as_json(rig: Rig) -> None:
    kinds = {name(n): one.type for n, one in enumerate(NESTED)}
    values = model("nested", {"id": "INTEGER", **kinds})
    rig.put(values, "SELECT 1, " + ", ".join(f"CAST({one.values[0]} AS {one.type})" for one in NESTED))
    rig.put(values, "SELECT 2" + ", NULL" * len(NESTED))
    as_json = ", ".join(f"CAST(to_json({column}) AS VARCHAR)" for column in kinds)
    found = rig.rows(f"SELECT {as_json} FROM nested ORDER BY id")
    texts = [None if text is None else text.replace(" ", "") for text in found[0]]
    if rig.kind == "postgres":  # jsonb read back is a text, or JSON
        texts = [None if t is None else t if not t.startswith('"{') else t.encode().decode("unicode_escape")[1:-1] for t in texts]
    assert texts[:5] == ['{"a":[1,null,"x"]}', "[1,null,3]", "[1,2]", """{"a":1,"b":"it's"}""", '{"k":1}']
    assert found[1] == (None,) * len(NESTED)


def test_a_nul_in_a_text(rig: Rig) -> None:
    texts = model("texts", {"id": "INTEGER", "plain": "VARCHAR", "the text": "VARCHAR"})
    if rig.kind == "duckdb":
        rig.put(texts, "SELECT 1, 'x', 'a' || chr(0) || 'b'")
        assert rig.rows('SELECT "the text" FROM texts') == [("a\0b",)]
        return
    rig.put(texts, "SELECT 1, 'x', 'a'")
    with pytest.raises(WarehouseError, match="NUL") as refused:
        rig.put(texts, "SELECT 1, 'x', 'a' || chr(0) || 'b'")
    assert "the text" in str(refused.value)
    assert "plain" not in str(refused.value)
    assert rig.rows('SELECT "the text" FROM texts') == [("a",)]


ODD = ("select", "Mixed Case", 'qu"ote', "semi;colon", "Ünïcode", "日本", "a.b", "it's", "$1", "100%", "_removed_", "rowid", "ctid", "s", "t", "u", "__stage", " ")  # fmt: skip


@pytest.mark.parametrize("odd", ["select", "Mixed Case", 'qu"o;te', "日本 ü", "it's {0} %s", "t", "warehouse", "main"])
def test_odd_table_names(rig: Rig, odd: str) -> None:
    table = model(odd, {"id": "INTEGER", "v": "VARCHAR"})
    rig.put(table, "VALUES (1, 'a'), (2, 'b')")
    rig.put(table, "VALUES (1, 'c')", "VALUES (2, 'b')")
    assert rig.rows(f"SELECT * FROM {quote(odd)}") == [(1, "c")]


def test_odd_column_names(rig: Rig) -> None:
    wanted = [column for column in ODD if rig.kind == "duckdb" or column != "ctid"]
    keys = wanted[:4]
    odd = model("odd", dict.fromkeys(wanted, "VARCHAR"), keys, description="it's; 'odd'")
    texts = ", ".join(f"'{n}'" for n in range(len(wanted)))
    changed = ", ".join(f"'{n if n < 4 else -n}'" for n in range(len(wanted)))
    rig.put(odd, f"SELECT {texts}")
    done = rig.put(odd, f"SELECT {changed}")
    assert (done.added, done.changed) == (0, 1)
    [found] = rig.rows(f"SELECT {', '.join(map(quote, wanted))} FROM odd")
    assert found == tuple(str(n if n < 4 else -n) for n in range(len(wanted)))
    loose = model("loose odd", dict.fromkeys(wanted, "VARCHAR"), ())
    rig.put(loose, f"SELECT {texts}, 'h', 1")
    assert len(rig.rows('FROM "loose odd"')[0]) == len(wanted)


def test_names_of_more_than_63_bytes(rig: Rig) -> None:
    long, limit = "é" * 32, "n" * 63
    fits = model(limit, {"id": "INTEGER", limit: "INTEGER"})
    rig.put(fits, "VALUES (1, 2)")
    assert rig.rows(f"FROM {limit}") == [(1, 2)]
    wide = model("wide", {"id": "INTEGER", long: "INTEGER"})
    if rig.kind == "duckdb":
        rig.put(wide, "VALUES (1, 2)")
        assert rig.rows("FROM wide") == [(1, 2)]
        return
    with pytest.raises(WarehouseError, match="63 bytes"):
        rig.put(wide, "VALUES (1, 2)")


def test_names_that_differ_in_case_only(rig: Rig) -> None:
    if rig.kind == "duckdb":
        return
    upper = model("Cased", {"ID": "INTEGER", "V": "INTEGER"}, ("ID",))
    rig.put(upper, "VALUES (1, 2)")
    assert rig.db is not None
    assert rig.db.run(f'SELECT "ID", "V" FROM {rig.schema}."Cased"') == [[1, 2]]
