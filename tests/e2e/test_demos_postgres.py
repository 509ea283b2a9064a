"""totesys and shop whole, as `catchwater demo NAME --once --json` runs them: every number against the live database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pg8000.native import Connection

from catchwater.runtimes.demo import Demo
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.tables import saved
from tests.support.commands import catchwater


def connect(url: str) -> Connection:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    return Connection(
        parts.username or "postgres",
        host=parts.hostname or "",
        port=parts.port or 0,
        database=parts.path[1:],
        password=unquote(parts.password or ""),
    )


class Shown:
    """A demo after its first complete pass, its database still running."""

    def __init__(self, demo: Demo, result: dict[str, Any], truth: Connection) -> None:
        self.demo, self.result, self.truth = demo, result, truth

    def there(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.truth.run(sql) or []]

    def here(self, sql: str) -> list[tuple[Any, ...]]:
        with self.demo.wiring.warehouse().read() as reading:
            return reading.connection.execute(sql).fetchall()

    def count(self, table: str) -> int:
        return int(self.there(f"SELECT count(*) FROM {table}")[0][0])


def show(name: str, variable: str, folder: Path) -> Iterator[Shown]:
    with Demo(name, folder) as demo:
        result = demo.once(Runtime(demo.wiring))
        truth = connect(demo.inputs.variables[variable])
        yield Shown(demo, result, truth)
        truth.close()
        demo.wiring.close()


@pytest.fixture(scope="module")
def totesys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    yield from show("totesys", "TOTESYS_URL", tmp_path_factory.mktemp("demo") / "totesys")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    yield from show("shop", "SHOP_URL", tmp_path_factory.mktemp("demo") / "shop")


CURRENT = {
    "dim_counterparty": "counterparty",
    "dim_currency": "currency",
    "dim_design": "design",
    "dim_location": "address",
    "dim_payment_type": "payment_type",
    "dim_staff": "staff",
    "dim_transaction": "transaction",
    "fact_payment_current": "payment",
    "fact_purchase_order_current": "purchase_order",
    "fact_sales_order_current": "sales_order",
}


def test_totesys_counts_are_those_of_the_database(totesys: Shown) -> None:
    assert totesys.result["exit"] == 0
    assert totesys.result["quarantined"] == 0
    tables = totesys.result["tables"]
    assert {name: tables[name] for name in CURRENT} == {name: totesys.count(of) for name, of in CURRENT.items()}
    first, second = totesys.result["runs"]
    ingest = {step["name"]: step for step in first["steps"]}["ingest:totesys"]
    assert ingest["written"] == ingest["rows"]
    assert sorted(ingest["tables"]) == sorted(
        {*CURRENT.values(), "department"},
    )
    assert next(step for step in second["steps"] if step["name"] == "ingest:totesys")["written"] > 0


def test_totesys_facts_are_the_rows_of_the_database(totesys: Shown) -> None:
    pairs = [
        (
            "SELECT sales_order_id, created_date + created_time, units_sold, unit_price::VARCHAR, counterparty_id,"
            " agreed_payment_date::VARCHAR FROM fact_sales_order_current ORDER BY 1",
            "SELECT sales_order_id, created_at, units_sold, unit_price::text, counterparty_id, agreed_payment_date"
            " FROM sales_order ORDER BY 1",
        ),
        (
            "SELECT payment_id, payment_amount, paid, payment_date::VARCHAR FROM fact_payment_current ORDER BY 1",
            "SELECT payment_id, payment_amount, paid, payment_date FROM payment ORDER BY 1",
        ),
        (
            "SELECT staff_id, first_name, department_name, location FROM dim_staff ORDER BY 1",
            "SELECT staff_id, first_name, department_name, coalesce(location, 'unknown') FROM staff"
            " JOIN department USING (department_id) ORDER BY 1",
        ),
    ]
    for ours, theirs in pairs:
        assert totesys.here(ours) == totesys.there(theirs)


def test_totesys_keeps_every_version_and_what_was_deleted(totesys: Shown) -> None:
    [(versions, entities, deleted)] = totesys.here(
        "SELECT count(*), count(DISTINCT sales_order_id), count(*) FILTER (_op = 'delete') FROM fact_sales_order"
    )
    assert versions == totesys.result["tables"]["fact_sales_order"]
    assert versions > entities >= totesys.count("sales_order")
    assert entities - totesys.count("sales_order") == deleted > 0
    gone = {row[0] for row in totesys.here("SELECT sales_order_id FROM fact_sales_order WHERE _op = 'delete'")}
    assert not gone & {row[0] for row in totesys.there("SELECT sales_order_id FROM sales_order")}


def test_totesys_again_finds_nothing_lost(totesys: Shown) -> None:
    assert totesys.demo.inputs.more is not None
    totesys.demo.inputs.more(3)
    runtime = Runtime(totesys.demo.wiring)
    assert runtime.run().exit_code == 0
    again = runtime.run()
    assert not again.moved
    for name, of in CURRENT.items():
        assert totesys.here(f"SELECT count(*) FROM {name}") == [(totesys.count(of),)], name


def test_shop_counts_and_values_are_those_of_the_database(shop: Shown) -> None:
    assert shop.result["exit"] == 0
    tables = shop.result["tables"]
    for name in ("countries", "customers", "orders", "order_lines", "page_views", "products"):
        assert tables[name] == shop.count(name), name
    value = (
        "SELECT o.order_id, o.country, coalesce(sum(l.quantity * l.unit_price), 0)::numeric(18, 2)::text, count(l.line)"
    )
    value += " FROM orders o LEFT JOIN order_lines l USING (order_id) GROUP BY 1, 2 ORDER BY 1"
    assert shop.here("SELECT order_id, country, value::VARCHAR, lines FROM orders ORDER BY 1") == shop.there(value)
    assert tables["daily_revenue"] == shop.here("SELECT count(*) FROM daily_revenue")[0][0]


def test_a_demo_is_resumed_and_another_folder_refused(shop: Shown, tmp_path: Path) -> None:
    assert not Demo("shop", shop.demo.folder).fresh
    (tmp_path / "mine").write_text("precious")
    refused = catchwater("demo", "shop", tmp_path, "--once")
    assert refused.exit == 2
    assert "isn't this demo" in refused.err
    assert (tmp_path / "mine").read_text() == "precious"


def test_the_saved_tables_are_those_that_the_databases_have(totesys: Shown, shop: Shown) -> None:
    for name, shown in (("totesys", totesys), ("shop", shop)):
        described = shown.demo.wiring.source(name).describe()
        kept = saved(Path(__file__).parents[2] / "examples" / name, name)
        assert kept == described
        assert [table.origin for table in kept] == [table.origin for table in described]
