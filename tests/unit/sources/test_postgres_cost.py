"""What `check` advises on the cost of a pass: pure sums over what the server knows of its tables."""

from dataclasses import replace

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.cost import Weight, advice
from catchwater.adapters.sources.postgres.select import Field
from catchwater.project.captures import TableCapture

GB = 10**9
FIELDS = (
    Field("id", "BIGINT", False, "int8"),
    Field("made", "DATE", False, "date"),
    Field("seen_at", "TIMESTAMP", False, "timestamp"),
    Field("updated_at", "TIMESTAMP", False, "timestamp"),
    Field("maybe_updated", "TIMESTAMP", True, "timestamp"),
)


def table(oid: int, name: str, key: tuple[str, ...] = ("id",)) -> Relation:
    return Relation(oid, "public", name, "r", False, "heap", True, True, False, FIELDS, key, (), (), "")


def weight(size: float, *indexed: str) -> Weight:
    return Weight(int(size * GB), int(size * 10_000_000), frozenset(indexed))


def test_nothing_is_said_within_the_budget_or_without_a_schedule() -> None:
    tables, known = [table(1, "a"), table(2, "b")], {1: weight(1, "id"), 2: weight(1, "id")}
    assert advice(tables, known, 600) == ()
    assert advice(tables, known, None) == ()
    assert len(advice(tables, known, 60)) == 3


def test_the_largest_tables_are_named_until_the_rest_fits() -> None:
    tables = [table(1, "small"), table(2, "Odd: #1"), table(3, "bag", ()), table(4, "by_view")]
    known = {1: weight(0.1, "id"), 2: weight(200, "id", "seen_at", "updated_at", "maybe_updated", "made"), 3: weight(9)}
    lead, first, second = advice(tables, known, 600)
    assert lead == (
        "each run reads every table once for its count and checksum: 209 GB, about 31.4 minutes at 125 MB/s, more than a "
        "tenth of the 10 minutes between two runs"
    )
    assert first.startswith(
        'public.Odd: #1 (200 GB, 2,000,000,000 rows, 30 minutes): `capture: {"Odd: #1": {cursor: updated_at, snapshot: 1 day}}`'
    )
    assert "may lose (late commits beyond its lag, changes that leave updated_at as it was, deletes)" in first
    assert second.startswith(
        "public.bag (9 GB, 90,000,000 rows, 1.35 minutes) has no key, or no indexed NOT NULL column"
    )


def test_the_column_proposed_says_when_a_row_changed_before_it_counts_rows() -> None:
    def proposed(*indexed: str) -> str:
        return advice([table(1, "t")], {1: weight(200, *indexed)}, 3600)[1].split("cursor: ")[1].split(",")[0]

    assert proposed("id", "made", "seen_at", "updated_at") == "updated_at"
    assert proposed("id", "made", "seen_at") == "seen_at"
    assert proposed("id", "made") == "made"
    assert proposed("id", "maybe_updated") == "id"


def test_a_cursor_without_an_index_is_told_the_line_that_makes_one() -> None:
    how = TableCapture(cursor="seen_at")
    tables = [
        replace(table(1, "t"), how=how),
        replace(table(2, "p"), how=how, kind="p"),
        replace(table(3, "ok"), how=how),
    ]
    known = {1: weight(200, "id"), 2: weight(1), 3: weight(1, "seen_at")}
    assert advice(tables, known, 60) == (
        "public.t.seen_at is no index's first column, so that every run reads the whole table: "
        'CREATE INDEX CONCURRENTLY ON "public"."t" ("seen_at");',
        "public.p.seen_at is no index's first column, so that every run reads the whole table: "
        'CREATE INDEX ON "public"."p" ("seen_at");',
    )
