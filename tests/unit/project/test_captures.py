"""`capture:` in the project file: what it may say, and what is said of what it may not."""

from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import ProjectError
from catchwater.project.captures import TableCapture
from catchwater.project.load import load

HEAD = 'project: p\nsources:\n  s:\n    kind: postgres\n    url: "${U}"\n    tables: '


def declared(folder: Path, capture: str, tables: str = "all") -> Any:
    (folder / "catchwater.yml").write_text(f"{HEAD}{tables}\n    capture: {capture}\n")
    return load(folder, variables={"U": "postgresql://x/y"}).project.model_dump()["sources"]["s"]["capture"]


def test_a_word_for_all_or_a_capture_by_table(tmp_path: Path) -> None:
    assert declared(tmp_path, "full") == "full"
    assert declared(tmp_path, "snapshot") == "snapshot"
    assert declared(tmp_path, "{a: full, cursor: snapshot}") == {"a": "full", "cursor": "snapshot"}
    found = declared(tmp_path, "{a: {cursor: at, lag: 5 minutes}, b: {full: true, key: [id]}, c: {cursor: n, lag: 0}}")
    assert found == {
        "a": TableCapture(cursor="at", lag="5 minutes").model_dump(),
        "b": TableCapture(full=True, key=["id"]).model_dump(),
        "c": TableCapture(cursor="n", lag=0).model_dump(),
    }
    assert found["a"]["snapshot"] == "1 day"


@pytest.mark.parametrize(
    ("capture", "said"),
    [
        ("fulll", "7:14: `sources.s.capture`: neither snapshot nor full"),
        ("cursor", "a cursor is a column of one table: write `{TABLE: {cursor: COLUMN}}`"),
        ("{cursor: at}", "a cursor is a column of one table"),
        ("[a]", "neither snapshot nor full"),
        ("{a: ful}", "7:18: `sources.s.capture.a`: neither snapshot nor full"),
        ("{a: {}}", "either `cursor` or `full: true` is wanted, and not both"),
        ("{a: {cursor: at, full: true}}", "either `cursor` or `full: true` is wanted, and not both"),
        ("{a: {cursr: at}}", "7:19: unknown key `cursr` in `sources.s.capture.a`; did you mean cursor?"),
        ("{a: {full: true, lag: 5}}", "`lag` belongs to a cursor: leave it out"),
        ("{a: {cursor: n, lag: -1}}", "write '10 minutes', or 1000"),
        ("{a: {cursor: n, lag: true}}", "write '10 minutes', or 1000"),
        ("{a: {cursor: n, snapshot: never}}", "7:40: `sources.s.capture.a.snapshot`: not a duration"),
        ("{a: {full: true, key: id}}", "a list is wanted"),
        ("{a: {full: true, key: [id, id]}}", "a column stands twice in `key`"),
        ("{a: {cursor: true}}", "YAML reads this as true"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_everything_else_is_refused_with_its_line(tmp_path: Path, capture: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        declared(tmp_path, capture)
    assert len(caught.value.problems) == 1
    assert said in str(caught.value)


def test_a_capture_of_a_table_that_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"orderz isn't in `tables` of s; did you mean orders\?"):
        declared(tmp_path, "{orderz: full, b: full}", "[orders, b]")
