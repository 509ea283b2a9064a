"""What is exposed is what was declared, and a role's conditions are conditions."""

from typing import Any

import pytest

from catchwater.errors import ProjectError
from catchwater.plan.plan import Plan
from catchwater.project.tables import Column
from catchwater.serve.catalog import catalogs
from tests.support.serving import House, model, plan

COLUMNS = (Column("id", "BIGINT"), Column("country", "VARCHAR"))


def made(api: dict[str, Any]) -> Plan:
    house = House()
    history = model(house, "orders", ["id", "_seq"], entity=("id",), history=True, columns=COLUMNS)
    other = model(house, "secrets", ["id"], columns=COLUMNS)
    view = model(house, "seen", ["id"], columns=COLUMNS, materialized="view")
    return plan([history, other, view], api)


def test_a_list_gives_these_tables_and_no_others() -> None:
    assert set(catalogs(made({}))[None]) == {"orders", "orders_current", "secrets", "seen"}
    assert set(catalogs(made({"tables": ["orders"]}))[None]) == {"orders", "orders_current"}
    assert set(catalogs(made({"tables": ["orders_current"]}))[None]) == {"orders_current"}
    assert catalogs(plan(made({}).models, serve={"api": None})) == {None: {}}


def test_keys_and_columns_of_each_kind() -> None:
    found = catalogs(made({}))[None]
    assert found["orders"].key == ("id", "_seq")
    assert found["orders_current"].key == ("id",)
    assert found["seen"].key == ()
    assert [column.name for column in found["orders"].columns] == ["id", "country", "_op", "_at"]
    assert [column.name for column in found["secrets"].columns] == ["id", "country"]


def test_limits_hold_for_the_current_table_too() -> None:
    role = {"tables": ["orders"], "columns": {"orders": ["country"]}, "rows": "country = 'GB'"}
    found = catalogs(made({"roles": {"sales": role}}))["sales"]
    assert set(found) == {"orders", "orders_current"}
    for table in found.values():
        assert [column.name for column in table.columns] == ["country"]
        assert table.key == ()
        assert "country = 'GB'" in table.relation


@pytest.mark.parametrize(
    "rows",
    [
        "country =",
        "true) OR (true",
        "true) UNION SELECT * FROM secrets WHERE (true",
        "1 = 1; DROP TABLE orders",
        "id IN (SELECT id FROM secrets)",
        "nothing = 1",
        "'text' || id",
        "true /*",
        "sum(id) > 1",
    ],
)
def test_what_is_no_condition_is_refused_before_anything_is_served(rows: str) -> None:
    with pytest.raises(ProjectError, match=r"serve\.api\.roles\.sales"):
        catalogs(made({"roles": {"sales": {"tables": ["orders"], "rows": rows}}}))


def test_limits_on_what_is_not_there_are_refused_together() -> None:
    role = {"tables": ["orders"], "columns": {"orders": ["id", "nope"], "secrets": ["id"]}}
    with pytest.raises(ProjectError) as caught:
        catalogs(made({"roles": {"sales": role}}))
    assert len(caught.value.problems) == 2


def test_a_comment_in_a_condition_ends_with_it() -> None:
    found = catalogs(made({"roles": {"sales": {"tables": ["orders"], "rows": "id > 1 -- most"}}}))["sales"]
    house = House()
    house.publish(orders="SELECT 1::BIGINT AS id, 'GB' AS country UNION ALL SELECT 2, 'FR'")
    house.root.execute("USE v1")
    assert house.root.execute(f"SELECT id FROM {found['orders'].relation}").fetchall() == [(2,)]
