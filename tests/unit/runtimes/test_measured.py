"""Measures before and after: how totals and their difference are written."""

from decimal import Decimal
from typing import Any

import duckdb
import pytest

from catchwater.plan.plan import Measure, Model
from catchwater.runtimes.measured import Total, totals, written


def model(*measures: Measure, history: bool = False) -> Model:
    return Model("m", "models/m.sql", "", (), (), "full", "", measures=measures, history=history)


def both(old: Model | None, new: Model | None) -> dict[str, Total]:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE a AS SELECT 1 AS x, 2 AS y; CREATE TABLE b AS SELECT 1 AS x, 3.50 AS y")
        con.execute('CREATE TABLE "a#all" AS FROM a; CREATE TABLE "b#all" AS FROM b UNION ALL FROM b')
        return {one.name: one for one in totals(con, (old, new), ("a", "b"))}


def test_numbers_texts_and_what_cant_be_computed() -> None:
    measures = [
        Measure("n", "sum(y)", format="usd"),
        Measure("t", "max('x' || m.y)"),
        Measure("z", "sum(gone)"),
        Measure("nothing", "sum(y) FILTER (x > 9)"),
    ]
    found = both(model(*measures), model(*measures, Measure("fresh", "count(*)")))
    assert found["n"] == Total("n", "$2.00", "$3.50", "+$1.50, +75.00%", "usd")
    assert (found["t"].old, found["t"].new, found["t"].change, found["t"].same) == ("x2", "x3.50", "", False)
    assert (found["z"].old, found["z"].new, found["z"].same) == (None, None, True)
    assert (found["nothing"].new, found["nothing"].change) == (None, "")
    assert (found["fresh"].old, found["fresh"].new) == (None, "1")


def test_over_every_version() -> None:
    versions = model(Measure("v", "count(*)", format="integer", over="history"), history=True)
    assert both(versions, versions)["v"] == Total("v", "1", "2", "+1, +100.00%", "integer")
    assert both(None, versions)["v"].old is None


def test_from_nothing_there_is_no_percentage() -> None:
    assert both(model(Measure("n", "sum(x) - 1")), model(Measure("n", "sum(y)")))["n"].change == "+3.50"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234.5, "gbp", "£1,234.50"), (Decimal("-3"), "eur", "€-3.00"), (0.1234, "percent", "12.34%"),
        (12345, "", "12,345"), (12345.678, "decimal", "12,345.68"), (3, "0.00", "3"), ("x", "gbp", "x"), (True, "", "True"),
    ],
)  # fmt: skip
def test_as_the_format_says(value: Any, form: str, text: str) -> None:
    assert written(value, form) == text
