"""The house itself: what importing loads, the layers, what tracked files may hold, and that the docs know the code."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from catchwater import errors
from tests import conftest
from tools import docs_check

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "catchwater").rglob("*.py"))
HEAVY = {
    *("duckdb", "sqlglot", "pyarrow", "pydantic", "ruamel", "fastapi", "starlette", "uvicorn", "jinja2", "orjson"),
    *("httpx", "obstore", "boto3", "lkml", "prometheus_client", "aiosmtpd", "smtplib", "catchwater.adapters"),
}
REGISTRY = r"--(?:extra-)?index-url[ =]|--find-links[ =]|pyp[i]\.or[g]|pythonhoste[d]|registry\.npmj[s]|deb\.debia[n]"
# Written so that it doesn't find itself; Google's images and its SDK have places of their own.
MACHINE = r"/(wor[k]|roo[t])/|/op[t]/(?!google)|/home/[a-z]"


def tracked() -> list[Path]:
    line = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(line, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("module", ["catchwater", "catchwater.errors", "catchwater.ports", "catchwater.cli"])
def test_importing_stays_light(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert sorted(loaded & HEAVY) == []


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def wired() -> list[str]:
    from catchwater.wiring import ADAPTERS

    return sorted(ADAPTERS.values())


@pytest.mark.parametrize("entry", wired())
def test_every_line_of_the_wiring_leads_to_a_class(entry: str) -> None:
    module, name = entry.split(":")
    assert isinstance(getattr(importlib.import_module(module), name), type)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_says_what_it_is_and_fits(path: Path) -> None:
    text = path.read_text()
    said = ast.get_docstring(ast.parse(text))
    assert said, "a file begins with a sentence that says what it is"
    assert said.split("\n\n")[0].rstrip().endswith((".", ":")), "the docstring begins with a sentence"
    # every port stands on one page
    assert len(text.splitlines()) <= (600 if path.name == "ports.py" else 400)


def test_no_tracked_file_holds_a_machine_or_a_registry() -> None:
    found = []
    pattern = re.compile(f"{REGISTRY}|{MACHINE}")
    for path in tracked():
        name = str(path.relative_to(ROOT))
        if path == Path(__file__) or path.suffix in {".png", ".gz", ".zip", ".parquet", ".db"}:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if len(line) < 2000 and pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_lock_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements" / "dev.txt").read_text()
    packages = re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, re.MULTILINE)
    assert len(packages) > 50
    assert text.count("\\\n    --hash=sha256:") >= len(packages)
    assert not re.search(r"https?://|file:", text)


def test_the_docs_know_every_command_key_and_error() -> None:
    assert docs_check.problems() == []


def test_the_check_of_the_docs_finds_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = "\n".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    without = docs.replace("catchwater verify", "").replace("`kms_key`", "").replace("`TableDiffers`", "")
    assert [line.split("`")[1] for line in docs_check.unmentioned(without)] == [
        "catchwater verify",
        "kms_key",
        "TableDiffers",
    ]
    monkeypatch.setattr(docs_check, "ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("demo:\n")
    page = tmp_path / "README.md"
    page.write_text(
        "[a](no.md) [b](README.md#x) ![c](no.png) [d](https://x)\n```\n$ catchwater fly\nmake demo\nmake tea\n"
        "$ catchwater run --al x\n$ catchwater query 'SELECT\n1' . --json # --no\ncatchwater query\n"
        "catchwater keys list --help | cat --no\n$ catchwater runs --limit many\n```\n"
    )
    assert [line.split(": ")[1] for line in docs_check.dead_links(page)] == [
        "no.md leads nowhere",
        "no.png leads nowhere",
    ]
    found = list(docs_check.impossible(page))
    expected = [
        "`catchwater fly` doesn't exist",
        "`make tea` doesn't exist",
        "`catchwater run` No such option: --al",
        "`catchwater query` Missing ",
        "`catchwater runs` Invalid value for '--limit': ",
    ]
    assert [said for line, said in zip(found, expected, strict=True) if f"README.md: {said}" not in line] == [], found


def test_the_check_of_the_docs_finds_an_option_without_a_word() -> None:
    text = docs_check.COMMANDS.read_text()
    assert list(docs_check.options(text)) == []
    cut = text.replace("--follow", "-f").replace("## keys list", "## keys")
    assert list(docs_check.options(cut)) == [
        "docs/commands.md has no section `## keys list`",
        "docs/commands.md: `## logs` doesn't name --follow",
    ]


def test_the_tree_drawn_over_the_errors_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == docs_check.errors() - {"CatchwaterError"}


def test_in_ci_only_listed_skips_pass(tmp_path: Path) -> None:
    parts = conftest.allowed_skips()
    assert parts
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_listed():\n"
        f"    pytest.skip('{parts[0]}: not on this machine')\n"
        "def test_unlisted():\n"
        "    pytest.skip('no time')\n"
        "@pytest.mark.skipif(True, reason='later')\n"
        "def test_marked():\n"
        "    pass\n"
    )
    (tmp_path / "test_module.py").write_text("import pytest\npytest.skip('later', allow_module_level=True)\n")
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--continue-on-collection-errors",
        "-p",
        "tests.conftest",
        "-c",
        "/dev/null",
        str(tmp_path),
    ]
    for ci, expected in (("true", (3, 1)), ("", (0, 4))):
        done = subprocess.run(
            line,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"CI": ci, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        )
        failed = sum(int(count) for count in re.findall(r"(\d+) (?:failed|error)", done.stdout))
        skipped = sum(int(count) for count in re.findall(r"(\d+) skipped", done.stdout))
        assert (failed, skipped) == expected, done.stdout


def test_every_guarantee_names_tests_that_are_there_and_no_proof_is_left_out() -> None:
    named = set(re.findall(r"`(tests/\S+\.py)`", (ROOT / "docs" / "guarantees.md").read_text()))
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert named <= there
    assert {name for name in there if name.startswith("tests/proof/")} <= named
