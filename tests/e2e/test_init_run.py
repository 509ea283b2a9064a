"""Databases as strangers have them, from `init` to `run` to `query`: equal, changed, equal again, or a clear error."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from catchwater.adapters.sources.postgres.catalog import folded
from catchwater.project.names import quote
from tests.support.commands import Result, catchwater
from tests.support.postgres import Database, db, postgres18  # noqa: F401
from tests.support.warehouse import assert_same

HERE = Path(__file__).parent
Made = Callable[..., Path]
TABLES = """SELECT n.nspname, r.relname, bool_and(a.atttypid IN ('int4'::regtype, 'text'::regtype)
    AND a.attgenerated = ''), json_agg(a.attname ORDER BY a.attnum)
  FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
  WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  GROUP BY 1, 2 ORDER BY 1, 2"""


@pytest.fixture
def made(tmp_path: Path, db: Database) -> Made:
    """`made(*statements)` runs them, and gives the folder of a project that `init` wrote."""

    def make(*statements: str, user: str = "") -> Path:
        db.run(*statements)
        done = catchwater("init", "shop", tmp_path / "shop", "--url", db.url(user))
        assert done.exit == 0, done.err
        return tmp_path / "shop"

    return make


def run(folder: Path, exit_code: int = 0) -> Result:
    done = catchwater("run", folder, "--json")
    assert done.exit == exit_code, done.out + done.err
    return done


def nothing_new(folder: Path) -> bool:
    return all(step["state"] == "nothing" for step in run(folder).json["steps"])


def failures(done: Result) -> dict[str, str]:
    return {f["what"]: f["message"] for step in done.json["steps"] for f in step["failures"]}


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    done = catchwater("query", sql, folder, "--json")
    assert done.exit == 0, done.err
    return [tuple(row.values()) for row in done.json]


def script(name: str) -> list[str]:
    return (HERE / name).read_text().split(";\n")[:-1]


def change_all(db: Database, tables: list[list[object]]) -> None:
    """In every table one row goes and one is written anew; tables of numbers and texts get two more."""
    db.run("SET session_replication_role = replica")
    for schema, table, plain, columns in tables:
        name = f"{quote(str(schema))}.{quote(str(table))}"
        first = f"(SELECT min(ctid) FROM ONLY {name})"
        last = f"(SELECT max(ctid) FROM ONLY {name})"
        if table != "parts":  # a partitioned table has no rows of its own
            db.run(f"DELETE FROM ONLY {name} WHERE ctid = {first}")
            column = quote(columns[0])  # type: ignore[index]
            db.run(f"UPDATE ONLY {name} SET {column} = {column} WHERE ctid = {last}")
        if plain and table != "parts_none":
            values = ", ".join(["g"] * len(columns))  # type: ignore[arg-type]
            db.run(f"INSERT INTO {name} SELECT {values} FROM generate_series(901, 902) g")
    db.run("DELETE FROM parts WHERE id < 10", "UPDATE parts SET v = 'w' WHERE id BETWEEN 300 AND 400")


def test_every_name_and_type_arrives_and_stays_equal(made: Made, db: Database) -> None:
    db.run(*script("odd_names.sql"))
    db.run("SET session_replication_role = replica")
    for schema, table, _, columns in db.run(TABLES):
        values = ", ".join(["g"] * len(columns))
        db.run(f"INSERT INTO {quote(schema)}.{quote(table)} SELECT {values} FROM generate_series(1, 3) g")
    wide = ", ".join(f"c{number} int" for number in range(300))
    folder = made(*script("odd_types.sql"), f"CREATE TABLE wide ({wide})", "INSERT INTO wide (c0, c299) VALUES (1, 2)")
    tables = db.run(TABLES)
    wanted = {_model(table): _full(table) for table in tables}
    assert {model.stem for model in (folder / "models").glob("*.sql")} == wanted.keys()
    assert {"u65e5_u672c", "orders_uni", "sales_orders_uni", "_1st", "under_score_t"} <= wanted.keys()
    run(folder)
    counts = assert_same(folder, db.url(), wanted)
    assert counts["parts"] == 700
    change_all(db, tables)
    run(folder)
    assert assert_same(folder, db.url(), wanted) != counts
    assert nothing_new(folder)
    assert catchwater("verify", folder).exit == 0


def _full(table: list[object]) -> str:
    only = "ONLY " if table[1] == "parent" else ""
    return f"{only}{quote(str(table[0]))}.{quote(str(table[1]))}"


def _model(table: list[object]) -> str:
    return folded(str(table[0]), str(table[1])).replace("__history", "_history")


def test_values_that_no_type_holds_stop_their_model_only(made: Made, db: Database) -> None:
    folder = made(
        "CREATE TABLE n (id int PRIMARY KEY, n numeric(10, 2))",
        "INSERT INTO n VALUES (1, 1.5), (2, 'NaN')",
        "CREATE TABLE ts (id int PRIMARY KEY, ts timestamp, d date, t time)",
        "INSERT INTO ts VALUES (1, 'infinity', '4713-01-01 BC', '24:00'), (2, '2020-01-01', '2020-01-01', '10:00')",
        "CREATE TABLE at (ts timestamptz PRIMARY KEY, v int)",
        "INSERT INTO at VALUES ('infinity', 1), ('2020-01-01 00:00+00', 2)",
        "CREATE TABLE other (id int PRIMARY KEY)",
        "INSERT INTO other VALUES (1)",
    )
    failed = failures(run(folder, 1))
    assert failed.keys() == {"n", "ts"}
    assert "for example NaN" in failed["n"]
    assert """coalesce("n"::VARCHAR, _exact['n'])""" in failed["n"]
    assert rows(folder, 'SELECT v FROM "at"') == [(2,)]
    assert rows(folder, "FROM other") == [(1,)]
    held = catchwater("runs", 1, folder, "--quarantine", "--json").json
    assert [row["text"] for row in held] == ["(infinity,1)"]
    said = "/*---\nkey: [id]\n---*/\nSELECT id, coalesce(n::VARCHAR, _exact['n']) AS n FROM shop.n\n"
    (folder / "models" / "n.sql").write_text(said)
    db.run("UPDATE ts SET ts = '2021-01-01', d = '2021-01-01', t = '10:00' WHERE id = 1", "DELETE FROM at WHERE v = 1")
    run(folder)
    assert rows(folder, "SELECT n FROM n ORDER BY id") == [("1.50",), ("NaN",)]
    assert_same(folder, db.url(), {"ts": "ts", "at": "at", "other": "other"})


def test_a_source_that_changes_its_shape_is_followed(made: Made, db: Database) -> None:
    folder = made(
        "CREATE TABLE a (id int PRIMARY KEY, x int, y text)",
        "CREATE TABLE k (id int PRIMARY KEY, x int NOT NULL)",
        "CREATE TABLE nk (x int, y text)",
        *(f"INSERT INTO {table} SELECT g, g FROM generate_series(1, 10) g" for table in ("a", "k", "nk")),
    )
    run(folder)
    tables = {name: name for name in ("a", "k", "nk")}
    steps = (
        ["ALTER TABLE a ADD COLUMN z text DEFAULT 'zz'", "ALTER TABLE nk ADD COLUMN z int DEFAULT 5"],
        [
            "ALTER TABLE a RENAME COLUMN z TO zz",
            "ALTER TABLE a ALTER x TYPE bigint",
            "ALTER TABLE nk ALTER x TYPE text",
        ],
        ["ALTER TABLE a DROP COLUMN zz", "ALTER TABLE nk DROP COLUMN z", "CREATE TABLE fresh (id int PRIMARY KEY)"],
        ["BEGIN", "TRUNCATE a", "INSERT INTO a SELECT g, g, g FROM generate_series(5, 20) g", "COMMIT"],
        ["UPDATE a SET id = id + 1000 WHERE id < 9", "UPDATE k SET id = 11 - id + 100", "UPDATE k SET id = id - 100"],
        ["DROP TABLE k; CREATE TABLE k (id int PRIMARY KEY, x int NOT NULL); INSERT INTO k VALUES (1, 5), (2, 6)"],
    )
    for statements in steps:
        db.run(*statements)
        run(folder)
        assert_same(folder, db.url(), tables)
        assert nothing_new(folder), statements


def test_another_key_is_refused_and_no_row_is_lost(made: Made, db: Database) -> None:
    folder = made(
        "CREATE TABLE k (id int PRIMARY KEY, x int NOT NULL)", "INSERT INTO k SELECT g, g FROM generate_series(1, 10) g"
    )
    run(folder)
    # the deletes of ids 3 to 10 are newer than the rows that have x 5 and 6 now: by x those rows would be gone
    db.run("DELETE FROM k WHERE id > 2", "UPDATE k SET x = id + 4")
    run(folder)
    before = rows(folder, "FROM k ORDER BY id")
    for statements in (["ALTER TABLE k ADD PRIMARY KEY (x)"], []):
        db.run("ALTER TABLE k DROP CONSTRAINT k_pkey", *statements)
        failed = failures(run(folder, 1))
        assert all("was captured by the key (id), and its key is now" in text for text in failed.values())
        assert rows(folder, "FROM k ORDER BY id") == before == [(1, 5), (2, 6)]
    db.run("ALTER TABLE k ADD PRIMARY KEY (id)")
    assert nothing_new(folder)


def test_a_column_or_table_that_is_gone_is_named_and_the_last_state_read(made: Made, db: Database) -> None:
    folder = made(
        "CREATE TABLE a (id int PRIMARY KEY, y text)", "INSERT INTO a VALUES (1, 'x')", "CREATE TABLE b (i int)"
    )
    (folder / "models" / "picked.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id, y AS label FROM shop.a\n")
    run(folder)
    for statement, said in (
        ("ALTER TABLE a DROP COLUMN y", "models/picked.sql:4:12: no column y"),
        ("DROP TABLE b", "models/b.sql:5:15: shop.b: no such table"),
    ):
        db.run(statement)
        done = catchwater("run", folder)
        assert done.exit in (1, 2)
        assert said in done.out + done.err
        assert rows(folder, "FROM picked") == [(1, "x")]
    for name in ("picked", "b"):
        (folder / "models" / f"{name}.sql").unlink()
    run(folder)
    assert rows(folder, "FROM a") == [(1,)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody_here@{place}", 'role "nobody_here" does not exist'),
        ("postgresql://postgres@{place}_not", "does not exist"),
        ("postgresql://postgres:s3cret@127.0.0.1:1/x", "check the port"),
        ("postgresql://postgres:s3cret@no.such.host.invalid/x", "check the host's name"),
        ("postgresql://postgres:s3cret@h:abc/x", "can't be read"),
        ("mysql://s3cret@x", "isn't a Postgres URL"),
        ("postgresql://", "neither url nor host"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_secret(
    tmp_path: Path, db: Database, url: str, said: str
) -> None:
    place = f"127.0.0.1:{db.server.port}/{db.name}"
    done = catchwater("init", "shop", tmp_path / "shop", "--url", url.format(place=place))
    assert done.exit == 1
    assert said in done.err
    assert "next: " in done.err
    assert "s3cret" not in done.out + done.err
    assert not (tmp_path / "shop").exists()


def test_rights_that_go_and_a_source_that_is_down(made: Made, db: Database, tmp_path: Path) -> None:
    user = f"reader_{db.name}"
    db.run(
        f"CREATE ROLE {user} LOGIN",
        "CREATE TABLE a (id int PRIMARY KEY)",
        "INSERT INTO a VALUES (1)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "ALTER TABLE b ENABLE ROW LEVEL SECURITY",
    )
    done = catchwater("init", "shop", tmp_path / "shop", "--url", db.url(user))
    assert done.exit == 1
    for said in (
        "no SELECT on public.a",
        "row security hides rows of public.b",
        f'GRANT SELECT ON "public"."a" TO "{user}"',
    ):
        assert said in done.err
    folder = made(f"GRANT SELECT ON a, b TO {user}", f"ALTER ROLE {user} BYPASSRLS", user=user)
    run(folder)
    db.run(f"REVOKE SELECT ON a FROM {user}", "INSERT INTO a VALUES (2)")
    assert "no SELECT on public.a" in failures(run(folder, 1))["shop"]
    dotenv = folder / ".env"
    right = dotenv.read_text()
    dotenv.write_text(right.replace(f":{db.server.port}/", ":1/"))
    assert "check the port" in failures(run(folder, 1))["shop"]
    assert rows(folder, "FROM a") == [(1,)]
    dotenv.write_text(right)
    db.run(f"GRANT SELECT ON a TO {user}")
    run(folder)
    assert rows(folder, "FROM a ORDER BY id") == [(1,), (2,)]


def test_two_runs_at_once_and_readers_beside_them(made: Made, db: Database) -> None:
    """Both tables change in one transaction, so that a reader who saw two versions would see two sums."""
    folder = made(
        "CREATE TABLE o (id int PRIMARY KEY, v int)",
        "CREATE TABLE i (id int PRIMARY KEY, o int REFERENCES o, v int)",
        "INSERT INTO o SELECT g, 0 FROM generate_series(1, 500) g",
        "INSERT INTO i SELECT g, g, 0 FROM generate_series(1, 500) g",
    )
    run(folder)
    writer, wrong, done = db.connect(), [], threading.Event()

    def write() -> None:
        for low in range(1, 60):
            pair = [f"UPDATE {table} SET v = v + 1 WHERE id BETWEEN {low} AND {low + 50}" for table in ("o", "i")]
            for statement in ("BEGIN", *pair, "COMMIT"):
                writer.run(statement)

    def read() -> None:
        sql = "SELECT (SELECT sum(v) FROM o) AS o, (SELECT sum(v) FROM i) AS i"
        while not done.is_set():
            found = process("query", sql, folder, "--json").communicate()[0]
            if not found.startswith("[") or len(set(json.loads(found)[0].values())) != 1:
                wrong.append(found)

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        both = [process("run", folder) for _ in range(2)]
        said = [one.communicate()[0] for one in both]
        assert [one.returncode for one in both] == [0, 0], said
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    run(folder)
    assert_same(folder, db.url(), {"o": "o", "i": "i"})
    assert nothing_new(folder)


def process(*words: object) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "catchwater", *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
