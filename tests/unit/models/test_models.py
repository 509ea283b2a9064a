"""Models typed from their files: columns, keys, lineage, groups, against a golden file; and names led to meanings."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from catchwater.plan.models import load_models
from catchwater.plan.plan import Model
from catchwater.project.text import Edit, edit, line_column, offset_of, substitute
from tests.support.models import Bench, engine, table

GOLDEN = Path(__file__).parents[2] / "golden" / "models"
SOURCES = {
    "totesys": [
        table(
            "sales_order",
            {"sales_order_id": "INTEGER", "created_at": "TIMESTAMP", "staff_id": "INTEGER", "units_sold": "INTEGER",
             "unit_price": "DECIMAL(10,2)", "currency_id": "INTEGER", "agreed_delivery_date": "VARCHAR"},
            ["sales_order_id"],
        ),
        table("staff", {"staff_id": "INTEGER", "first_name": "VARCHAR", "department_id": "INTEGER"}, ["staff_id"]),
        table("department", {"department_id": "INTEGER", "department_name": "VARCHAR"}, ["department_id"]),
        table("currency", {"currency_id": "INTEGER", "currency_code": "VARCHAR"}, ["currency_id"]),
        table("hr.Pay Roll", {"id": "INTEGER", "amount": "DECIMAL(12,4)"}, ["id"]),
    ],
    "events": [table("events", {"event_id": "VARCHAR", "moment": "TIMESTAMP"}, ["event_id"])],
}  # fmt: skip


def test_golden(golden: Callable[[Path, str], None]) -> None:
    models = load_models(GOLDEN, SOURCES, engine(GOLDEN).describe, {"YEAR": "2024"})
    told = json.dumps([asdict(model) for model in models], indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    golden(GOLDEN / "models.json", told)


def test_the_same_files_give_the_same_models_and_digests() -> None:
    first, second = (load_models(GOLDEN, SOURCES, engine(GOLDEN).describe, {"YEAR": "2024"}) for _ in range(2))
    assert first == second
    other = load_models(GOLDEN, SOURCES, engine(GOLDEN).describe, {"YEAR": "2025"})
    changed = [one.name for one, two in zip(first, other, strict=True) if one.digest != two.digest]
    assert changed == ["recent"]


def one(bench: Bench, sql: str, head: str = "", name: str = "m") -> Model:
    bench.write(name, sql, head)
    return next(model for model in bench.models() if model.name == name)


NAMES = {
    "FROM totesys.staff": ("ingestion/totesys", "staff", False),
    "FROM TOTESYS.Staff": ("ingestion/totesys", "staff", False),
    "SELECT _id AS r, * FROM totesys.staff__history": ("ingestion/totesys", "staff", True),
    'FROM totesys.hr."Pay Roll"': ("ingestion/totesys", "hr.Pay Roll", False),
    'FROM totesys."hr.Pay Roll"': ("ingestion/totesys", "hr.Pay Roll", False),
    "FROM m": ("ingestion/m", "events", False),
    "SELECT _id AS r, * FROM m__history": ("ingestion/m", "events", True),
    "FROM other": ("processed/other", "other", False),
    "FROM hist": ("processed/hist", "hist", True),
    "FROM hist_current": ("processed/hist", "hist", False),
    "SELECT * EXCLUDE (_op, _at) FROM (SELECT *, _op, _at FROM hist)": ("processed/hist", "hist", True),
}


@pytest.mark.parametrize("sql", NAMES)
def test_what_names_mean(sql: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOURCES | {"m": SOURCES["events"]})
    bench.write("other", "SELECT 1 AS a")
    bench.write("hist", "SELECT _id AS r, event_id FROM events__history")
    (read,) = one(bench, sql).reads
    assert (read.log, read.table, read.history) == NAMES[sql]


STARS = {
    "SELECT * FROM events": ["event_id", "moment"],
    "FROM events": ["event_id", "moment"],
    "SELECT _seq AS s, * FROM events": ["s", "event_id", "moment"],
    "SELECT _seq AS s, e.* FROM events AS e": ["s", "event_id", "moment"],
    "SELECT _seq AS s, * EXCLUDE (moment) FROM events": ["s", "event_id"],
    "SELECT _seq AS s, * EXCLUDE moment FROM events": ["s", "event_id"],
    "SELECT _seq AS s, * REPLACE (1 AS moment) FROM events": ["s", "event_id", "moment"],
    "SELECT e._seq AS s, * FROM events e JOIN totesys.staff t ON t.staff_id = 1": [
        "s", "event_id", "moment", "staff_id", "first_name", "department_id",
    ],
    "FROM events WHERE _seq > 1": ["event_id", "moment"],
    "SELECT * FROM (SELECT _seq AS s, * FROM events)": ["s", "event_id", "moment"],
    "SELECT _id AS r, * FROM events__history": ["r", "event_id", "moment"],
    "FROM events__history AS h SELECT h._id AS r, h.event_id,": ["r", "event_id"],
    "WITH x AS (SELECT count(*) AS n FROM totesys.staff) SELECT _id AS r, event_id, n FROM events__history, x": [
        "r", "event_id", "n",
    ],
    "SELECT _id AS r, event_id, extract(day FROM moment) AS y, moment IS DISTINCT FROM NULL d FROM events__history": [
        "r", "event_id", "y", "d",
    ],
    "SELECT events.events.event_id FROM events.events": ["event_id"],
    "VALUES (1, 'a')": ["col0", "col1"],
    "SELECT 1 AS a; -- that is all": ["a"],
}  # fmt: skip


@pytest.mark.parametrize("sql", STARS)
def test_stars_and_system_columns(sql: str, tmp_path: Path) -> None:
    model = one(Bench(tmp_path, SOURCES), sql)
    assert [column.name for column in model.columns] == STARS[sql]
    assert model.history == ("__history" in sql)


KEYS = {
    "SELECT staff_id AS id, first_name FROM totesys.staff": ("id",),
    "SELECT first_name FROM totesys.staff": (),
    "SELECT staff_id + 0 AS staff_id FROM totesys.staff": (),
    "SELECT DISTINCT staff_id FROM totesys.staff": (),
    "SELECT * REPLACE (staff_id + 1 AS staff_id) FROM totesys.staff": (),
    "SELECT * RENAME (staff_id AS id) FROM totesys.staff": ("id",),
    "SELECT s.staff_id FROM totesys.staff s, totesys.department": (),
    "SELECT staff_id, unnest([1, 2]) AS n FROM totesys.staff": (),
    "SELECT _id AS r, staff_id FROM totesys.staff__history": ("r",),
    "SELECT _seq AS s, staff_id FROM totesys.staff__history": ("staff_id", "s"),
}


@pytest.mark.parametrize("sql", KEYS)
def test_the_key_when_none_is_declared(sql: str, tmp_path: Path) -> None:
    model = one(Bench(tmp_path, SOURCES), sql)
    assert model.key == KEYS[sql]
    assert {column.name for column in model.columns if not column.nullable} == set(KEYS[sql])


def test_checks_and_references_of_every_form(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOURCES)
    bench.write("pair", "SELECT staff_id AS a, staff_id AS b FROM totesys.staff", "key: [a, b]")
    head = """
name: renamed
references:
  s: pair_by
  pair: {s: a, d: b}
checks:
  - not_null: s
  - unique: [s, d]
    severity: warn
  - accepted: {n: [A, 'B', 1, true, 2024-01-01]}
  - {check: s > ${LOW}, severity: quarantine}
  - check: {not_null: [d]}
    severity: warn
  - references: {s: pair_by}
    severity: fail
"""
    bench.write("pair_by", "SELECT staff_id FROM totesys.staff")
    bench.write("m", "SELECT staff_id AS s, department_id AS d, first_name AS n FROM totesys.staff",
                head.replace("${LOW}", "3"))  # fmt: skip
    model = next(model for model in bench.models() if model.name == "renamed")
    assert [(r.columns, r.table, r.to_columns) for r in model.references] == [
        (("s",), "pair_by", ("staff_id",)), (("s", "d"), "pair", ("a", "b")),
    ]  # fmt: skip
    assert [(c.kind, c.columns, c.values, c.condition, c.severity) for c in model.checks[:6]] == [
        ("not_null", ("s",), (), "", "fail"),
        ("unique", ("s", "d"), (), "", "warn"),
        ("accepted", ("n",), ("A", "B", "1", "true", "2024-01-01"), "", "fail"),
        ("condition", (), (), "s > 3", "quarantine"),
        ("not_null", ("d",), (), "", "warn"),
        ("references", ("s",), ("staff_id",), "", "fail"),
    ]
    assert {model.group for model in bench.models()} == {"pair"}


def test_a_text_with_edits_leads_back() -> None:
    edited = edit("SELECT a FROM b", [Edit(7, 8, "longer"), Edit(14, 15, "")])
    assert edited.text == "SELECT longer FROM "
    assert [edited.origin(at) for at in (0, 7, 10, 13, 14)] == [0, 7, 8, 8, 9]
    assert line_column("a\nbc", offset_of("a\nbc", 2, 2)) == (2, 2)
    assert offset_of("a", 9, 9) == 1


def test_variables_are_put_in_with_their_quotes_doubled_and_not_in_comments() -> None:
    text = "SELECT '${A}', \"${A}\", ${B} -- ${C}\n/* ${D} */ ${E}"
    edited, unknown = substitute(text, {"A": 'it\'s "it"', "B": "1 + 1"})
    assert edited.text.startswith('SELECT \'it\'\'s "it"\', "it\'s ""it""", 1 + 1 -- ${C}')
    assert unknown == [(text.index("${E}"), "E")]
