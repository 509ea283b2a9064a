"""Files of the lake hold every value bit by bit, the sign of a zero too."""

from pathlib import Path

import duckdb
import pytest

from catchwater.lake.parquet import options, options_of

ZERO = "CASE WHEN i % 2 = 0 THEN '-0.0' ELSE '0.0' END"
KINDS = {
    "FLOAT": f"({ZERO})::FLOAT",
    "DOUBLE": f"({ZERO})::DOUBLE",
    "DOUBLE[]": f"[({ZERO})::DOUBLE]",
    'STRUCT("a" DOUBLE)': f"{{'a': ({ZERO})::DOUBLE}}",
    "MAP(VARCHAR, FLOAT)": f"MAP {{'a': ({ZERO})::FLOAT}}",
}


def lost(folder: Path, kind: str, how: str) -> int:
    """How many of a thousand rows don't come back as they were."""
    path = folder / "zeros.parquet"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE there AS SELECT i, CAST({KINDS[kind]} AS {kind}) AS x FROM range(1000) AS t(i)")
        con.execute(f"COPY there TO '{path}' {how}")
        found = con.execute(
            f"SELECT count(*) FROM there JOIN read_parquet('{path}') AS f USING (i) WHERE f.x::VARCHAR <> there.x::VARCHAR"
        ).fetchone()
    assert found
    return int(found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_both_zeros_stay(tmp_path: Path, kind: str) -> None:
    assert lost(tmp_path, kind, options(["BIGINT", kind])) == 0


def test_a_dictionary_of_zeros_is_found(tmp_path: Path) -> None:
    assert lost(tmp_path, "DOUBLE", options(["BIGINT"])) == 500


def test_the_columns_of_a_select_are_seen() -> None:
    with duckdb.connect() as con:
        assert "DICTIONARY_SIZE_LIMIT 0" in options_of(con, "SELECT 1::DOUBLE AS a")
        assert "DICTIONARY_SIZE_LIMIT 0" not in options_of(con, "SELECT 1 AS a")
