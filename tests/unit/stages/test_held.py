"""The rows that new ones are compared with, read column by column: the same difference as of the rows read whole."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from catchwater.lake.read import paths
from catchwater.plan.plan import Check
from catchwater.stages import held
from tests.support import proof
from tests.support.models import Bench, table

COLUMNS = {
    "id": "INTEGER", "Part": "VARCHAR", "since": "TIMESTAMP", "a": "VARCHAR", "b": "VARCHAR", "n": "INTEGER",
    "x": "DOUBLE",
}  # fmt: skip
TABLE = table("t", COLUMNS, ["id", "Part"])
NARROW = "SELECT id, \"Part\" AS part, a, b, n, x, left(a, 1) AS first FROM s.t WHERE b <> 'none'"
MODELS = {"times": "SELECT * FROM s.t", "numbers": NARROW}


Row = tuple[Any, ...]


def batches(seed: int) -> list[list[Row]]:
    """A history in which rows change in a telling column, in others alone, in none, go and come back."""
    pick = random.Random(seed)
    there: dict[tuple[int, str], Row] = {}
    made = []
    for moment in range(6):
        batch: dict[tuple[int, str], Row] = {}
        for _ in range(14):
            key = (pick.randrange(8), pick.choice("pq"))
            old = there.get(key)
            kind = pick.choice(["all", "others", "nothing", "delete", "zero"])
            new = (
                f"2026-01-01 00:00:{moment:02d}",
                pick.choice("xyz"),
                pick.choice(["none", "k"]),
                pick.randrange(3),
                0.5,
            )
            if old and kind == "others":
                new = (old[0], pick.choice("uvw"), old[2], old[3], old[4])
            elif old and kind == "zero":
                new = (*old[:4], -0.0 if old[4] == 0 else 0.0)
            elif old and kind in ("nothing", "delete"):
                new = old
            batch[key] = (*key, *new, "delete" if old and kind == "delete" else "upsert")
        for key, row in batch.items():
            there.pop(key, None)
            if row[-1] == "upsert":
                there[key] = row[2:-1]
        made.append(list(batch.values()))
    return made


def run(folder: Path, seed: int, many: int) -> tuple[list[Any], int]:
    """What each batch of the models has, and how often rows were read by columns."""
    with pytest.MonkeyPatch.context() as patch:
        told, real = [0], held._create_told
        patch.setattr(held, "MANY", many)
        patch.setattr(held, "_create_told", lambda *given: (told.append(1), real(*given))[1])
        bench = Bench(folder, {"s": [TABLE]})
        for name, sql in MODELS.items():
            key = "key: [id, part]" if name == "numbers" else "key: [ID, PART]"
            bench.write(name, sql, f"{key}\nmaterialized: incremental")
        plan, found = bench.plan(), []
        for rows in batches(seed):
            values = ", ".join(f"({', '.join(map(repr, row))})" for row in rows)
            bench.ingest("s", {"t": f'SELECT * FROM (VALUES {values}) AS t(id, "Part", since, a, b, n, x, _op)'})
            outcome = bench.process(plan)
            assert outcome.failures == ()
            found.append([(name, one.added, one.changed, one.removed) for name, one in sorted(outcome.tables.items())])
        return [found, *(committed(bench, name) for name in MODELS)], sum(told)


def committed(bench: Bench, name: str) -> list[Any]:
    with duckdb.connect() as con:
        return [
            con.execute("SELECT * FROM read_parquet(?) ORDER BY ALL", [list(map(str, files))]).fetchall()
            for batch in bench.log(name)
            if (files := paths(bench.ports.stores["processed"], [batch], name))
        ]


@pytest.mark.parametrize("number", range(2))
def test_the_difference_is_that_of_whole_rows(number: int, tmp_path: Path) -> None:
    seed = proof.seed() + number
    whole, never = run(tmp_path / "whole", seed, 1 << 60)
    told, often = run(tmp_path / "told", seed, 0)
    assert (never, often) == (0, 10)
    assert repr(told) == repr(whole)  # -0.0 isn't 0.0


@pytest.mark.parametrize("broken", ["doubtless", "timeless"])
def test_a_broken_variant_is_caught(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes every row for a changed one, and one that takes rows whose moment stands still for the same."""
    real = held._create_told

    def told(at: Any, telling: Any) -> None:
        real(at, telling)
        if broken == "doubtless":
            at.con.execute('UPDATE "#held" SET a = NULL')
        else:
            at.con.execute('DELETE FROM "#new" AS n USING "#doubt" AS d WHERE n.id = d.id')

    monkeypatch.setattr(held, "_create_told", told)
    seed = proof.seed()
    assert repr(run(tmp_path / "told", seed, 0)[0]) != repr(run(tmp_path / "whole", seed, 1 << 60)[0])


def test_few_columns_or_rows_that_may_be_left_out_are_read_whole(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"s": [TABLE]})
    bench.write("times", "SELECT * FROM s.t", "key: [id, Part]")
    bench.write("texts", 'SELECT id, "Part", a, b FROM s.t', "key: [id, Part]")
    bench.write("two", 'SELECT id, "Part", a, n FROM s.t', "key: [id, Part]")
    bench.write("numbers", NARROW, "key: [id, part]")
    bench.write("aside", "SELECT * FROM s.t", "key: [id, Part]\nchecks: [{not_null: [a], severity: quarantine}]")
    models = {model.name: model for model in bench.models()}
    assert any(
        check == Check("not_null", ("a",), severity="quarantine", line=check.line) for check in models["aside"].checks
    )
    telling = {name: held.telling_columns(model) for name, model in models.items()}
    assert telling == {"times": ("since",), "texts": (), "two": (), "numbers": ("n",), "aside": ()}
