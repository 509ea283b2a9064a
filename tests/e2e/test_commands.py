"""The commands on a small project over a topic: what they print, their exit codes, and what they say when misused."""

from pathlib import Path

import pytest

from tests.support.commands import catchwater
from tests.support.pings import MODEL, write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


def publish(project: Path, *lines: str) -> None:
    done = catchwater("publish", "pings", "-", project, stdin="\n".join(lines))
    assert done.exit == 0, done.err
    assert done.out == f"pings: {len(lines)} messages on disk\n"


def test_from_a_message_to_a_query(project: Path) -> None:
    assert "1 sources, 1 tables, 1 models: well" in catchwater("check", project).out
    publish(project, '{"id": 1, "note": "a"}', '{"id": 2}')
    done = catchwater("run", project)
    assert done.exit == 0, done.err + done.out
    assert "ingest   pings" in done.out
    assert "next: catchwater query" in done.out
    rows = catchwater("query", "FROM pings ORDER BY id", project, "--format", "csv")
    assert rows.out == "id,note\n1,a\n2,\n"
    assert catchwater("query", "FROM pings ORDER BY id", project, "--json").json == [
        {"id": 1, "note": "a"},
        {"id": 2, "note": None},
    ]
    shown = catchwater("query", "FROM pings ORDER BY id", project).out.splitlines()
    assert shown[0].split() == ["id", "note"]
    assert shown[-1].split() == ["2", "NULL"]
    again = catchwater("run", project)
    assert again.exit == 0
    assert again.out.startswith("nothing new\n")


def test_a_bad_message_is_set_aside_with_exit_3(project: Path) -> None:
    publish(project, '{"id": 1}', '{"id": "one"}', "not JSON")
    done = catchwater("run", project, "--json")
    assert done.exit == 3
    assert (done.json["state"], done.json["quarantined"]) == ("partly", 2)
    number = done.json["number"]
    held = catchwater("runs", number, project, "--quarantine", "--json").json
    assert sorted(row["text"] for row in held) == ["not JSON", '{"id": "one"}']
    shown = catchwater("runs", number, project, "--quarantine").out
    assert "not JSON" in shown
    assert catchwater("query", "SELECT count(*) AS n FROM pings", project, "--json").json == [{"n": 1}]
    assert catchwater("run", project).exit == 0


def test_what_happened_can_be_read(project: Path) -> None:
    publish(project, '{"id": 1}')
    number = catchwater("run", project, "--json").json["number"]
    runs = catchwater("runs", project, "--json").json
    assert [(run["number"], run["state"]) for run in runs] == [(number, "done")]
    assert "done" in catchwater("runs", project).out
    one = catchwater("runs", number, project).out
    assert "process:pings" in one
    assert catchwater("runs", number, project, "--json").json["steps"][0]["name"] == "ingest:pings"
    assert "committed" in catchwater("logs", number, project).out
    assert catchwater("logs", project, "--json").json[0]["message"] == "committed"
    status = catchwater("status", project, "--json").json
    assert status["models"][0]["rows"] == 1
    assert status["sources"][0]["seq"] == 1
    assert status["warehouse"]["version"] > 0
    assert "duckdb  version" in catchwater("status", project).out
    assert catchwater("alerts", project).out == "no alerts yet\n"
    assert catchwater("alerts", project, "--json").json == []


def test_verify_reads_everything_and_finds_a_flipped_bit(project: Path) -> None:
    publish(project, '{"id": 1}')
    catchwater("run", project)
    well = catchwater("verify", project, "--json")
    assert (well.exit, well.json["problems"]) == (0, [])
    assert {log["log"]: log["batches"] for log in well.json["logs"]} == {"ingestion/pings": 1, "processed/pings": 1}
    assert "ingestion/pings  1 batches" in catchwater("verify", project).out
    file = next((project / ".catchwater" / "lake" / "ingestion" / "pings" / "data").glob("*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(bytes(data))
    broken = catchwater("verify", project)
    assert broken.exit == 1
    assert file.name in broken.out


def test_a_corrupt_manifest_is_named_and_the_last_state_still_read(project: Path) -> None:
    publish(project, '{"id": 1}')
    catchwater("run", project)
    manifest = next((project / ".catchwater" / "lake" / "ingestion" / "pings" / "_log").rglob("query_log.json"))
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes()[:-20])
    publish(project, '{"id": 2}')
    done = catchwater("run", project)
    assert done.exit == 1
    assert "ingestion/pings" in done.out
    assert "the last good state is still readable" in done.out
    assert catchwater("query", "SELECT id FROM pings", project, "--json").json == [{"id": 1}]


def test_plan_says_what_differs(project: Path) -> None:
    assert "nothing was applied yet" in catchwater("plan", project).out
    catchwater("run", project)
    assert "nothing differs" in catchwater("plan", project).out
    (project / "models" / "second.sql").write_text(MODEL)
    text = catchwater("plan", project).out
    assert "+ second" in text
    assert "because second is a table of the warehouse" in text
    data = catchwater("plan", project, "--json").json
    assert {"area": "data", "sign": "+", "what": "second", "detail": "full"} in data["changes"]
    assert "because pings reads pings" in catchwater("plan", project, "--all").out
    assert "sources.pings.kind = topic" in catchwater("plan", project, "--defaults").out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "nowhere"], 2, "catchwater.yml"),
        (["query", "SELECT 1", "nowhere"], 2, "catchwater.yml"),
        (["query", "SELECT nothing FROM pings", "."], 1, "nothing"),
        (["query", "SELECT 1", ".", "--format", "xml"], 2, "xml"),
        (["query", "CREATE TABLE x (i INT)", "."], 2, "only statements that read"),
        (["runs", "99", "."], 2, "there is no run 99"),
        (["runs", "x", "y"], 2, "isn't a run's number"),
        (["publish", "nothing", "-", "."], 2, "nothing is no topic"),
        (["publish", "pings", "missing.ndjson", "."], 2, "missing.ndjson can't be read"),
        (["run", ".", "--env", "prod"], 2, "prod"),
        (["demo", "nothing"], 2, "there is no example nothing"),
        (["init"], 2, "NAME is missing"),
        (["init", "shop"], 2, "--url is missing"),
    ],
)
def test_misuse_is_told_in_words(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(project)
    catchwater("run")
    done = catchwater(*arguments)
    assert done.exit == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert "next: " in done.err or said in done.err


def test_errors_as_json(project: Path) -> None:
    (project / "models" / "pings.sql").write_text(MODEL.replace("note FROM", "nota FROM"))
    done = catchwater("run", project, "--json")
    assert done.exit == 2
    assert done.json["error"] == "ProjectError"
    [problem] = done.json["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("models/pings.sql", 5, 12)


def test_before_anything_ran(project: Path) -> None:
    for command in ("status", "verify"):
        done = catchwater(command, project)
        assert done.exit == 2
        assert "nothing has run here yet" in done.err
    assert catchwater("runs", project).out == "no runs yet\n"


def test_keys_are_shown_once(project: Path) -> None:
    made = catchwater("keys", "create", "looker", project, "--scope", "read", "--json").json
    assert made["token"] not in (project / ".catchwater" / "keys.json").read_text()
    assert catchwater("keys", "list", project).out == "looker  read\n"
    assert [key["name"] for key in catchwater("keys", "list", project, "--json").json] == ["looker"]
    assert catchwater("keys", "revoke", "looker", project).exit == 0
    assert catchwater("keys", "list", project).out == "no keys yet\n"


def test_version_and_help() -> None:
    assert catchwater("--version").out.startswith("catchwater ")
    assert "Every stage until nothing is left to do" in catchwater("run", "--help").out.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["query"],
        ["query", "SELECT nothing"],
        ["query", "SELECT 1; SELECT 2"],
        ["nothing"],
        ["run", "--nothing"],
        ["run", "nowhere"],
        ["runs", "99"],
        ["logs", "x", "y"],
        ["verify", "nowhere"],
        ["status", "nowhere"],
        ["check", "nowhere"],
        ["plan", "nowhere"],
        ["alerts", "nowhere"],
        ["lookml", "nowhere"],
        ["publish", "nothing"],
        ["demo", "nothing"],
        ["init"],
        ["keys", "create"],
        ["keys", "list", "nowhere"],
        ["runs", "--limit", "0"],
    ],
)
def test_an_error_is_json_where_json_was_asked_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(project)
    catchwater("run")
    done = catchwater(*arguments, "--json")
    assert done.exit == (1 if arguments == ["query", "SELECT nothing"] else 2)
    assert {"error", "message"} <= done.json.keys()
    assert done.err == ""


def test_what_is_published_line_by_line(project: Path) -> None:
    for text, count in (
        ("", 0),
        ("\n \n", 0),
        ('{"id": 1}', 1),
        ('{"id": 2}\r\n{"id": 3}\r\n', 2),
        ('\ufeff{"id": 4}\n', 1),
    ):
        done = catchwater("publish", "pings", "-", project, "--json", stdin=text)
        assert (done.exit, done.json) == (0, {"topic": "pings", "published": count}), text
    assert catchwater("run", project).exit == 0
    assert [row["id"] for row in catchwater("query", "FROM pings ORDER BY id", project, "--json").json] == [1, 2, 3, 4]


def test_a_message_over_the_limit_is_told_by_line_and_nothing_published(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "messages.ndjson"
    file.write_text('{"id": 1}\n\n{"id": 2, "note": "' + "x" * (1 << 20) + '"}\n{"id": 3}\n')
    done = catchwater("publish", "pings", file, project)
    assert done.exit == 2
    assert f"{file}: line 3 has 1,048,597 bytes, 1,048,576 are the most" in done.err
    assert catchwater("publish", "pings", "-", project, "-m", "{}", "-m", "x" * (2 << 20)).exit == 2
    assert catchwater("run", project, "--json").json["quarantined"] == 0
    assert catchwater("query", "SELECT count(*) AS n FROM pings", project, "--json").json == [{"n": 0}]


def test_the_newest_runs_and_lines_alone(project: Path) -> None:
    for number in range(4):
        publish(project, f'{{"id": {number}}}')
        assert catchwater("run", project).exit == 0
    assert [run["number"] for run in catchwater("runs", project, "--limit", 2, "--json").json] == [4, 3]
    assert len(catchwater("logs", project, "--limit", 2, "--json").json) == 2
    assert {line["run"] for line in catchwater("logs", 1, project, "--json").json} == {1}


def test_quarantine_of_a_run_without_any(project: Path) -> None:
    publish(project, '{"id": 1}')
    catchwater("run", project)
    assert catchwater("runs", 1, project, "--quarantine").out == "this run set nothing aside\n"
    assert catchwater("runs", 1, project, "--quarantine", "--json").json == []


def test_alerts_are_tried(tmp_path: Path) -> None:
    from tests.support.mail import http_server
    from tests.support.pings import PROJECT

    with http_server() as hook:
        rule = f"alerts:\n  - {{notify: webhook, to: '{hook.url()}', events: [failure]}}\n"
        folder = write(tmp_path / "pings", PROJECT + rule)
        done = catchwater("alerts", folder, "--test")
        assert done.exit == 0, done.err
        assert len(hook.seen) == 1
    assert "a test" in done.out
    refused = catchwater("alerts", folder, "--test", "--json")
    assert refused.exit == 1
    assert refused.json["error"] == "AlertFailed"
    assert [alert["error"] is None for alert in catchwater("alerts", folder, "--json").json] == [False, True]


def test_a_fault_is_told_without_a_trace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catchwater.runtimes import status

    def fail(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    catchwater("run", project)
    monkeypatch.setattr(status, "status", fail)
    done = catchwater("status", project)
    assert done.exit == 1
    assert "a fault in Catchwater itself: ZeroDivisionError('of ours')" in done.err
    assert "Traceback" not in done.err
    assert catchwater("status", project, "--json").json == {"error": "ZeroDivisionError", "message": "of ours"}
    monkeypatch.setenv("CATCHWATER_DEBUG", "1")
    assert "Traceback" in catchwater("status", project).err


def test_what_the_system_refuses_is_no_fault_of_ours(project: Path) -> None:
    (project / ".catchwater").write_text("a file")
    done = catchwater("run", project)
    assert done.exit == 1
    assert "the system refuses" in done.err
    assert ".catchwater" in done.err


def test_serve_refuses_what_it_can_t_listen_on(project: Path) -> None:
    done = catchwater("serve", project, "--host", "203.0.113.7", "--port", "0")
    assert done.exit == 2
    assert "can't listen on 203.0.113.7:0" in done.err


def test_init_asks_on_a_terminal_alone_and_says_what_it_wrote(tmp_path: Path) -> None:
    done = catchwater("init", "shop", tmp_path / "shop", "--url", "postgresql://nobody@127.0.0.1:1/x", "--json")
    assert done.exit == 1
    assert done.json["error"] == "SourceUnreachable"
    assert not (tmp_path / "shop" / "catchwater.yml").exists()


def test_an_interrupt_is_no_fault(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catchwater.runtimes import status

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    catchwater("run", project)
    monkeypatch.setattr(status, "status", interrupted)
    done = catchwater("status", project)
    assert (done.exit, done.err) == (130, "stopped\n")
