"""What people do in totesys: a year of orders to begin with, then a day's work that never ends.

`seed` gives the same rows every time. `Activity.burst` writes as the real office does: orders that come, change and
are cancelled; a mistake that is rolled back; a part of a transaction undone; and a slow clerk whose transaction stays
open while others commit, so that its rows appear late with an early `last_updated`.
"""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pg8000.native import Connection

SCHEMA = Path(__file__).with_name("schema.sql")
EPOCH = datetime(2025, 11, 1, 9, 0)  # noqa: DTZ001 (the tables hold timestamps without a zone)
ORDERS = 4000
TABLES = (
    "address", "counterparty", "department", "staff", "design", "currency", "payment_type",
    "sales_order", "purchase_order", "transaction", "payment",
)  # fmt: skip
CITIES = (
    ("Leeds", "United Kingdom", "LS"), ("Manchester", "United Kingdom", "M"), ("Lyon", "France", "690"),
    ("Köln", "Germany", "506"), ("Łódź", "Poland", "90-0"), ("Aarhus", "Denmark", "80"), ("Porto", "Portugal", "400"),
    ("Boston", "United States", "021"),
)  # fmt: skip
STREETS = (
    "Mill Lane",
    "Canal Street",
    "Rue du Port",
    "Hauptstraße",
    "Harbour Road",
    "Station Approach",
    "O'Connell Way",
)
FIRST = (
    "Ada",
    "Bjørn",
    "Chloé",
    "Dev",
    "Esra",
    "Femi",
    "Grace",
    "Hana",
    "Imran",
    "Jo",
    "Klara",
    "Luca",
    "Mina",
    "Noor",
)
LAST = ("Abbott", "Baker", "Costa", "Dłuski", "Evans", "Fischer", "Grant", "Hughes", "Ito", "O'Brien", "Patel", "Quinn")
DEPARTMENTS = ("Sales", "Purchasing", "Production", "Dispatch", "Finance", "Facilities", "Communications", "HR")
WORDS = ("Linen", "Canvas", "Market", "Harbour", "Meadow", "Granite", "Copper", "Indigo", "Paper", "Winter", "Saffron")
KINDS = ("Tote", "Shopper", "Satchel", "Sling", "Weekender")
CURRENCIES = ("GBP", "USD", "EUR")
PAYMENT_TYPES = ("SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND")
SLOW = 7  # orders whose number it divides are the slow clerk's, so that nobody waits for a row


def connect(url: str) -> Connection:
    """A connection to `postgresql://user:password@host:port/database`."""
    parts = urlsplit(url)
    return Connection(
        unquote(parts.username or "postgres"),
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 5432,
        database=unquote(parts.path.lstrip("/")) or None,
        password=unquote(parts.password) if parts.password else None,
        application_name="totesys",
    )


def is_there(connection: Connection) -> bool:
    return bool(connection.run("SELECT to_regclass('public.sales_order') IS NOT NULL")[0][0])


def seed(connection: Connection, number: int = 7, orders: int = ORDERS) -> dict[str, int]:
    """Create the tables and fill them, in one transaction; rows by table. The same arguments give the same rows."""
    rows = _rows(random.Random(number), orders)
    connection.run("START TRANSACTION")
    connection.run(SCHEMA.read_text())
    for table in TABLES:
        _copy(connection, table, rows[table])
    connection.run("COMMIT")
    return {table: len(rows[table]) for table in TABLES}


def _copy(connection: Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    text.seek(0)
    connection.run(f"COPY {table} FROM STDIN (FORMAT csv)", stream=text)


def _rows(chance: random.Random, orders: int) -> dict[str, list[tuple[Any, ...]]]:
    rows = _people(chance)
    sales, purchases = [], []
    for number in range(1, orders + 1):
        at = EPOCH + timedelta(minutes=number * 120, seconds=chance.randrange(3600))
        sales.append(sales_order(chance, number, at))
        if number % 8 < 5:
            purchases.append(purchase_order(chance, len(purchases) + 1, at + timedelta(minutes=11)))
    rows["sales_order"], rows["purchase_order"] = sales, purchases
    both = sorted([(row[1], "SALE", row) for row in sales] + [(row[1], "PURCHASE", row) for row in purchases])
    rows["transaction"] = [
        (i, kind, row[0] if kind == "SALE" else None, row[0] if kind == "PURCHASE" else None, at, at)
        for i, (at, kind, row) in enumerate(both, 1)
    ]
    rows["payment"] = [payment(chance, i, i, kind, row) for i, (_, kind, row) in enumerate(both, 1)]
    return rows


def _people(chance: random.Random) -> dict[str, list[tuple[Any, ...]]]:
    """The tables that orders point to."""
    at = EPOCH - timedelta(days=30)
    names = [(first, last) for first in FIRST for last in LAST]
    chance.shuffle(names)
    return {
        "address": [_address(chance, i, at) for i in range(1, 121)],
        "counterparty": [_counterparty(chance, i, at) for i in range(1, 81)],
        "department": [
            (i, name, chance.choice(("Leeds", "Manchester", None)), " ".join(names[-i]), at, at)
            for i, name in enumerate(DEPARTMENTS, 1)
        ],
        "staff": [
            (i, first, last, 1 + i % len(DEPARTMENTS), f"{first}.{last}.{i}@totesys.example".lower(), at, at)
            for i, (first, last) in enumerate(names[:40], 1)
        ],
        "design": [_design(chance, i, at) for i in range(1, 321)],
        "currency": [(i, code, at, at) for i, code in enumerate(CURRENCIES, 1)],
        "payment_type": [(i, name, at, at) for i, name in enumerate(PAYMENT_TYPES, 1)],
    }


def _address(chance: random.Random, number: int, at: datetime) -> tuple[Any, ...]:
    city, country, code = chance.choice(CITIES)
    street = f"{chance.randrange(1, 200)} {chance.choice(STREETS)}"
    second = chance.choice((None, None, f"Unit {chance.randrange(1, 40)}"))
    district = chance.choice((None, f"{city} North", f"{city}-Süd"))
    phone = f"+{chance.randrange(31, 49)} {chance.randrange(100000, 999999)}"
    return (number, street, second, district, city, f"{code}{chance.randrange(10, 99)}", country, phone, at, at)


def _counterparty(chance: random.Random, number: int, at: datetime) -> tuple[Any, ...]:
    name = f"{chance.choice(LAST)} {chance.choice(('& Sons', 'GmbH', 'Ltd', 'SARL', ', Inc'))} {number}"
    contacts = [
        f"{chance.choice(FIRST)} {chance.choice(LAST)}",
        chance.choice((None, f"{chance.choice(FIRST)} Nkemelu")),
    ]
    return (number, name, chance.randrange(1, 121), *contacts, at, at)


def _design(chance: random.Random, number: int, at: datetime) -> tuple[Any, ...]:
    name = f"{chance.choice(WORDS)} {chance.choice(KINDS)}"
    file = f"{name.lower().replace(' ', '-')}-{number:04d}.json"
    return (number, at, name, chance.choice(("/designs", "/archive/designs", "/usr/share")), file, at)


def sales_order(chance: random.Random, number: int, at: datetime) -> tuple[Any, ...]:
    """One row of sales_order, as its columns stand in schema.sql."""
    day = at.date()
    return (
        number, at, at, chance.randrange(1, 321), chance.randrange(1, 41), chance.randrange(1, 81),
        chance.randrange(10, 5000), f"{chance.randrange(95, 1995) / 100:.2f}", chance.randrange(1, 4),
        f"{day + timedelta(days=chance.randrange(2, 9))}", f"{day + timedelta(days=chance.randrange(1, 7))}",
        chance.randrange(1, 121),
    )  # fmt: skip


def purchase_order(chance: random.Random, number: int, at: datetime) -> tuple[Any, ...]:
    """One row of purchase_order, as its columns stand in schema.sql."""
    day = at.date()
    return (
        number, at, at, chance.randrange(1, 41), chance.randrange(1, 81), f"{chance.randrange(16**6):06X}",
        chance.randrange(1, 900), f"{chance.randrange(1000, 90000) / 100:.2f}", chance.randrange(1, 4),
        f"{day + timedelta(days=chance.randrange(2, 9))}", f"{day + timedelta(days=chance.randrange(1, 7))}",
        chance.randrange(1, 121),
    )  # fmt: skip


def payment(chance: random.Random, number: int, transaction: int, kind: str, order: Sequence[Any]) -> tuple[Any, ...]:
    """The payment that settles `order`, a row of sales_order (SALE) or purchase_order (PURCHASE)."""
    sale = kind == "SALE"
    quantity, price, counterparty = (order[6], order[7], order[5]) if sale else (order[6], order[7], order[4])
    return (
        number, order[1], order[1], transaction, counterparty, f"{quantity * float(price):.2f}", order[8],
        1 if sale else 3, chance.random() < 0.8, order[10], chance.randrange(10**7, 10**8),
        chance.randrange(10**7, 10**8),
    )  # fmt: skip


class Activity:
    """The office at work. Not for two threads at once; `close` commits what the slow clerk has open."""

    def __init__(self, url: str, number: int = 7) -> None:
        self.url, self.number = url, number
        self.connection = connect(url)
        self._late: list[tuple[int, Connection]] = []
        self._next = {table: self._last(table) + 1 for table in ("sales_order", "transaction", "payment")}

    def burst(self, number: int) -> None:
        """About a second's work; `number` grows by one each time and decides what is done."""
        chance = random.Random(self.number * 1_000_003 + number)
        self._commit_late(number)
        self._begin_late(chance, number + chance.randrange(1, 4))
        for _ in range(chance.randrange(3, 9)):
            self._order(chance)
        self._change(chance)
        self._cancel(chance)
        self._mistakes(chance)

    def close(self) -> None:
        self._commit_late(None)
        self.connection.close()

    def __enter__(self) -> "Activity":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _last(self, table: str) -> int:
        return int(self.connection.run(f"SELECT COALESCE(max({table}_id), 0) FROM {table}")[0][0])

    def _take(self, table: str) -> int:
        self._next[table] += 1
        return self._next[table] - 1

    def _now(self, connection: Connection) -> datetime:
        at: datetime = connection.run("SELECT now()::timestamp")[0][0]
        return at

    def _order(self, chance: random.Random) -> None:
        """An order, its transaction and its payment, in one transaction."""
        self.connection.run("START TRANSACTION")
        self._insert(self.connection, chance)
        self.connection.run("COMMIT")

    def _insert(self, connection: Connection, chance: random.Random) -> None:
        at, order, entry = self._now(connection), self._take("sales_order"), self._take("transaction")
        row = sales_order(chance, order, at)
        _values(connection, "sales_order", row)
        _values(connection, "transaction", (entry, "SALE", order, None, at, at))
        _values(connection, "payment", payment(chance, self._take("payment"), entry, "SALE", row))

    def _change(self, chance: random.Random) -> None:
        """Orders, a payment and now and then an address or a person change."""
        for order in self._some(chance, 6):
            self.connection.run(
                "UPDATE sales_order SET units_sold = :units, last_updated = now() WHERE sales_order_id = :id",
                units=chance.randrange(10, 5000), id=order,
            )  # fmt: skip
        self.connection.run(
            "UPDATE payment SET paid = true, last_updated = now() WHERE payment_id IN "
            "(SELECT payment_id FROM payment WHERE NOT paid ORDER BY payment_id LIMIT 2)"
        )
        self.connection.run(
            "UPDATE address SET phone = :phone, last_updated = now() WHERE address_id = :id",
            phone=f"+44 {chance.randrange(100000, 999999)}", id=chance.randrange(1, 121),
        )  # fmt: skip

    def _some(self, chance: random.Random, count: int) -> list[int]:
        found = [chance.randrange(1, self._next["sales_order"]) for _ in range(count)]
        return sorted({order for order in found if order % SLOW})

    def _cancel(self, chance: random.Random) -> None:
        """An order is deleted, and with it what points to it."""
        for order in self._some(chance, 2):
            self.connection.run("START TRANSACTION")
            self.connection.run(
                "DELETE FROM payment WHERE transaction_id IN "
                "(SELECT transaction_id FROM transaction WHERE sales_order_id = :id)", id=order,
            )  # fmt: skip
            self.connection.run("DELETE FROM transaction WHERE sales_order_id = :id", id=order)
            self.connection.run("DELETE FROM sales_order WHERE sales_order_id = :id", id=order)
            self.connection.run("COMMIT")

    def _mistakes(self, chance: random.Random) -> None:
        """A transaction that is rolled back, and one of which the half is."""
        self.connection.run("START TRANSACTION")
        self._insert(self.connection, chance)
        self.connection.run("ROLLBACK")
        self.connection.run("START TRANSACTION")
        self._insert(self.connection, chance)
        self.connection.run("SAVEPOINT before")
        self.connection.run("UPDATE design SET file_location = '/lost'")
        self.connection.run("ROLLBACK TO SAVEPOINT before")
        self.connection.run("COMMIT")

    def _begin_late(self, chance: random.Random, due: int) -> None:
        clerk = connect(self.url)
        clerk.run("START TRANSACTION")
        self._insert(clerk, chance)
        busy = len(self._late) % SLOW  # each open transaction has orders of its own
        clerk.run(
            "UPDATE sales_order SET units_sold = units_sold + 1, last_updated = now() "
            "WHERE sales_order_id IN (SELECT sales_order_id FROM sales_order WHERE sales_order_id % :slow = 0 "
            "AND sales_order_id / :slow % :slow = :busy ORDER BY sales_order_id DESC LIMIT 3 FOR UPDATE SKIP LOCKED)",
            slow=SLOW, busy=busy,
        )  # fmt: skip
        self._late.append((due, clerk))

    def _commit_late(self, number: int | None) -> None:
        waiting = []
        for due, clerk in self._late:
            if number is not None and due > number:
                waiting.append((due, clerk))
                continue
            clerk.run("COMMIT")
            clerk.close()
        self._late = waiting


def _values(connection: Connection, table: str, row: Sequence[Any]) -> None:
    marks = ", ".join(f":v{i}" for i in range(len(row)))
    connection.run(f"INSERT INTO {table} VALUES ({marks})", **{f"v{i}": value for i, value in enumerate(row)})
