"""shop: what its models and its role say; the database itself is run by the demo's tests."""

from catchwater.project.load import load
from tests.support.examples import EXAMPLES, plan_of


def test_models_and_references() -> None:
    plan = plan_of("shop")
    links = {(m.name, r.columns, r.table) for m in plan.models for r in m.references}
    assert ("order_lines", ("order_id",), "orders") in links
    assert ("orders", ("country",), "countries") in links
    assert plan.model("order_lines").key == ("order_id", "line")
    assert plan.model("page_views").key == ()


def test_the_role_sales_is_held_to_one_country() -> None:
    loaded = load(EXAMPLES / "shop", "local", {"SHOP_URL": "postgresql://h/d"})
    api = loaded.project.serve.api
    assert api is not None
    assert (api.roles["sales"].tables, api.roles["sales"].rows) == (["orders"], "country = 'GB'")
    assert "country" in {column.name for column in plan_of("shop").model("orders").columns}


def test_no_personal_address_reaches_the_warehouse() -> None:
    for model in plan_of("shop").models:
        assert not [origin for origins in model.lineage.values() for origin in origins if origin.endswith(".email")]


def test_production_is_another_database_with_the_same_models() -> None:
    loaded = load(EXAMPLES / "shop", "prod", {})
    source = loaded.project.sources["shop"]
    assert (source.kind, getattr(source, "auth", ""), loaded.project.warehouse.kind) == (
        "postgres",
        "rds_iam",
        "bigquery",
    )
