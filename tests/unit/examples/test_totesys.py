"""The three star schemas of totesys: their columns and types, and what becomes of odd input; no database is run."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from catchwater.plan.plan import Model
from catchwater.project.load import load
from tests.support.examples import EXAMPLES, TOTESYS, plan_of, tables

INT, TEXT, DATE, TIME, MONEY = "INTEGER", "VARCHAR", "DATE", "TIME", "DECIMAL(38,9)"
WHEN = {"created_date": DATE, "created_time": TIME, "last_updated_date": DATE, "last_updated_time": TIME}
# As the public specification types them; `?` may be NULL.
SCHEMAS: dict[str, dict[str, str]] = {
    "fact_sales_order": {
        "sales_record_id": "BIGINT", "sales_order_id": INT, **WHEN, "sales_staff_id": INT, "counterparty_id": INT,
        "units_sold": INT, "unit_price": "DECIMAL(10,2)", "currency_id": INT, "design_id": INT,
        "agreed_payment_date": DATE, "agreed_delivery_date": DATE, "agreed_delivery_location_id": INT,
    },
    "fact_purchase_order": {
        "purchase_record_id": "BIGINT", "purchase_order_id": INT, **WHEN, "staff_id": INT, "counterparty_id": INT,
        "item_code": TEXT, "item_quantity": INT, "item_unit_price": MONEY, "currency_id": INT,
        "agreed_delivery_date": DATE, "agreed_payment_date": DATE, "agreed_delivery_location_id": INT,
    },
    "fact_payment": {
        "payment_record_id": "BIGINT", "payment_id": INT, **WHEN, "transaction_id": INT, "counterparty_id": INT,
        "payment_amount": MONEY, "currency_id": INT, "payment_type_id": INT, "paid": "BOOLEAN", "payment_date": DATE,
    },
    "dim_date": {
        "date_id": DATE, "year": INT, "month": INT, "day": INT, "day_of_week": INT, "day_name": TEXT,
        "month_name": TEXT, "quarter": INT,
    },
    "dim_staff": {
        "staff_id": INT, "first_name": TEXT, "last_name": TEXT, "department_name": TEXT, "location": TEXT,
        "email_address": TEXT,
    },
    "dim_location": {
        "location_id": INT, "address_line_1": TEXT, "address_line_2?": TEXT, "district?": TEXT, "city": TEXT,
        "postal_code": TEXT, "country": TEXT, "phone": TEXT,
    },
    "dim_currency": {"currency_id": INT, "currency_code": TEXT, "currency_name": TEXT},
    "dim_design": {"design_id": INT, "design_name": TEXT, "file_location": TEXT, "file_name": TEXT},
    "dim_counterparty": {
        "counterparty_id": INT, "counterparty_legal_name": TEXT, "counterparty_legal_address_line_1": TEXT,
        "counterparty_legal_address_line_2?": TEXT, "counterparty_legal_district?": TEXT,
        "counterparty_legal_city": TEXT, "counterparty_legal_postal_code": TEXT, "counterparty_legal_country": TEXT,
        "counterparty_legal_phone_number": TEXT,
    },
    "dim_payment_type": {"payment_type_id": INT, "payment_type_name": TEXT},
    "dim_transaction": {
        "transaction_id": INT, "transaction_type": TEXT, "sales_order_id?": INT, "purchase_order_id?": INT,
    },
}  # fmt: skip
TO_DATES = ("created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date", "payment_date")


@pytest.mark.parametrize("table", SCHEMAS)
def test_columns_types_and_keys(table: str) -> None:
    model = plan_of("totesys").model(table)
    wanted = {name.rstrip("?"): kind for name, kind in SCHEMAS[table].items()}
    assert {column.name: column.type for column in model.columns} == wanted
    assert [column.name for column in model.columns] == list(wanted)
    null = [f"{c.name}?" for c in model.columns if c.nullable]
    if model.history:  # a delete carries the last values whatever they were; the checks hold for the others
        assert null == [f"{name}?" for name in wanted if name not in model.key]
        checked = {name for check in model.checks if check.kind == "not_null" for name in check.columns}
        assert checked == {*wanted} - {*model.key} - {n.rstrip("?") for n in SCHEMAS[table] if n.endswith("?")}
    else:
        assert null == [name for name in SCHEMAS[table] if name.endswith("?")]
    assert model.key == (next(iter(wanted)),)


def test_the_models_are_these_and_the_names_of_currencies() -> None:
    assert {model.name for model in plan_of("totesys").models} == {*SCHEMAS, "iso_4217"}


@pytest.mark.parametrize(
    ("table", "entity"),
    [
        ("fact_sales_order", "sales_order_id"),
        ("fact_purchase_order", "purchase_order_id"),
        ("fact_payment", "payment_id"),
    ],
)
def test_facts_keep_every_version_and_point_to_dimensions(table: str, entity: str) -> None:
    model = plan_of("totesys").model(table)
    assert model.history
    assert model.entity == (entity,)
    targets = {reference.columns[0]: reference.table for reference in model.references}
    dated = {column.name: "dim_date" for column in model.columns if column.name in TO_DATES}
    keyed = {c.name for c in model.columns if c.name.endswith("_id")} - {entity, *model.key}
    assert {column: table for column, table in targets.items() if table == "dim_date"} == dated
    assert set(targets) - set(dated) == keyed
    assert {"revenue", "cost", "amount"} & {measure.name for measure in model.measures}


def test_the_prepared_warehouse_has_the_same_columns() -> None:
    """warehouse.sql is adopted by name and type: each column of it is one of the model's."""
    text = (EXAMPLES / "totesys" / "warehouse.sql").read_text()
    made = {}
    for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", text, re.DOTALL):
        lines = [line.strip().rstrip(",").split(" ", 1) for line in body.strip().splitlines()]
        made[name] = {n if "NOT NULL" in t or "PRIMARY KEY" in t else f"{n}?": _duckdb(t) for n, t in lines}
    assert made == SCHEMAS


def _duckdb(kind: str) -> str:
    plain = re.sub(r" (NOT NULL|PRIMARY KEY)$", "", kind)
    given = {"numeric": MONEY, "numeric(10, 2)": "DECIMAL(10,2)", "integer": INT, "varchar": TEXT}
    return given.get(plain, plain.upper())


Row = dict[str, Any]
AT = datetime.fromisoformat("2026-03-04T15:30:01.250")  # the source's clocks have no time zone


class House:
    """DuckDB with the inputs of models as tables; `rows` computes a model."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.schemas = {table.name: table for table in tables(TOTESYS)}

    def give(self, alias: str, *rows: Row) -> None:
        """Rows for `totesys__<table>` or `totesys__<table>__history`; what isn't named is NULL."""
        table = alias.removeprefix("totesys__").removesuffix("__history")
        columns = {c.name: c.type for c in self.schemas[table].columns}
        columns |= {"_id": "BIGINT", "_op": "VARCHAR", "_at": "TIMESTAMP"}
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.connection.execute(f"CREATE TABLE {alias} ({declared})")
        for row in rows:
            marks = ", ".join("?" for _ in row)
            self.connection.execute(f"INSERT INTO {alias} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    def rows(self, name: str) -> list[Row]:
        model = plan_of("totesys").model(name)
        found = self.connection.execute(model.sql)
        names = [one[0] for one in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def house() -> Iterator[House]:
    with duckdb.connect() as connection:
        yield House(connection)


SALE: Row = {
    "_id": 1 << 24, "_op": "upsert", "_at": AT, "sales_order_id": 7, "created_at": AT, "last_updated": AT,
    "design_id": 1, "staff_id": 2, "counterparty_id": 3, "units_sold": 12, "unit_price": Decimal("3.94"),
    "currency_id": 1, "agreed_delivery_date": "2026-03-09", "agreed_payment_date": "2026-03-08",
    "agreed_delivery_location_id": 5,
}  # fmt: skip


def test_a_sale_is_split_into_date_and_time(house: House) -> None:
    house.give("totesys__sales_order__history", SALE)
    (row,) = house.rows("fact_sales_order")
    assert row["sales_record_id"] == 1 << 24
    assert (row["created_date"], row["created_time"]) == (date(2026, 3, 4), time(15, 30, 1, 250000))
    assert (row["agreed_delivery_date"], row["sales_staff_id"]) == (date(2026, 3, 9), 2)
    assert row["_op"] == "upsert"


@pytest.mark.parametrize("bad", ["", "soon", "2026-02-30", "2026-13-01", "03/04/2026", None])
def test_a_date_that_is_none_is_quarantined_not_a_failure(bad: str | None, house: House) -> None:
    house.give("totesys__sales_order__history", SALE | {"agreed_delivery_date": bad})
    (row,) = house.rows("fact_sales_order")
    assert row["agreed_delivery_date"] is None
    assert ("not_null", ("agreed_delivery_date",)) in quarantined(plan_of("totesys").model("fact_sales_order"))


@pytest.mark.parametrize("endless", ["infinity", "-infinity"])
def test_an_endless_date_is_quarantined_too(endless: str, house: House) -> None:
    """DuckDB reads 'infinity' as a date; no calendar has it."""
    house.give("totesys__sales_order__history", SALE | {"agreed_payment_date": endless})
    model = plan_of("totesys").model("fact_sales_order")
    (condition,) = [one.condition for one in model.checks if one.condition.startswith("agreed_payment_date")]
    held = house.connection.execute(f"SELECT {condition} FROM ({model.sql})").fetchone()
    assert held == (False,)
    assert ("condition", ()) in quarantined(model)


def quarantined(model: Model) -> set[tuple[str, tuple[str, ...]]]:
    return {(check.kind, check.columns) for check in model.checks if check.severity == "quarantine"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.34", Decimal("12.34")), ("0.000000001", Decimal("0.000000001")), ("9" * 20, Decimal(10**20 - 1)),
     ("NaN", None), ("Infinity", None), ("1e40", None), (None, None)],
)  # fmt: skip
def test_amounts_without_bounds_are_exact_or_none(text: str | None, value: Decimal | None, house: House) -> None:
    house.give("totesys__payment__history", {"_id": 1, "payment_id": 1, "payment_amount": text, "paid": True})
    (row,) = house.rows("fact_payment")
    assert row["payment_amount"] == value
    assert ("not_null", ("payment_amount",)) in quarantined(plan_of("totesys").model("fact_payment"))


def test_staff_without_department_are_kept(house: House) -> None:
    house.give("totesys__department", {"department_id": 1, "department_name": "Sales", "location": None})
    house.give("totesys__staff", {"staff_id": 1, "first_name": "Ada", "department_id": 1}, {"staff_id": 2})
    found = {
        row["staff_id"]: (row["first_name"], row["department_name"], row["location"]) for row in house.rows("dim_staff")
    }
    assert found == {1: ("Ada", "Sales", "unknown"), 2: ("unknown", "unknown", "unknown")}


def test_currencies_have_their_iso_names(house: House) -> None:
    names = {row["currency_code"]: row["currency_name"] for row in house.rows("iso_4217")}
    assert len(names) > 170
    assert {code: names[code] for code in ("GBP", "USD", "EUR", "JPY", "CHF")} == {
        "GBP": "Pound Sterling", "USD": "US Dollar", "EUR": "Euro", "JPY": "Yen", "CHF": "Swiss Franc",
    }  # fmt: skip
    house.connection.execute(f"CREATE TABLE iso_4217 AS {plan_of('totesys').model('iso_4217').sql}")
    house.give(
        "totesys__currency", *({"currency_id": i, "currency_code": c} for i, c in enumerate(["GBP", "???", None]))
    )
    found = {row["currency_id"]: (row["currency_code"], row["currency_name"]) for row in house.rows("dim_currency")}
    assert found == {0: ("GBP", "Pound Sterling"), 1: ("???", "not in ISO 4217"), 2: ("unknown", "not in ISO 4217")}


def test_the_calendar_has_every_day_that_facts_use(house: House) -> None:
    old, far = datetime.fromisoformat("1999-12-31"), "2051-02-03"
    house.give("totesys__sales_order__history", SALE, SALE | {"created_at": old, "agreed_delivery_date": "soon"})
    house.give("totesys__purchase_order__history", {"agreed_payment_date": far})
    house.give("totesys__payment__history", {"payment_date": "infinity"})
    found = {row["date_id"]: row for row in house.rows("dim_date")}
    span = (date(2035, 12, 31) - date(2020, 1, 1)).days + 1
    assert len(found) == span + 2
    assert found[date(1999, 12, 31)]["day_name"] == "Friday"
    assert None not in found
    day = found[date(2051, 2, 3)]
    assert day == {
        "date_id": date(2051, 2, 3), "year": 2051, "month": 2, "day": 3, "day_of_week": 5, "day_name": "Friday",
        "month_name": "February", "quarter": 1,
    }  # fmt: skip
    assert found[date(2024, 2, 26)]["day_of_week"] == 1


def test_the_project_file_is_the_design_s() -> None:
    plan = plan_of("totesys")
    assert [(one.notify, one.to, one.events) for one in plan.alerts] == [
        ("email", "data@example.org", ("failure", "recovery", "stale"))
    ]
    assert plan.promise["freshness"] == "30 minutes"
    assert any(trigger.kind == "schedule" and trigger.detail == "10 seconds" for trigger in plan.triggers)
    for environment in ("dev", "prod"):
        source = load(EXAMPLES / "totesys", environment, {}).project.sources["totesys"]
        assert getattr(source, "every", None) == "10 minutes"
