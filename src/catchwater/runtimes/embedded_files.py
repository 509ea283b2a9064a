"""A web server on loopback that serves one folder, for demos and tests; it writes nothing."""

import email.utils
import hashlib
import mimetypes
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

CHUNK = 1 << 16


class FileServer:
    """A running server; it answers GET and HEAD with ETag, Last-Modified, 304 and single ranges.

    `requests` are (method, path, status) as answered.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.requests: list[tuple[str, str, int]] = []
        owner = self

        class Handler(_Handler):
            files = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host, self.port = "127.0.0.1", int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, name: str = "") -> str:
        return f"http://{self.host}:{self.port}/{quote(name)}"

    def __enter__(self) -> "FileServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    files: FileServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Nothing is printed; `requests` has them."""

    def _answer(self, *, body: bool) -> None:
        path = self._path()
        if path is None:
            self._end(HTTPStatus.NOT_FOUND, {"Content-Length": "0"})
            return
        size = path.stat().st_size
        headers = {
            "ETag": _tag(path),
            "Last-Modified": email.utils.formatdate(path.stat().st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
            "Content-Type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        }
        if self._unchanged(headers):
            self._end(HTTPStatus.NOT_MODIFIED, headers)
            return
        span = self._range(size, headers["ETag"])
        if span is None:
            empty = {**headers, "Content-Range": f"bytes */{size}", "Content-Length": "0"}
            self._end(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, empty)
            return
        start, end = span
        headers["Content-Length"] = str(end - start)
        if self._range_applies(headers["ETag"]):
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            self._end(HTTPStatus.PARTIAL_CONTENT, headers)
        else:
            self._end(HTTPStatus.OK, headers)
        if body:
            self._send(path, start, end)

    def _path(self) -> Path | None:
        name = unquote(urlsplit(self.path).path).lstrip("/")
        path = (self.files.folder / name).resolve()
        return path if path.is_file() and path.is_relative_to(self.files.folder) else None

    def _unchanged(self, headers: dict[str, str]) -> bool:
        """If-None-Match decides where it is given, else If-Modified-Since (RFC 9110, 13.2.2)."""
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return tags.strip() == "*" or headers["ETag"] in [tag.strip() for tag in tags.split(",")]
        since = email.utils.parsedate_tz(self.headers.get("If-Modified-Since", ""))
        then = email.utils.parsedate_tz(headers["Last-Modified"])
        return bool(since and then and email.utils.mktime_tz(then) <= email.utils.mktime_tz(since))

    def _range_applies(self, tag: str) -> bool:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "").strip())
        return bool(match and (match[1] or match[2])) and self.headers.get("If-Range", tag) == tag

    def _range(self, size: int, tag: str) -> tuple[int, int] | None:
        """Start and end of what is to be sent; None when the range lies outside."""
        if not self._range_applies(tag):
            return 0, size
        first, last = self.headers["Range"].strip().removeprefix("bytes=").split("-")
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last) + 1, size) if first and last else size
        return (start, end) if start < end else None

    def _send(self, path: Path, start: int, end: int) -> None:
        with path.open("rb") as data:
            data.seek(start)
            left = end - start
            while left > 0 and (chunk := data.read(min(CHUNK, left))):
                self.wfile.write(chunk)
                left -= len(chunk)

    def _end(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.files.requests.append((self.command, self.path, int(status)))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _tag(path: Path) -> str:
    status = path.stat()
    return f'"{hashlib.sha256(f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}".encode()).hexdigest()[:20]}"'
