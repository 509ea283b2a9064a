"""Keys are stored hashed, for their owner alone, and two processes never lose one another's."""

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catchwater.errors import CatchwaterError, UseError
from catchwater.serve.access import Keys


def test_a_key_is_shown_once_and_never_stored(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "state" / "keys.json")
    assert keys.list() == []
    assert keys.find("cw_x") is None
    token = keys.create("ci", ["read", "operate", "read"], "sales")
    text = keys.path.read_text()
    assert token.startswith("cw_")
    assert len(token) >= 43
    assert token not in text
    assert json.loads(text)["keys"][0]["sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    [listed] = keys.list()
    assert {name: listed[name] for name in ("name", "scopes", "role")} == {
        "name": "ci", "scopes": ["operate", "read"], "role": "sales",
    }  # fmt: skip
    assert "sha256" not in listed
    found = keys.find(token)
    assert found is not None
    assert (found.name, found.scopes, found.role) == ("ci", frozenset({"read", "operate"}), "sales")
    assert keys.find(token + "x") is None
    keys.revoke("ci")
    assert keys.find(token) is None


@pytest.mark.parametrize(("name", "scopes"), [("", ["read"]), ("a", []), ("a", ["read", "write"]), ("held", ["read"])])
def test_wrong_keys_are_refused(tmp_path: Path, name: str, scopes: list[str]) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.create("held", ["read"])
    with pytest.raises(UseError):
        keys.create(name, scopes)
    with pytest.raises(UseError, match="no key is named other"):
        keys.revoke("other")
    assert [key["name"] for key in keys.list()] == ["held"]


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.path.write_text('{"keys"')
    with pytest.raises(CatchwaterError, match=r"keys\.json"):
        keys.find("x")


def test_processes_that_create_at_once_keep_all(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from catchwater.serve.access import Keys\n"
        "for i in range(10): Keys(Path(sys.argv[1])).create(f'{sys.argv[2]}-{i}', ['read'])"
    )
    path = str(tmp_path / "keys.json")
    started = [subprocess.Popen([sys.executable, "-c", code, path, str(n)]) for n in range(3)]
    assert [process.wait(30) for process in started] == [0, 0, 0]
    assert len(Keys(Path(path)).list()) == 30
