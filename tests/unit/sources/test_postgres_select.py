"""Select lists of the Postgres source: types, guards, sums; nothing is run."""

import duckdb
import pytest

from catchwater.adapters.sources.postgres.select import as_array, checksum, field_of, is_odd, select_here, select_there


def field(origin: str, typmod: int = -1, name: str = "a") -> object:
    return field_of({"name": name, "type": origin, "typmod": typmod, "nullable": True})


def numeric(precision: int, scale: int) -> int:
    return ((precision << 16) | (scale & 0x7FF)) + 4


@pytest.mark.parametrize(
    ("origin", "typmod", "kind"),
    [
        ("int4", -1, "INTEGER"),
        ("numeric", numeric(10, 2), "DECIMAL(10,2)"),
        ("numeric", numeric(38, 38), "DECIMAL(38,38)"),
        ("numeric", numeric(39, 0), "VARCHAR"),
        ("numeric", numeric(5, -2), "VARCHAR"),
        ("numeric", numeric(2, 4), "VARCHAR"),
        ("numeric", -1, "VARCHAR"),
        ("", -1, "VARCHAR"),
        ("jsonb", -1, "VARCHAR"),
        ("timestamptz", -1, "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_a_type_has_one_type_here(origin: str, typmod: int, kind: str) -> None:
    assert field(origin, typmod).type == kind  # type: ignore[attr-defined]


def test_names_are_quoted_and_aliased() -> None:
    odd = field("text", name='a"b')
    there = select_there([odd], "x.xmin::text")  # type: ignore[list-item]
    assert there == 'x."a""b" AS c0, x.xmin::text AS v, NULL::text[] AS e'
    assert select_here([odd]) == 'c0 AS "a""b", NULL::MAP(VARCHAR, VARCHAR) AS _exact'  # type: ignore[list-item]


def test_only_what_can_be_odd_is_guarded() -> None:
    columns = [field("int4", name="i"), field("date", name="d"), field("jsonb", name="j")]
    assert is_odd(columns) == "x.\"d\" < '0001-01-01'::date OR x.\"d\" > '9999-12-31'::date"  # type: ignore[arg-type]
    assert is_odd(columns[:1]) == ""  # type: ignore[arg-type]


def test_the_sum_is_over_key_and_version() -> None:
    text = checksum([field("int4"), field("text", name="b")])  # type: ignore[list-item]
    assert text.index('x."b"') < text.index('x."a"') < text.index("x.xmin")
    assert "age(" not in text, "then no two workers share the pass"


def test_a_type_that_is_not_known_here_is_summed_as_text() -> None:
    assert 'concat(x."a")' in checksum([field("")])  # type: ignore[list-item]


def test_an_array_is_one_that_postgres_reads() -> None:
    with duckdb.connect() as con:
        for kind, values, right in (
            ("int4", "(1), (-2)", "{1,-2}"),
            ("text", "('a,b'), ('\"\\')", '{"a,b","\\"\\\\"}'),
            ("bytea", "('\\x00a'::BLOB)", '{"\\\\x0061"}'),
        ):
            sql = f"SELECT {as_array(field(kind), 'c')} FROM (VALUES {values}) AS v(c)"  # type: ignore[arg-type]
            assert con.execute(sql).fetchone() == (right,)
