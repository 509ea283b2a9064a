"""Variables: the `.env`, references, and that no value is ever told."""

from pathlib import Path

import pytest

from catchwater.errors import ProjectError, SecretMissing
from catchwater.project import variables
from catchwater.project.load import load


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("  A = b  ", "b"),
        ("A=b # a comment", "b"),
        ("A=b#c", "b#c"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A='b # c' # d", "b # c"),
        ("A='b\\n'", "b\\n"),
        ('A="b \\"c\\" \\$D \\\\ \\n"', 'b "c" $D \\ \n'),
        ("A=postgres://u:p@h/d?x=y", "postgres://u:p@h/d?x=y"),
        ("A=b\r", "b"),
    ],
)
def test_a_line_of_a_dotenv(line: str, value: str) -> None:
    assert variables.parse(f"# first\n\n{line}\n") == {"A": value}


@pytest.mark.parametrize(
    "line", ["hunter2", "A", "1A=hunter2", "A-B=hunter2", "A='hunter2", 'A="hunter2', "A='x' hunter2"]
)
def test_a_wrong_line_is_named_without_its_value(line: str) -> None:
    with pytest.raises(ProjectError) as refused:
        variables.parse(f"OK=1\n{line}\nalso wrong\n")
    assert [problem.line for problem in refused.value.problems] == [2, 3]
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "a", "a'b", 'a"b', "a'b\"c\\d$e", "two\nlines'\r", " # x ", "$HOME ${X}"])
def test_a_written_line_reads_back(value: str) -> None:
    assert variables.parse(variables.line("A", value)) == {"A": value}


def test_the_environment_overlays_the_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    assert variables.read(tmp_path, {"B": "environment"}) == {"A": "file", "B": "environment"}
    monkeypatch.setenv("CATCHWATER_TRIED", "yes")
    assert variables.read(tmp_path)["CATCHWATER_TRIED"] == "yes"


def test_an_unreadable_dotenv_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=\xff\n")
    with pytest.raises(ProjectError, match="not UTF-8"):
        variables.read(tmp_path, {})
    path.unlink()
    path.mkdir()
    with pytest.raises(ProjectError, match="can't be read"):
        variables.read(tmp_path, {})


def test_references_are_replaced_once() -> None:
    held = {"A": "${B}", "B": "$$"}
    text = "${A}/${secret:db/pass-word.1}/$$/$${A}/$x/$"
    assert variables.resolve(text, held, lambda name: f"<{name}>") == "${B}/<db/pass-word.1>/$/${A}/$x/$"
    assert variables.references(text) == ({"A"}, {"db/pass-word.1"})


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A", "${A }", "${secret:}", "${secret:a b}"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    assert variables.malformed(text)
    with pytest.raises(SecretMissing, match="isn't a reference"):
        variables.resolve(text, {"A": "x"}, str)


@pytest.mark.parametrize("text", ["$", "$A", "$$", "$${", "{A}", "${A}", "${secret:a}"])
def test_what_is_well_formed_isnt_refused(text: str) -> None:
    assert not variables.malformed(text)


def test_a_missing_variable_is_named_with_its_line_and_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "catchwater.yml").write_text('project: p\nsources:\n  s:\n    kind: postgres\n    url: "${S_URL}"\n')
    resolve = variables.resolver(load(tmp_path, variables={"HELD": "hunter2"}))
    with pytest.raises(SecretMissing) as missing:
        resolve("${S_URL}")
    assert missing.value.where == "catchwater.yml:5"
    assert "the variable S_URL isn't set" in str(missing.value)
    assert "export S_URL=…" in str(missing.value)
    assert "hunter2" not in str(missing.value)
    with pytest.raises(SecretMissing, match="the variable OTHER isn't set"):
        resolve("${OTHER}")
    assert resolve("plain") == "plain"


def test_an_empty_variable_is_as_good_as_none() -> None:
    with pytest.raises(SecretMissing, match="A is empty"):
        variables.resolve("${A}", {"A": ""})


def test_a_missing_secret_gets_the_place_that_uses_it() -> None:
    def store(name: str) -> str:
        raise SecretMissing(f"no secret {name}", next_step="put it there")

    with pytest.raises(SecretMissing, match="no secret x") as missing:
        variables.resolve("${secret:x}", {}, store, "catchwater.yml:3")
    assert (missing.value.where, missing.value.next_step) == ("catchwater.yml:3", "put it there")
    with pytest.raises(SecretMissing, match="no secret store"):
        variables.resolve("${secret:x}", {})
