"""One file over HTTP, whole or not at all: conditional, resumed after a cut line, bounded in size, time and hops."""

import base64
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.errors import MissingExtra, SourceRefused, SourceUnreachable

if TYPE_CHECKING:
    import httpcore
    import httpx

REDIRECTS = (301, 302, 303, 307, 308)
RETRIED = (408, 425, 429, 500, 502, 503, 504)
RIGHTS = {401: "it wants a user and password", 403: "it refuses us"}
MAX_RETRY_AFTER = 10.0


class Missing(SourceRefused):
    """There is no such file (404 or 410)."""


@dataclass(frozen=True)
class Limits:
    """`max_bytes` of the file; `attempts` without progress; seconds for a connection, a read, the whole."""

    max_bytes: int = 1 << 30
    attempts: int = 4
    connect: float = 10.0
    read: float = 30.0
    total: float = 1800.0
    wait: float = 0.25
    hops: int = 5


@dataclass(frozen=True)
class Fetched:
    """A file as it came; `url` without user, password and query."""

    path: Path
    url: str
    etag: str
    last_modified: str
    date: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Known:
    """What is held of the file, as the server named it."""

    etag: str = ""
    last_modified: str = ""


class _Cut(Exception):
    """Worth another attempt, after `wait` seconds if the server said so."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass
class _Partial:
    """How much of which version is on disk, and the headers of the answer that began it."""

    path: Path
    size: int = 0
    validator: str = ""
    headers: "dict[str, str] | None" = None


class Fetcher:
    """Fetches for the source `name`; `private` permits loopback and private addresses."""

    def __init__(self, name: str, private: bool, limits: Limits) -> None:
        self._name, self._private, self._limits = name, private, limits

    def get(self, url: str, path: Path, known: Known | None = None) -> Fetched | None:
        """The file, written to `path`; None when the server says that it is the one known.

        Raises Missing, SourceRefused, SourceUnreachable, MissingExtra; no message holds user, password or query.
        """
        try:
            import httpcore
            import httpx
        except ImportError as error:
            raise MissingExtra("httpx", "http") from error
        from catchwater.adapters.sources.http_address import CheckedNetwork

        try:
            start = httpx.URL(url.strip())
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise SourceRefused("not a URL", where=self._name, next_step="write https://host/path") from error
        deadline = time.monotonic() + self._limits.total
        with httpcore.ConnectionPool(network_backend=CheckedNetwork(self._private)) as pool:
            return self._attempts(pool, start, path, known or Known(), deadline)

    def _attempts(
        self, pool: "httpcore.ConnectionPool", url: "httpx.URL", path: Path, known: Known, deadline: float
    ) -> Fetched | None:
        partial = _Partial(path)
        tries = 0
        while True:
            before = partial.size
            try:
                return self._once(pool, url, partial, known, deadline)
            except _Cut as error:
                tries = 1 if partial.size > before else tries + 1
                wait = max(error.wait, self._limits.wait * 2**tries)
                if tries >= self._limits.attempts or time.monotonic() + wait > deadline:
                    raise SourceUnreachable(
                        str(error), where=f"{self._name}: {shown(url)}", next_step="check the address, and try again"
                    ) from error
                time.sleep(wait)

    def _once(
        self, pool: "httpcore.ConnectionPool", url: "httpx.URL", partial: _Partial, known: Known, deadline: float
    ) -> Fetched | None:
        import httpcore

        try:
            return self._followed(pool, url, partial, known, deadline)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            said = str(error).split("\n")[0][:200] or type(error).__name__
            raise _Cut(f"no complete answer: {said}") from error
        except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError, httpcore.ProxyError) as error:
            raise self._refused(f"can't be asked for: {error}", url) from error

    def _followed(
        self, pool: "httpcore.ConnectionPool", url: "httpx.URL", partial: _Partial, known: Known, deadline: float
    ) -> Fetched | None:
        first = url
        for _ in range(self._limits.hops + 1):
            self._check(first, url)
            headers = self._headers(first, url, partial, known)
            limits = {"connect": self._limits.connect, "read": self._limits.read, "write": 30.0, "pool": 30.0}
            target = url.copy_with(userinfo=b"", fragment=None)
            with pool.stream("GET", str(target), headers=[*headers.items()], extensions={"timeout": limits}) as answer:
                told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                if answer.status not in REDIRECTS:
                    return self._answered(answer, told, url, partial, deadline)
                if "location" not in told:
                    raise self._refused(f"answer {answer.status} without a place to go", url)
                url = self._next(url, told["location"])
        raise self._refused(f"more than {self._limits.hops} redirects", url)

    def _next(self, url: "httpx.URL", location: str) -> "httpx.URL":
        import httpx

        try:
            return url.join(location).copy_with(userinfo=b"")
        except (httpx.InvalidURL, ValueError) as error:
            raise self._refused("a redirect to something that isn't a URL", url) from error

    def _check(self, first: "httpx.URL", url: "httpx.URL") -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise self._refused(f"only http and https are fetched, not {url.scheme or 'this'}", url)
        if first.scheme == "https" and url.scheme == "http":
            raise self._refused("a redirect from https to http", url)

    def _headers(self, first: "httpx.URL", url: "httpx.URL", partial: _Partial, known: Known) -> dict[str, str]:
        headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": "catchwater",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        origin = (first.scheme, first.host, first.port)
        if first.userinfo and origin == (url.scheme, url.host, url.port):
            login = f"{first.username}:{first.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(login).decode("ascii")
        if partial.size and partial.validator:
            headers |= {"Range": f"bytes={partial.size}-", "If-Range": partial.validator}
        elif not partial.size:
            headers |= {"If-None-Match": known.etag} if known.etag else {}
            headers |= {"If-Modified-Since": known.last_modified} if known.last_modified else {}
        return headers

    def _answered(
        self, answer: "httpcore.Response", told: dict[str, str], url: "httpx.URL", partial: _Partial, deadline: float
    ) -> Fetched | None:
        status = answer.status
        if status == 304 and not partial.size:
            return None
        if status in RETRIED:
            raise _Cut(f"answer {status}", _retry_after(told.get("retry-after", "")))
        if status == 416:
            partial.size, partial.validator = 0, ""
            raise _Cut("the file changed while it was fetched")
        if status in (404, 410):
            raise Missing(f"answer {status}: there is no such file", where=f"{self._name}: {shown(url)}")
        if status not in (200, 206):
            raise self._refused(f"answer {status}: {RIGHTS.get(status, 'not a file')}", url)
        resumed = status == 206
        if resumed and not re.match(rf"bytes {partial.size}-", told.get("content-range", "")):
            partial.size, partial.validator = 0, ""
            raise _Cut("the answer isn't the part that was asked for")
        if not resumed:
            partial.size, partial.headers = 0, told
            partial.validator = _validator(told)
        self._receive(answer, told, url, partial, deadline)
        return self._done(url, partial)

    def _receive(
        self, answer: "httpcore.Response", told: dict[str, str], url: "httpx.URL", partial: _Partial, deadline: float
    ) -> None:
        length = told.get("content-length", "")
        if length.isdigit() and partial.size + int(length) > self._limits.max_bytes:
            raise self._too_large(url)
        with partial.path.open("r+b" if partial.size else "wb") as file:
            file.seek(partial.size)
            file.truncate()
            for chunk in answer.iter_stream():
                if partial.size + len(chunk) > self._limits.max_bytes:
                    raise self._too_large(url)
                file.write(chunk)
                partial.size += len(chunk)
                if time.monotonic() > deadline:
                    raise SourceUnreachable(
                        f"not complete after {self._limits.total:.0f} s", where=f"{self._name}: {shown(url)}"
                    )

    def _done(self, url: "httpx.URL", partial: _Partial) -> Fetched:
        told = partial.headers or {}
        with partial.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        etag, changed, date = (told.get(word, "") for word in ("etag", "last-modified", "date"))
        return Fetched(partial.path, shown(url), etag, changed, date, digest, partial.size)

    def _refused(self, message: str, url: "httpx.URL") -> SourceRefused:
        return SourceRefused(message, where=f"{self._name}: {shown(url)}", next_step="check the source's url")

    def _too_large(self, url: "httpx.URL") -> SourceRefused:
        return SourceRefused(
            f"the file is larger than {self._limits.max_bytes} bytes",
            where=f"{self._name}: {shown(url)}",
            next_step="raise the source's max_bytes if it should be",
        )


def shown(url: "httpx.URL") -> str:
    """A URL as it may be told: without user, password, query and fragment."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def _validator(told: dict[str, str]) -> str:
    """What names this version exactly enough to go on from: a strong ETag, else the time of the last change."""
    etag = told.get("etag", "")
    return etag if etag and not etag.startswith("W/") else told.get("last-modified", "")


def _retry_after(text: str) -> float:
    return min(float(text), MAX_RETRY_AFTER) if text.isdigit() else 0.0
