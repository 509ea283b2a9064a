"""Who may call what: API keys, scopes and roles; nothing is allowed here unless it was declared."""

import base64
import binascii
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catchwater.errors import CatchwaterError, UseError
from catchwater.plan.plan import Plan
from catchwater.serve.problems import Refusal

SCOPES = ("read", "publish", "operate", "metrics")
_CHALLENGE = {"WWW-Authenticate": 'Bearer, Basic realm="catchwater", charset="UTF-8"'}


_Held = list[dict[str, Any]]


@dataclass(frozen=True)
class Caller:
    """Who asks: the key's name, what it may do, and the role that narrows what it reads (None: all exposed)."""

    name: str
    scopes: frozenset[str]
    role: str | None = None


class Keys:
    """API keys in one file (mode 0600, replaced atomically) that holds SHA-256 digests, never a key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[tuple[int, int, int], _Held] | None = None

    def create(self, name: str, scopes: Sequence[str], role: str | None = None) -> str:
        """A new key, returned once and never again. Raises UseError for a name in use or an unknown scope."""
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if not name or not scopes or unknown:
            wrong = f"unknown scope {', '.join(unknown)}" if unknown else "a key needs a name and a scope"
            raise UseError(wrong, next_step=f"scopes are {', '.join(SCOPES)}")
        token = "cw_" + secrets.token_urlsafe(32)
        with self._changing() as held:
            if any(key["name"] == name for key in held):
                raise UseError(f"a key named {name} exists", next_step=f"catchwater keys revoke {name}")
            created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            held.append({
                "name": name, "scopes": sorted(set(scopes)), "role": role, "created": created,
                "sha256": _digest(token),
            })  # fmt: skip
        return token

    def list(self) -> _Held:
        """Name, scopes, role and time of creation of every key; no digest."""
        return [{k: v for k, v in key.items() if k != "sha256"} for key in self._read()]

    def revoke(self, name: str) -> None:
        """Raises UseError when no key has this name."""
        with self._changing() as held:
            kept = [key for key in held if key["name"] != name]
            if len(kept) == len(held):
                raise UseError(f"no key is named {name}", next_step="catchwater keys list")
            held[:] = kept

    def find(self, token: str) -> Caller | None:
        """Every key is compared, in constant time."""
        digest, found = _digest(token), None
        for key in self._read():
            if hmac.compare_digest(digest, key["sha256"]):
                found = Caller(key["name"], frozenset(key["scopes"]), key.get("role"))
        return found

    def _read(self) -> _Held:
        try:
            info = self.path.stat()
        except FileNotFoundError:
            return []
        mark = (info.st_mtime_ns, info.st_size, info.st_ino)
        if self._seen is None or self._seen[0] != mark:
            try:
                held: _Held = json.loads(self.path.read_bytes())["keys"]
            except (ValueError, KeyError, TypeError) as error:
                raise CatchwaterError(
                    "not a file of keys", where=self.path.name, next_step="remove it and create the keys again"
                ) from error
            self._seen = (mark, held)
        return self._seen[1]

    @contextmanager
    def _changing(self) -> Iterator[_Held]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._seen = None
            held: _Held = [*self._read()]
            yield held
            staged = self.path.with_suffix(".new")
            staged.unlink(missing_ok=True)
            descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump({"format": 1, "keys": held}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(self.path)
            self._seen = None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Access:
    """Turns a request's headers into a Caller, or refuses. `open_on_loopback`: the environment is `local` and the
    server listens on loopback alone, so that no key is asked of a caller who reaches it by a loopback name."""

    def __init__(self, plan: Plan, keys: Keys, open_on_loopback: bool = False) -> None:
        self._keys, self.open_on_loopback = keys, open_on_loopback
        api = plan.serve.get("api") or {}
        assert isinstance(api, Mapping)  # noqa: S101 (project/schema.py made it)
        self.roles: Mapping[str, Any] = api.get("roles") or {}

    def caller(self, headers: Mapping[str, str], scope: str, here: bool) -> Caller:
        """`here`: the request came by a loopback name. Raises Refusal 401 or 403."""
        token = presented(headers)
        if token is None:
            if self.open_on_loopback and here:
                return Caller("loopback", frozenset(SCOPES))
            raise Refusal(401, "an API key is needed: Authorization: Bearer …", headers=_CHALLENGE)
        found = self._keys.find(token)
        if found is None:
            raise Refusal(401, "this API key isn't known; catchwater keys create makes one", headers=_CHALLENGE)
        if scope not in found.scopes:
            raise Refusal(403, f"the key {found.name} may not {scope}")
        if found.role is not None and found.role not in self.roles:
            raise Refusal(403, f"the role {found.role} of the key {found.name} isn't declared")
        return found


def presented(headers: Mapping[str, str]) -> str | None:
    """The key of a request: Bearer, X-API-Key, or the password of Basic (what a browser can send)."""
    kind, _, value = headers.get("authorization", "").strip().partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return "" if kind else headers.get("x-api-key")
