"""verify, backfill, replay, diff and sweep as a user runs them, on lakes that are well and on lakes that are not."""

from pathlib import Path

import pytest

from tests.support.commands import Result, catchwater
from tests.support.pings import MODEL, SCHEMA, write
from tests.support.tampering import log_of, rewrite, warehouse


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


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


def test_verify_says_what_was_held_against_what(project: Path) -> None:
    ran(project, '{"id": 1, "note": "a"}', '{"id": 2}')
    found = verified(project).json
    assert found["problems"] == []
    [source] = found["sources"]
    assert (source["name"], source["state"]) == ("pings", "not compared")
    assert "nothing to compare with" in source["said"]
    [model] = found["models"]
    assert (model["name"], model["state"], model["rows"]) == ("pings", "equal", 2)
    [table] = found["warehouse"]
    assert (table["name"], table["state"], table["rows"]) == ("pings", "equal", 2)
    text = catchwater("verify", project).out
    assert "nothing is wrong: 2 logs" in text
    assert "1 not compared, as said above" in text


def test_verify_narrowed(project: Path) -> None:
    ran(project, '{"id": 1}')
    found = verified(project, "--source", "pings").json
    assert [log["log"] for log in found["logs"]] == ["ingestion/pings"]
    assert (found["models"], found["warehouse"]) == ([], [])
    found = verified(project, "--model", "pings").json
    assert [log["log"] for log in found["logs"]] == ["processed/pings"]
    assert found["sources"] == []
    unknown = catchwater("verify", project, "--model", "nothing")
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


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE pings SET note = 'x' WHERE id = 2", "id = 2 has other values than its log"),
        ("DELETE FROM pings WHERE id = 2", "id = 2 is missing"),
        ("INSERT INTO pings VALUES (9, 'new')", "id = 9 isn't in its log"),
    ],
)
def test_verify_names_the_rows_of_the_warehouse_that_were_changed(project: Path, statement: str, said: str) -> None:
    ran(project, '{"id": 1, "note": "a"}', '{"id": 2, "note": "b"}')
    warehouse(project, statement)
    done = verified(project).json
    [problem] = done["problems"]
    assert said in problem
    assert catchwater("replay", "pings", project).exit == 0
    assert verified(project).json["problems"] == []
    assert rows(project) == [(1, "a"), (2, "b")]


def test_a_warehouse_that_isnt_as_it_was_published_is_found(project: Path) -> None:
    ran(project, '{"id": 1}')
    for file in (project / ".catchwater" / "warehouse").glob("*.duckdb"):
        file.unlink()
    [problem] = verified(project).json["problems"]
    assert "nothing is published" in problem
    assert "next: catchwater run" in problem
    assert catchwater("run", project).exit == 0
    assert verified(project).json["problems"] == []


def test_a_changed_model_is_told_apart_from_a_wrong_one(project: Path) -> None:
    ran(project, '{"id": 1}')
    (project / "models" / "pings.sql").write_text(MODEL.replace("id, note", "id, upper(note) AS note"))
    assert verified(project).json["problems"] == []  # the plan that was applied still stands


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


def test_replay_says_what_it_cant_do(project: Path) -> None:
    ran(project, '{"id": 1}')
    assert "pings: no rows are aside" in catchwater("replay", project).out
    unknown = catchwater("replay", "nothing", project)
    assert (unknown.exit, "use one of: pings" in unknown.err) == (2, True)


def test_messages_cant_be_read_again(project: Path) -> None:
    ran(project, '{"id": 1}')
    done = catchwater("backfill", "pings", project)
    assert done.exit == 2
    assert "gone from the queue" in done.err
    assert catchwater("backfill", "pings", project, "--since", "yesterday").exit == 2
    assert "there is no source other" in catchwater("backfill", "other", project).err
    assert "pings has no table x" in catchwater("backfill", "pings.x", project).err


@pytest.mark.parametrize("command", ["verify", "backfill", "replay"])
def test_before_anything_ran(project: Path, command: str) -> None:
    done = catchwater(command, project)
    assert done.exit == 2
    assert "nothing has run here yet" in done.err
