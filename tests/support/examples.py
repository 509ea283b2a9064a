"""The plans of totesys and shop without their databases: the tables as Postgres describes them, typed by DuckDB."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from catchwater.adapters.engines.duckdb import DuckdbEngine
from catchwater.plan.graph import make
from catchwater.plan.models import load_models
from catchwater.plan.plan import Plan
from catchwater.ports import Settings
from catchwater.project.load import load
from catchwater.project.tables import Column, TableSchema
from catchwater.runtimes.tables import saved
from catchwater.wiring import adapter

EXAMPLES = Path(__file__).parents[2] / "examples"
_SHORT = {
    "int": "INTEGER", "bigint": "BIGINT", "text": "VARCHAR", "ts": "TIMESTAMP",
    "tz": "TIMESTAMP WITH TIME ZONE", "bool": "BOOLEAN",
}  # fmt: skip

TOTESYS = """
counterparty: counterparty_id int, counterparty_legal_name text!, legal_address_id int!, commercial_contact text, \
delivery_contact text, created_at ts!, last_updated ts!
address: address_id int, address_line_1 text!, address_line_2 text, district text, city text!, postal_code text!, \
country text!, phone text!, created_at ts!, last_updated ts!
department: department_id int, department_name text!, location text, manager text, created_at ts, last_updated ts
staff: staff_id int, first_name text, last_name text, department_id int, email_address text, created_at ts, \
last_updated ts
design: design_id int, created_at ts, design_name text, file_location text, file_name text, last_updated ts
currency: currency_id int, currency_code text, created_at ts, last_updated ts
payment_type: payment_type_id int, payment_type_name text, created_at ts, last_updated ts
sales_order: sales_order_id int, created_at ts, last_updated ts, design_id int, staff_id int, counterparty_id int, \
units_sold int, unit_price DECIMAL(10,2), currency_id int, agreed_delivery_date text, agreed_payment_date text, \
agreed_delivery_location_id int
purchase_order: purchase_order_id int, created_at ts, last_updated ts, staff_id int, counterparty_id int, \
item_code text, item_quantity int, item_unit_price text, currency_id int, agreed_delivery_date text, \
agreed_payment_date text, agreed_delivery_location_id int
transaction: transaction_id int, transaction_type text, sales_order_id int, purchase_order_id int, created_at ts, \
last_updated ts
payment: payment_id int, created_at ts, last_updated ts, transaction_id int, counterparty_id int, \
payment_amount text, currency_id int, payment_type_id int, paid bool, payment_date text, company_ac_number int, \
counterparty_ac_number int
"""
SHOP = """
countries: country text!, country_name text!
customers: customer_id int, customer_name text!, email text!, country text!, attributes text!, created_at tz!
products: product_id int, sku text!, product_name text!, category text!, price DECIMAL(10,2)!, active bool!
orders: order_id bigint, customer_id int!, country text!, status text!, placed_at tz!, note text
order_lines: order_id bigint, line int!, product_id int!, quantity int!, unit_price DECIMAL(10,2)!
page_views: viewed_at tz!, path text!, customer_id int
"""
_KEYS = {"order_lines": ("order_id", "line"), "page_views": ()}


def tables(text: str) -> tuple[TableSchema, ...]:
    """Tables from lines `name: column type, …`; `!` is NOT NULL, the first column is the key."""
    found = []
    for line in text.strip().splitlines():
        name, _, rest = line.partition(": ")
        columns = []
        for part in rest.split(", "):
            column, kind = part.split(" ")
            bare = kind.rstrip("!")
            columns.append(Column(column, _SHORT.get(bare, bare), not kind.endswith("!")))
        key = _KEYS.get(name, (columns[0].name,))
        found.append(TableSchema(name, tuple(columns), key))
    return tuple(found)


# every environment of the five that is in a cloud
CLOUDS = [("totesys", "dev"), ("totesys", "prod"), ("github_activity", "stage"), ("events", "dev"),
          ("open_data", "dev"), ("open_data", "prod"), ("shop", "prod")]  # fmt: skip


@cache
def plan_of(name: str, environment: str = "local") -> Plan:
    """The plan of an example in one of its environments, made once; no database is asked."""
    variables = {
        f"{name.upper()}_URL": "postgresql://nobody@127.0.0.1/x",
        "STATIONS_URL": "https://data.example.org/stations.csv",
    }
    loaded = load(EXAMPLES / name, environment, variables)
    databases = {"totesys": TOTESYS, "shop": SHOP}
    with TemporaryDirectory() as made:
        folder = Path(made)
        settings = Settings(EXAMPLES / name, folder / ".catchwater", environment, lambda text: text, name, variables)
        described = {
            source: (saved(EXAMPLES / name, source) if environment != "local" else None) or tables(databases[name])
            if name in databases
            else adapter("source", spec.kind)(source, spec, settings).describe()
            for source, spec in loaded.project.sources.items()
        }
        engine = DuckdbEngine("duckdb", None, settings)
        models = load_models(EXAMPLES / name, described, engine.describe, loaded.variables)
    return make(loaded.project, environment, described, models)
