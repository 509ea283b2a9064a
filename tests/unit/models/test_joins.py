"""Which joins an incremental model may have: each one refused is one change away from one that is allowed."""

from pathlib import Path

import pytest

from catchwater.errors import ProjectError
from catchwater.plan.plan import Model
from tests.support.models import Bench, table

SOURCES = {
    "shop": [
        table(
            "orders",
            {"order_id": "INTEGER", "staff": "INTEGER", "region": "VARCHAR", "place": "INTEGER", "rate": "DOUBLE",
             "extra": "STRUCT(staff INTEGER)"},
            ["order_id"],
        ),
        table("staff", {"staff_id": "INTEGER", "boss": "INTEGER", "name": "VARCHAR", "active": "BOOLEAN"}, ["staff_id"]),
        table("places", {"region": "VARCHAR", "place": "INTEGER", "name": "VARCHAR"}, ["region", "place"]),
        table("rates", {"rate": "DOUBLE", "name": "VARCHAR"}, ["rate"]),
        table("codes", {"code": "BIGINT", "name": "VARCHAR"}, ["code"]),
        table("notes", {"staff_id": "INTEGER", "note": "VARCHAR"}),
    ],
    "far": [table("people", {"staff_id": "INTEGER", "name": "VARCHAR"}, ["staff_id"])],
}  # fmt: skip
ABOVE = {
    "dim": ("", "SELECT staff_id AS id, name FROM shop.staff"),
    "bag": ("", "SELECT name FROM shop.staff"),
    "seen": ("materialized: view\nkey: [id]", "SELECT id, name FROM dim"),
    "versions": ("", "SELECT _id AS r, staff_id, name FROM shop.staff__history"),
}
ORDERS, LEFT = (
    "SELECT o.order_id FROM shop.orders AS o",
    "SELECT o.order_id, s.name FROM shop.orders AS o LEFT JOIN shop.staff AS s",
)
H = "SELECT o.order_id, h.name FROM shop.orders AS o ASOF LEFT JOIN shop.staff__history AS h ON h.staff_id = o.staff AND"
PLACES = "SELECT o.order_id, p.name FROM shop.orders AS o LEFT JOIN shop.places AS p"
KEY = "key: [order_id]"
# what is joined → (columns of the parent, place of the parent), per join
ALLOWED = {
    "left": (f"{LEFT} ON s.staff_id = o.staff", [(("staff",), -1)]),
    "inner": (f"{ORDERS} JOIN shop.staff AS s ON o.staff = s.staff_id", [(("staff",), -1)]),
    "unqualified": ("SELECT order_id, name FROM shop.orders INNER JOIN shop.staff ON staff = staff_id", [(("staff",), -1)]),
    "case": ("SELECT O.Order_ID FROM shop.ORDERS AS O LEFT OUTER JOIN shop.Staff S ON (S.STAFF_ID) = (o.STAFF)", None),
    "narrowed": (f"{LEFT} ON s.staff_id = o.staff AND s.active AND (s.name <> 'x' OR o.region IS NULL)", [(("staff",), -1)]),
    "where": (f"{LEFT} ON s.staff_id = o.staff WHERE s.active OR s.staff_id IS NULL", [(("staff",), -1)]),
    "two columns": (f"{PLACES} ON p.place = o.place AND p.region = o.region", [(("place", "region"), -1)]),
    "a constant": (f"{PLACES} ON p.region = 'uk' AND p.place = o.place", [(("place",), -1)]),
    "using": (f"{PLACES} USING (region, place)", [(("region", "place"), -1)]),
    "wider integers": (f"{ORDERS} LEFT JOIN shop.codes AS c ON c.code = o.staff", [(("staff",), -1)]),
    "twice": (f"{LEFT} ON s.staff_id = o.staff JOIN shop.staff AS t ON t.staff_id = o.place", None),
    "behind": (f"{LEFT} ON s.staff_id = o.staff LEFT JOIN shop.staff AS b ON b.staff_id = s.boss",
               [(("staff",), -1), (("boss",), 0)]),
    "of itself": ("SELECT s.staff_id AS order_id, b.name FROM shop.staff AS s LEFT JOIN shop.staff AS b "
                  "ON b.staff_id = s.boss", [(("boss",), -1)]),
    "another source": (f"{ORDERS} LEFT JOIN far.people AS p ON p.staff_id = o.staff", [(("staff",), -1)]),
    "a model": (f"{ORDERS} LEFT JOIN dim AS d ON d.id = o.staff", [(("staff",), -1)]),
    "as of": (f"{H} o._seq >= h._seq", [(("staff",), -1)]),
    "as of, turned": (f"{H} h._seq < o._seq", [(("staff",), -1)]),
    "from first": (
        "FROM shop.orders AS o LEFT JOIN shop.staff AS s ON s.staff_id = o.staff JOIN shop.codes AS c "
        "ON c.code = s.boss SELECT o.order_id, s.name",
        [(("staff",), -1), (("boss",), 0)],
    ),
    "a struct of the same name": (f"{ORDERS} LEFT JOIN shop.staff AS extra ON extra.staff_id = o.staff", None),
}  # fmt: skip
REFUSED = {
    "a join that is neither inner nor left (RIGHT JOIN)": f"{ORDERS} RIGHT JOIN shop.staff AS s ON s.staff_id = o.staff",
    "a join that is neither inner nor left (FULL OUTER JOIN)":
        f"{ORDERS} FULL OUTER JOIN shop.staff AS s ON s.staff_id = o.staff",
    "a join that is neither inner nor left (CROSS JOIN)": f"{ORDERS} CROSS JOIN shop.staff AS s",
    "a join that is neither inner nor left (FULL JOIN)": "FROM shop.orders AS o FULL JOIN shop.staff AS s "
    "ON s.staff_id = o.staff SELECT o.order_id",
    "a join that is neither inner nor left (SEMI JOIN)": f"{ORDERS} SEMI JOIN shop.staff AS s ON s.staff_id = o.staff",
    "a join that is neither inner nor left (ANTI JOIN)": f"{ORDERS} ANTI JOIN shop.staff AS s ON s.staff_id = o.staff",
    "a join that is neither inner nor left (NATURAL JOIN)": f"{ORDERS} NATURAL JOIN shop.places AS p",
    "a join that is neither inner nor left (POSITIONAL JOIN)": f"{ORDERS} POSITIONAL JOIN shop.staff AS s",
    "a join without a condition": f"{ORDERS}, shop.staff AS s WHERE s.staff_id = o.staff",
    "a join with what is no table": f"{ORDERS} LEFT JOIN shop.staff AS s LEFT JOIN far.people AS p ON p.staff_id = s.boss "
        "ON s.staff_id = o.staff",
    "a query inside the query": f"{ORDERS} LEFT JOIN (SELECT * FROM shop.staff) AS s ON s.staff_id = o.staff",
    "a join with renamed columns": f"{ORDERS} LEFT JOIN shop.staff AS s(a, b) ON s.a = o.staff",
    "it renames the columns": "SELECT a AS order_id FROM shop.orders AS o(b, a)",
    "a join that doesn't equate the key of staff (staff_id)": f"{LEFT} ON s.boss = o.staff",
    "a join that doesn't equate the key of staff (staff_id) with": f"{LEFT} ON s.staff_id = o.staff + 0",
    "a join that doesn't equate the key of staff (staff_id) with c": f"{LEFT} ON s.staff_id + 0 = o.staff",
    "a join that doesn't equate the key of staff (staff_id) with co": f"{LEFT} ON s.staff_id >= o.staff",
    "a join that doesn't equate the key of staff (staff_id) with col": f"{LEFT} ON s.staff_id = o.staff OR s.active",
    "a join that doesn't equate the key of staff (staff_id) with colu":
        f"{LEFT} ON s.staff_id IS NOT DISTINCT FROM o.staff",
    "a join that doesn't equate the key of staff (staff_id) with colum": f"{LEFT} ON s.staff_id = s.boss",
    "a join that doesn't equate the key of staff (staff_id) with column": f"{LEFT} ON s.staff_id = o.extra.staff",
    "a join that doesn't equate the key of places (place)": f"{PLACES} ON p.region = o.region",
    "a join that doesn't equate the key of places (region) with": f"{PLACES} ON p.place = o.place AND "
        "p.region = o.region COLLATE NOCASE",
    "a join that compares": f"{PLACES} ON p.region = o.region AND p.place = o.rate",
    "a join by rates.rate, a key of type DOUBLE": f"{ORDERS} LEFT JOIN shop.rates AS r ON r.rate = o.rate",
    "a join with one row of staff for all": f"{LEFT} ON s.staff_id = 1",
    "a join with notes, which has no key": f"{ORDERS} LEFT JOIN shop.notes AS n ON n.staff_id = o.staff",
    "a join with bag, which has no key": f"{ORDERS} LEFT JOIN bag AS b ON b.name = o.region",
    "a join with the view seen": f"{ORDERS} LEFT JOIN seen AS v ON v.id = o.staff",
    "a join with versions, which has no key": f"{ORDERS} LEFT JOIN versions_current AS v ON v.staff_id = o.staff",
    "a join with every version of staff": f"{ORDERS} LEFT JOIN shop.staff__history AS h ON h.staff_id = o.staff",
    "an ASOF join with rows that aren't": f"{ORDERS} ASOF LEFT JOIN shop.staff AS s ON s.staff_id = o.staff "
        "AND o._seq >= s._seq",
    "an ASOF join with people__history, whose source": f"{ORDERS} ASOF LEFT JOIN far.people__history AS p "
        "ON p.staff_id = o.staff AND o._seq >= p._seq",
    "an ASOF join by something else": f"{H} o._at >= h._at",
    "an ASOF join by something else than o._seq >=": f"{H} o._id >= h._id",
    "an ASOF join by something else than o._seq >= h._seq": f"{H} o._seq <= h._seq",
    "_valid_to, which": "SELECT o.order_id, h._valid_to AS t FROM shop.orders AS o ASOF LEFT JOIN "
        "shop.staff__history AS h ON h.staff_id = o.staff AND o._seq >= h._seq",
    "random, which": f"{LEFT} ON s.staff_id = o.staff AND random() > 0.5",
    "the macro near": f"{LEFT} ON s.staff_id = o.staff AND near(s.boss)",
    "GROUP BY": f"{LEFT} ON s.staff_id = o.staff GROUP BY ALL",
    "rate, a key of type DOUBLE": "SELECT rate AS order_id FROM shop.rates",
    "its key doesn't hold": "SELECT o.order_id + 0 AS order_id FROM shop.orders AS o LEFT JOIN shop.staff AS s "
        "ON s.staff_id = o.staff",
    "its key doesn't hold the key": "SELECT s.staff_id AS order_id FROM shop.orders AS o JOIN shop.staff AS s "
        "ON s.staff_id = o.staff",
}  # fmt: skip
CHECKS = {
    "a check (unique) that sets rows aside": "{unique: [order_id], severity: quarantine}",
    "a check (references) that sets rows aside": "{references: {order_id: dim}, severity: quarantine}",
    "a check that sets rows aside and gives another": "{check: order_id < epoch(now()), severity: quarantine}",
}


def _bench(folder: Path) -> Bench:
    bench = Bench(folder, SOURCES)
    for name, (head, sql) in ABOVE.items():
        bench.write(name, sql, head)
    (folder / "models" / "_macros.sql").write_text("CREATE MACRO near(x) AS x < 3;\n")
    return bench


def _written(bench: Bench, more: str = "") -> dict[str, str]:
    """The refused models, by file."""
    reasons = {}
    for number, (reason, sql) in enumerate(REFUSED.items()):
        reasons[f"models/m{number}.sql"] = reason
        bench.write(f"m{number}", sql, f"{KEY}{more}")
    for number, (reason, check) in enumerate(CHECKS.items()):
        reasons[f"models/c{number}.sql"] = reason
        bench.write(f"c{number}", ORDERS, f"{KEY}\nchecks: [{check}]{more}")
    return reasons


def _model(bench: Bench, name: str) -> Model:
    return next(model for model in bench.models() if model.name == name)


def test_joins_that_are_allowed(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    for number, (sql, _) in enumerate(ALLOWED.values()):
        bench.write(f"m{number}", sql, f"{KEY}\nmaterialized: incremental")
    found = {model.name: model for model in bench.models()}
    for number, (_, expected) in enumerate(ALLOWED.values()):
        model = found[f"m{number}"]
        assert model.materialized == "incremental"
        assert expected is None or [(join.columns, join.parent) for join in model.joins] == expected


def test_joins_that_are_refused_by_line_and_column(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    reasons = _written(bench, "\nmaterialized: incremental")
    with pytest.raises(ProjectError) as error:
        bench.models()
    assert sorted(problem.file for problem in error.value.problems) == sorted(reasons)
    for problem in error.value.problems:
        assert problem.message.startswith(f"can't be incremental: {reasons[problem.file]}")
        assert problem.line >= (3 if "/c" in problem.file else 5), problem
        assert (
            problem.column > 1
            or "its key" in problem.message
            or "GROUP" in problem.message
            or "a key" in problem.message
        )


def test_all_of_them_are_full_with_the_reason(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    reasons = _written(bench)
    found = {model.file: model for model in bench.models()}
    for file, reason in reasons.items():
        assert (found[file].materialized, found[file].joins) == ("full", ())
        assert found[file].reason.startswith(reason)


def test_the_driving_table_has_an_alias_of_its_own_when_it_is_joined_too(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.write("m", ALLOWED["of itself"][0], KEY)
    model = _model(bench, "m")
    assert [read.table for read in model.reads] == ["staff", "staff"]
    assert model.driving != model.joins[0].read


def test_the_reason_says_which_rows_are_made_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.write("m", ALLOWED["twice"][0], KEY)
    bench.write("n", ALLOWED["as of"][0], KEY)
    assert _model(bench, "m").reason == (
        "each row of orders makes its own row; rows that join a changed row of staff are made again"
    )
    assert _model(bench, "n").reason == "each row of orders makes its own row"
