"""Wide rows that changed are compared and written in little memory; no connection with more of it is asked for."""

from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest

from catchwater.stages import commit, held
from tests.support.models import Bench, table

WIDE = table("wide", {"id": "INTEGER", "v": "INTEGER", "note": "VARCHAR"}, ["id"])
ROWS, CHANGED = 60_000, 40_000  # of 2.5 KB each


def rows(number: int, changed: int) -> str:
    return (
        f"SELECT i::INTEGER AS id, {number} AS v, repeat(md5((i + {number})::VARCHAR), 80) AS note "
        f"FROM range({changed}) t(i)"
    )


def roomy(folder: Path) -> int:
    """How often a connection with more memory was asked for while wide rows changed three times."""
    bench = Bench(folder, {"s": [WIDE]})
    bench.write("m", "SELECT * FROM s.wide", "key: [id]\nmaterialized: incremental")
    plan, asked = bench.plan(), []
    connect = bench.engine.connect
    with mock.patch.object(bench.engine, "connect", lambda *, roomy=False: asked.append(roomy) or connect(roomy=roomy)):
        for number, changed in enumerate((ROWS, CHANGED, CHANGED, CHANGED)):
            bench.ingest("s", {"wide": rows(number, changed)})
            assert not bench.process(plan).failures
    assert [batch.tables["m"].rows for batch in bench.log("m")] == [ROWS, CHANGED, CHANGED, CHANGED]
    assert sorted(row[1] for row in bench.rows("m")) == [0] * (ROWS - CHANGED) + [3] * CHANGED
    return sum(asked)


def test_wide_changes_find_room(tmp_path: Path) -> None:
    assert roomy(tmp_path) == 0


@pytest.mark.parametrize("broken", ["sorted", "rows hashed"])
def test_rows_that_are_sorted_or_hashed_whole_are_found(tmp_path: Path, broken: str) -> None:
    wrong = {
        "sorted": mock.patch.object(commit, "MOST_SORTED", 1 << 40),
        "rows hashed": mock.patch.object(held, "keys_hashed", return_value=nullcontext()),
    }
    with wrong[broken]:
        assert roomy(tmp_path) > 0
