"""verify, backfill, replay, diff and sweep as a user runs them, on lakes that are well and on lakes that are not."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.lake.checkpoint import NONE
from catchwater.lake.log import stamp
from catchwater.lake.manifest import Checkpoint, Draft, Rolled
from catchwater.runtimes.embedded_files import FileServer
from catchwater.stages.again import as_they_were
from catchwater.wiring import SystemClock
from tests.support.commands import Result, catchwater
from tests.support.pings import MODEL, SCHEMA, write
from tests.support.postgres import Database, db, postgres18  # noqa: F401
from tests.support.tampering import log_of, rewrite, warehouse


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


@pytest.fixture(scope="module")
def ran_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write(tmp_path_factory.mktemp("twice") / "pings")
    ran(made, '{"id": 1, "note": "a"}')
    ran(made, '{"id": 2, "note": "b"}')
    return made


@pytest.fixture
def twice(ran_twice: Path, tmp_path: Path) -> Path:
    """A project with two messages, each in a batch of its own."""
    return Path(shutil.copytree(ran_twice, tmp_path / "pings"))


def publish(project: Path, *lines: str) -> None:
    assert catchwater("publish", "pings", "-", project, stdin="\n".join(lines)).exit == 0


def ran(project: Path, *lines: str) -> Result:
    publish(project, *lines)
    done = catchwater("run", project)
    assert done.exit in (0, 3), done.err + done.out
    return done


def verified(project: Path, *options: str) -> Result:
    done = catchwater("verify", project, "--json", *options)
    assert done.exit == (1 if done.json["problems"] else 0), done.err
    return done


def test_verify_says_what_was_held_against_what(twice: Path) -> None:
    found = verified(twice).json
    assert found["problems"] == []
    [source] = found["sources"]
    assert (source["name"], source["state"]) == ("pings", "not compared")
    assert "nothing to compare with" in source["said"]
    [model] = found["models"]
    assert (model["name"], model["state"], model["rows"]) == ("pings", "equal", 2)
    [table] = found["warehouse"]
    assert (table["name"], table["state"], table["rows"]) == ("pings", "equal", 2)
    text = catchwater("verify", twice).out
    assert "nothing is wrong: 2 logs" in text
    assert "1 not compared, as said above" in text


def test_verify_narrowed(twice: Path) -> None:
    found = verified(twice, "--source", "pings").json
    assert [log["log"] for log in found["logs"]] == ["ingestion/pings"]
    assert (found["models"], found["warehouse"]) == ([], [])
    found = verified(twice, "--model", "pings").json
    assert [log["log"] for log in found["logs"]] == ["processed/pings"]
    assert found["sources"] == []
    unknown = catchwater("verify", twice, "--model", "nothing")
    assert unknown.exit == 2
    assert "use one of: pings" in unknown.err


def test_verify_names_the_rows_of_a_model_that_isnt_what_its_source_makes(project: Path) -> None:
    ran(project, '{"id": 1, "note": "a"}', '{"id": 2, "note": "b"}', '{"id": 3, "note": "c"}')
    log = log_of(project, "processed/pings")
    rewrite(log, "pings", 1, "SELECT id, 'wrong' AS note, id = 3 AS _removed FROM held WHERE id > 1")
    done = verified(project, "--model", "pings").json
    [model] = done["models"]
    assert (model["state"], model["missing"], model["extra"], model["differing"]) == ("wrong", 1, 0, 1)
    [problem] = [text for text in done["problems"] if "missing" in text]
    assert "1 row differs in note" in problem
    assert "id = 2 differs: note b, is wrong" in problem
    assert "id = 3 missing" in problem
    assert "next: catchwater replay pings" in problem
    assert catchwater("replay", "pings", project).exit == 0
    assert verified(project).json["problems"] == []
    assert rows(project) == [(1, "a"), (2, "b"), (3, "c")]


def rows(project: Path) -> list[tuple[object, ...]]:
    done = catchwater("query", "SELECT id, note FROM pings ORDER BY id", project, "--json")
    return [tuple(row.values()) for row in done.json]


def test_verify_names_the_rows_of_the_warehouse_that_were_changed(twice: Path) -> None:
    warehouse(
        twice,
        "UPDATE pings SET note = 'x' WHERE id = 1",
        "DELETE FROM pings WHERE id = 2",
        "INSERT INTO pings VALUES (9, 'new')",
    )
    [problem] = verified(twice, "--model", "pings").json["problems"]
    assert "id = 1 has other values than its log" in problem
    assert "id = 2 is missing" in problem
    assert "id = 9 isn't in its log" in problem
    assert catchwater("replay", "pings", twice).exit == 0
    assert verified(twice).json["problems"] == []
    assert rows(twice) == [(1, "a"), (2, "b")]


def test_a_warehouse_that_isnt_as_it_was_published_is_found(twice: Path) -> None:
    for file in (twice / ".catchwater" / "warehouse").glob("*.duckdb"):
        file.unlink()
    [problem] = verified(twice).json["problems"]
    assert "nothing is published" in problem
    assert "next: catchwater run" in problem
    assert catchwater("run", twice).exit == 0
    assert verified(twice).json["problems"] == []


def test_a_changed_model_is_told_apart_from_a_wrong_one(twice: Path) -> None:
    (twice / "models" / "pings.sql").write_text(MODEL.replace("id, note", "id, upper(note) AS note"))
    assert verified(twice).json["problems"] == []  # the plan that was applied still stands


def test_rows_set_aside_are_tried_again_once(project: Path) -> None:
    ran(project, '{"id": 1}', '{"id": "two", "note": "b"}', '{"id": 3, "note": 3}', "not JSON")
    nothing = catchwater("replay", project, "--json")
    assert (nothing.exit, nothing.json["sources"][0]["taken"]) == (3, 0)
    assert len(log_of(project, "ingestion/pings").batches(None)) == 1
    (project / "schemas" / "ping.json").write_text(SCHEMA.replace('"note": {"type": "string"}', '"note": {}'))
    (project / "models" / "pings.sql").write_text(MODEL.replace("id, note", "id, CAST(note AS VARCHAR) AS note"))
    done = catchwater("replay", "pings", project, "--json")
    assert done.exit == 3, done.out + done.err
    assert (done.json["sources"][0]["taken"], done.json["sources"][0]["aside"]) == (1, 2)
    assert any("not JSON" in reason for reason in done.json["sources"][0]["reasons"])
    assert [number for number, _ in rows(project)] == [1, 3]
    batches = len(log_of(project, "ingestion/pings").batches(None))
    again = catchwater("replay", project, "--json")
    assert (again.exit, again.json["sources"][0]["taken"]) == (3, 0)
    assert len(log_of(project, "ingestion/pings").batches(None)) == batches
    assert verified(project).json["problems"] == []


@pytest.mark.proof
def test_a_large_message_is_replayed_whole(project: Path) -> None:
    file = project / "schemas" / "ping.json"
    file.write_text(SCHEMA.replace('"note":', '"n": {"type": "integer"}, "note":'))
    long = "x" * 70_000
    refused = (
        '{"id": 1, "n": "1", "note": "' + long + '"}',
        '{"id": 2, "n": 99999999999999999999, "note": "' + long[:30_000] + '"}',
    )
    assert ran(project, *refused).exit == 3
    file.write_text(SCHEMA.replace('"note":', '"n": {}, "note":'))
    done = catchwater("replay", project, "--json")
    assert (done.exit, done.json["aside"]) == (0, 0), done.out
    assert [len(str(note)) for _, note in rows(project)] == [70_000, 30_000]


def test_replay_says_what_it_cant_do(twice: Path) -> None:
    assert "pings: no rows are aside" in catchwater("replay", twice).out
    unknown = catchwater("replay", "nothing", twice)
    assert (unknown.exit, "use one of: pings" in unknown.err) == (2, True)


def test_messages_cant_be_read_again(twice: Path) -> None:
    done = catchwater("backfill", "pings", twice)
    assert done.exit == 2
    assert "gone from the queue" in done.err
    assert catchwater("backfill", "pings", twice, "--since", "yesterday").exit == 2
    assert "there is no source other" in catchwater("backfill", "other", twice).err
    assert "pings has no table x" in catchwater("backfill", "pings.x", twice).err


@pytest.mark.parametrize("command", ["verify", "backfill", "replay"])
def test_before_anything_ran(project: Path, command: str) -> None:
    done = catchwater(command, project)
    assert done.exit == 2
    assert "nothing has run here yet" in done.err


def test_files_that_nobody_names_go_after_a_week(twice: Path) -> None:
    data = twice / ".catchwater" / "lake" / "ingestion" / "pings" / "data"
    left = data / "left.parquet"
    left.write_bytes(b"PAR1")
    assert "0 files, 0 bytes removed" in catchwater("sweep", twice).out
    then = time.time() - 8 * 86_400
    for file in data.iterdir():
        os.utime(file, (then, then))
    assert "1 files, 4 bytes would go" in catchwater("sweep", twice, "--dry-run").out
    assert left.exists()
    found = catchwater("sweep", twice, "--json").json
    assert {one["log"]: one["files"] for one in found["logs"]} == {"ingestion/pings": 1, "processed/pings": 0}
    assert not left.exists()
    assert verified(twice).json["problems"] == []


@pytest.mark.parametrize("zone", ["ingestion", pytest.param("processed", marks=pytest.mark.proof)])
@pytest.mark.parametrize("what", ["flip", "cut", "delete", "manifest", "no manifest"])
def test_a_broken_lake_is_named(twice: Path, zone: str, what: str) -> None:
    log = twice / ".catchwater" / "lake" / zone / "pings"
    file = sorted((log / "data").glob("*.parquet"))[0]
    manifest = log / "_log" / f"{1:020d}" / "query_log.json"
    broken = manifest if "manifest" in what else file
    data = bytearray(broken.read_bytes())
    broken.unlink()
    if what in ("flip", "manifest"):
        data[len(data) // 2] ^= 4
    if what == "cut":
        data = data[: len(data) // 2]
    if what not in ("delete", "no manifest"):
        broken.write_bytes(bytes(data))
    done = verified(twice).json
    assert done["problems"]
    assert all("next: " in problem for problem in done["problems"])
    assert any(f"{zone}/pings" in problem for problem in done["problems"])
    assert "Traceback" not in str(done)


@pytest.fixture
def shop(db: Database, tmp_path: Path) -> Path:
    db.run(
        "CREATE TABLE orders (id int PRIMARY KEY, units int, price numeric(10,2))",
        "INSERT INTO orders SELECT i, i, i FROM generate_series(1, 50) AS i",
        "CREATE TABLE visits (page text)",
        "INSERT INTO visits SELECT 'a' FROM generate_series(1, 5)",
    )
    folder = tmp_path / "shop"
    assert catchwater("init", "shop", folder, "--url", db.url()).exit == 0
    (folder / "models" / "versions.sql").write_text(
        "/*---\nkey: [version]\nentity: [id]\n---*/\nSELECT _id AS version, id, units FROM shop.orders__history\n"
    )
    assert catchwater("run", folder).exit == 0
    return folder


def test_a_database_from_lost_to_found(db: Database, shop: Path) -> None:
    assert {one["state"] for one in verified(shop).json["sources"]} == {"equal"}
    db.run("UPDATE orders SET units = 0 WHERE id = 1")
    states = {one["name"]: one["state"] for one in verified(shop).json["sources"]}
    assert states == {"shop.orders": "pending", "shop.visits": "equal"}
    assert catchwater("run", shop).exit == 0
    log = log_of(shop, "ingestion/shop")
    rewrite(log, "orders", 1, "SELECT * REPLACE (99 AS units) FROM held WHERE id = 5")
    rewrite(log, "orders", 1, "SELECT * REPLACE ('delete' AS _op) FROM held WHERE id = 6")
    assert catchwater("run", shop).exit == 0
    [problem] = verified(shop).json["problems"]
    assert "lost: id = 6" in problem
    assert "stale: id = 5" in problem
    assert "next: catchwater backfill shop.orders" in problem
    done = catchwater("backfill", "shop.orders", shop)
    assert (done.exit, "50 rows read, 2 written" in done.out) == (0, True), done.out + done.err
    assert verified(shop).json["problems"] == []
    sums = catchwater("query", "SELECT sum(units) AS n, count(*) AS c FROM orders", shop, "--json").json
    assert sums == [{"n": sum(range(2, 51)), "c": 50}]
    again = catchwater("backfill", shop, "--json").json
    assert [step["written"] for step in again["run"]["steps"] if step["stage"] == "ingest"] == [0]


@pytest.mark.proof
def test_numbers_of_rows_come_out_the_same(db: Database, shop: Path) -> None:
    db.run("UPDATE orders SET units = 0 WHERE id < 4", "DELETE FROM orders WHERE id = 9")
    assert catchwater("run", shop).exit == 0
    select = "SELECT version, id, units FROM versions ORDER BY ALL"
    before = catchwater("query", select, shop, "--json").json
    assert len(before) == 54
    assert catchwater("replay", "versions", shop).exit == 0
    assert catchwater("query", select, shop, "--json").json == before
    assert log_of(shop, "processed/versions").batches(None)[-1].position["reset"]
    assert verified(shop).json["problems"] == []


def test_a_source_that_is_down_is_a_finding_of_its_own(shop: Path) -> None:
    env = shop / ".env"
    env.write_text(env.read_text().replace("127.0.0.1", "127.0.0.2"))
    done = verified(shop).json
    assert [found["area"] for found in done["findings"]] == ["source"]
    assert "can't connect" in done["problems"][0]
    assert {one["state"] for one in done["models"]} == {"equal"}


@pytest.mark.proof
def test_keys_that_cant_be_held_are_mended_there(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE odd (day date PRIMARY KEY)", "INSERT INTO odd VALUES ('infinity'), ('2024-01-01')")
    folder = tmp_path / "shop"
    assert catchwater("init", "shop", folder, "--url", db.url()).exit == 0
    assert catchwater("run", folder).exit == 3
    done = catchwater("replay", folder)
    assert done.exit == 3
    assert "1 row aside can't be tried from here" in done.out
    assert "next: correct the rows there, then catchwater backfill shop.odd" in done.out


def test_what_isnt_compared_is_said(twice: Path) -> None:
    models = twice / "models"
    (models / "today.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id, now() AS at FROM pings.pings\n")
    (models / "later.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id FROM today\n")
    (models / "seen.sql").write_text("/*---\nkey: [id]\nmaterialized: view\n---*/\nSELECT id FROM later\n")
    assert catchwater("run", twice).exit == 0
    states = {one["name"]: one["state"] for one in verified(twice).json["models"]}
    assert states == {"later": "not compared", "pings": "equal", "today": "not compared"}
    publish(twice, '{"id": 3}')
    (models / "pings.sql").write_text(MODEL.replace("note FROM", "error(note) AS note FROM"))
    assert catchwater("run", twice).exit == 1
    found = {one["name"]: one["said"] for one in verified(twice).json["models"]}
    assert "it was changed since it was computed" in found["pings"]
    assert "is a view" in catchwater("replay", "seen", twice).err


def test_what_waits_is_pending(twice: Path) -> None:
    rewrite(log_of(twice, "ingestion/pings"), "pings", 1, "SELECT * REPLACE (3 AS id) FROM held")
    rewrite(log_of(twice, "processed/pings"), "pings", 1, "SELECT * REPLACE ('a' AS note) FROM held")
    found = verified(twice).json
    assert found["problems"] == []
    assert "new batches of ingestion/pings wait" in found["models"][0]["said"]
    assert (found["warehouse"][0]["state"], "; 1 wait" in found["warehouse"][0]["said"]) == ("pending", True)


def test_letting_go_of_checkpoints(twice: Path) -> None:
    log = log_of(twice, "ingestion/pings")
    head = log.head()
    assert head is not None
    rolled = replace(as_they_were(head)["pings"], rows=2)
    false = Checkpoint(head.seq, head.hash, {"pings": Rolled(rolled.schema, rolled.key, 1)})
    draft = Draft("ingest", "1", "r", stamp(SystemClock().now()), position=head.position, tables=as_they_were(head))
    log.commit(replace(draft, checkpoint=false), head)
    assert verified(twice, "--drop-checkpoints").json["problems"] == []
    newest = log_of(twice, "ingestion/pings").head()
    assert newest is not None
    assert newest.checkpoint == NONE
    assert verified(twice, "--drop-checkpoints").json["problems"] == []
    assert len(log.batches(None)) == newest.seq


def test_a_file_is_read_again_with_the_columns_of_now(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "f.csv").write_text("id,lat\n1,1.5\n2,north\n3,2\n4,2\n5,1\n")
    with FileServer(served) as server:
        folder = tmp_path / "stations"
        (folder / "models").mkdir(parents=True)
        url = server.url("f.csv")
        (folder / "catchwater.yml").write_text(
            f"project: p\nsources: {{s: {{kind: http_files, url: {url}, schema: s.yml, private: true}}}}\n"
        )
        columns = "key: [id]\ncolumns:\n  - {name: id, type: integer}\n  - {name: lat, type: number}\n"
        (folder / "s.yml").write_text(columns)
        (folder / "models" / "m.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id, lat::VARCHAR AS lat FROM s\n")
        assert catchwater("run", folder).exit == 3
        (folder / "s.yml").write_text(columns.replace("number", "string"))
        done = catchwater("replay", "s", folder)
        assert done.exit == 0, done.out + done.err
        assert "its file is read again with the columns of now" in done.out
        assert "no rows are aside" in catchwater("replay", "s", folder).out
        assert verified(folder).json["problems"] == []
        found = catchwater("query", "SELECT lat FROM m WHERE id = 2", folder, "--json").json
        assert found == [{"lat": "north"}]


@pytest.mark.proof
def test_a_warehouse_of_ones_own(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY, seen timestamptz, w float8)", "CREATE SCHEMA house")
    db.run("INSERT INTO orders SELECT i, now(), 'NaN' FROM generate_series(1, 9) AS i")
    folder = tmp_path / "shop"
    assert catchwater("init", "shop", folder, "--url", db.url()).exit == 0
    file = folder / "catchwater.yml"
    file.write_text(file.read_text() + 'warehouse: {kind: postgres, url: "${SHOP_URL}", schema: house}\n')
    (folder / "models" / "nested.sql").write_text(
        "/*---\nkey: [id]\n---*/\nSELECT id, seen, w, [id] AS l FROM shop.orders\n"
    )
    text = (folder / "catchwater.yml").read_text()
    file.write_text(text.replace('url: "${SHOP_URL}", every', 'url: "${SHOP_URL}", tables: [orders], every'))
    assert catchwater("run", folder).exit == 0
    found = {one["name"]: one for one in verified(folder).json["warehouse"]}
    assert (found["orders"]["state"], found["nested"]["state"]) == ("equal", "equal")
    assert "whose type is another there: l" in found["nested"]["said"]
    db.run("UPDATE house.orders SET seen = now() WHERE id = 3", "DELETE FROM house.nested WHERE id = 4")
    problems = "\n".join(verified(folder).json["problems"])
    assert "id = 3 has other values than its log" in problems
    assert "8 rows, its log has 9\n    id = 4 is missing" in problems
    assert "how to empty a table in a database of yours" in problems
