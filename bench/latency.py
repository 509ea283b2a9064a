"""How old rows are when they can be queried: `catchwater up` under load for a minute, asked over HTTP like a user.

Messages: 1,000 a second, published as arrays of 100, each with its number; a reader asks for the highest number.
Totesys: its office at work, read every 10 seconds; a reader asks for the newest order. A row counts as queryable when
the answer that shows it has arrived, and as sent before its request (the transaction) began: both are upper bounds.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catchwater.runtimes.demo import Demo

OURS = str(Path(sys.executable).parent / "catchwater")
A_SECOND, AN_ARRAY = 1000, 100
READY = 60.0
LATE = 30.0


@dataclass
class Ages:
    """When each number was sent, and the age in seconds at which it was seen first."""

    sent: dict[int, float] = field(default_factory=dict)
    seen: list[float] = field(default_factory=list)
    _upto: int = 0

    def saw(self, newest: int, now: float) -> None:
        """Every number up to `newest` can be queried now."""
        for number in range(self._upto + 1, newest + 1):
            if number in self.sent:
                self.seen.append(now - self.sent[number])
        self._upto = max(self._upto, newest)

    @property
    def waiting(self) -> int:
        return max(self.sent, default=0) - self._upto

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seen)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Client:
    """One connection to the API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        self._connection.request("POST" if data else "GET", path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status in (404, 503) and data is None:  # nothing is loaded yet
            return None
        if answer.status >= 300:
            sys.exit(f"{path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def newest(self, table: str, column: str) -> int:
        rows = self.ask(f"/v1/tables/{table}/rows?select={column}&order={column}.desc&limit=1")
        return int(rows[0][column]) if rows else 0


@contextmanager
def up(folder: Path, variables: dict[str, str]) -> Iterator[int]:
    """`catchwater up` on a free port, until the block ends; the port."""
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as output:
        command = [OURS, "up", str(folder), "--port", "0"]
        child = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **variables})
    try:
        yield _port(child, log)
    finally:
        child.terminate()
        child.wait(60)


def _port(child: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and child.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text()):
            return int(found[1])
        time.sleep(0.1)
    sys.exit(f"catchwater up didn't start\n{log.read_text()[-3000:]}")


def watch(port: int, ages: Ages, table: str, column: str, work: Callable[[], None]) -> None:
    """Ask for the newest number while `work` goes on, and afterwards until all that was sent is seen."""
    client = Client(port)
    worker = threading.Thread(target=work)
    worker.start()
    deadline = None
    while worker.is_alive() or ages.waiting:
        newest = client.newest(table, column)
        ages.saw(newest, time.monotonic())
        if not worker.is_alive():
            deadline = deadline or time.monotonic() + LATE
            if time.monotonic() > deadline:
                sys.exit(f"{ages.waiting} rows can't be queried {LATE:.0f} s after the last was sent")
        time.sleep(0.05)
    worker.join()


def messages(scratch: Path, seconds: float) -> Ages:
    folder = scratch / "messages"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    (folder / "catchwater.yml").write_text(
        "project: bench\nsources: {readings: {kind: topic, schema: reading.json, key: [number]}}\n"
        "serve: {api: {tables: all}}\n"
    )
    properties = {"number": {"type": "integer"}, "sensor": {"type": "string"}, "value": {"type": "number"}}
    schema = {"type": "object", "required": ["number"], "properties": properties}
    (folder / "reading.json").write_text(json.dumps(schema))
    (folder / "models" / "readings.sql").write_text(
        "/*---\ndescription: As published.\nkey: [number]\n---*/\nSELECT number, sensor, value FROM readings\n"
    )
    ages = Ages()
    with up(folder, {}) as port:
        watch(port, ages, "readings", "number", lambda: _publish(Client(port), ages, seconds))
    return ages


def _publish(client: Client, ages: Ages, seconds: float) -> None:
    began, number = time.monotonic(), 0
    while (now := time.monotonic()) - began < seconds:
        numbers = range(number + 1, number + AN_ARRAY + 1)
        ages.sent.update(dict.fromkeys(numbers, now))
        body = [{"number": n, "sensor": f"sensor-{n % 40}", "value": n * 0.5} for n in numbers]
        client.ask("/v1/topics/readings/messages", body)
        number += AN_ARRAY
        time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))


def totesys(scratch: Path, seconds: float) -> Ages:
    folder = scratch / "totesys"
    shutil.rmtree(folder, ignore_errors=True)
    ages = Ages()
    with Demo("totesys", folder) as demo, up(folder, demo.inputs.variables) as port:
        work, newest = demo.inputs.more, _newest_order(demo.inputs.variables["TOTESYS_URL"])
        assert work
        watch(port, ages, "fact_sales_order_current", "sales_order_id", lambda: _office(work, newest, ages, seconds))
    return ages


def _newest_order(url: str) -> Callable[[], int]:
    connection = sys.modules["activity"].connect(url)  # the example's own, imported by its demo
    return lambda: int(connection.run("SELECT max(sales_order_id) FROM sales_order")[0][0])


def _office(work: Callable[[int], None], newest: Callable[[], int], ages: Ages, seconds: float) -> None:
    began, turn, known = time.monotonic(), 3, newest()
    while (now := time.monotonic()) - began < seconds:
        work(turn)
        turn += 1
        last = newest()
        ages.sent.update(dict.fromkeys(range(known + 1, last + 1), now))
        known = last
        time.sleep(max(0.0, now + 1 - time.monotonic()))


def main(scratch: Path, seconds: float = 60.0) -> dict[str, Ages]:
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "published → queryable, 1,000 a second": messages(scratch, seconds),
        "totesys → warehouse, every 10 s": totesys(scratch, seconds),
    }


if __name__ == "__main__":
    for name, ages in main(Path(sys.argv[1]), float(sys.argv[2])).items():
        print(f"{name}: {len(ages.seen)} rows, p50 {ages.quantile(0.5):.2f} s, p99 {ages.quantile(0.99):.2f} s")
