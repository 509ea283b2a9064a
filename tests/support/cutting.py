"""A line to a server that takes one request at a time, and is cut where a test says: before the request or its answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

Cut = Callable[[bytes], str]  # the request so far → "" (leave it), "before" or "after"


class Line:
    """`endpoint` leads to the server behind; `cut` decides for each request as it stands when it is complete."""

    def __init__(self, endpoint: str) -> None:
        place = urlsplit(endpoint)
        self._server = (str(place.hostname), int(place.port or 80))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.cut: Cut = lambda request: ""
        self.lost: list[str] = []
        self._turn = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._server) as server:
            while request := _message(client):
                where = self.cut(request)
                if where:
                    self.lost.append(where)
                if where == "before":
                    return
                with self._turn:
                    server.sendall(request)
                    answer = _message(server, bodiless=request.startswith(b"HEAD "))
                if where == "after" or not answer:
                    return
                client.sendall(answer)


def _message(line: socket.socket, *, bodiless: bool = False) -> bytes:
    """One HTTP message with a length or in chunks (`bodiless`: whatever its length says); b'' at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(65536)
        if not more:
            return b""
        data += more
    head, _, _ = data.partition(b"\r\n\r\n")
    fields = {n.strip().lower(): v.strip() for n, _, v in (one.partition(b":") for one in head.split(b"\r\n")[1:])}
    if bodiless:
        return data
    start = len(head) + 4
    chunked = fields.get(b"transfer-encoding") == b"chunked"
    length = int(fields.get(b"content-length", b"0"))
    while not (data.endswith(b"0\r\n\r\n") if chunked else len(data) >= start + length):
        more = line.recv(65536)
        if not more:
            return b""
        data += more
    return data


@contextmanager
def line(endpoint: str) -> Iterator[Line]:
    made = Line(endpoint)
    try:
        yield made
    finally:
        made.close()
