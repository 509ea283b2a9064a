"""What the API may ask of a running project (ports.Operations); answers are plain data."""

from collections.abc import Mapping, Sequence
from typing import Any

from catchwater.runtimes.local import Runtime
from catchwater.runtimes.metrics import exposition
from catchwater.runtimes.status import status
from catchwater.runtimes.up import Loop


class LocalOperations:
    """Without a loop (`catchwater serve`) runs can be read, not started."""

    def __init__(self, runtime: Runtime, loop: Loop | None) -> None:
        self._runtime, self._loop = runtime, loop

    def start_run(self, idempotency_key: str | None) -> dict[str, Any]:
        if self._loop is None:
            raise PermissionError("this process only serves: start runs where `catchwater up` runs")
        number, run, new = self._runtime.records.begin("request", idempotency_key)
        if new:
            self._loop.asked.put((number, run))
        return self.run(number) or {}

    def runs(self, limit: int) -> list[dict[str, Any]]:
        return self._runtime.records.runs(limit)

    def run(self, number: int) -> dict[str, Any] | None:
        return self._runtime.records.run(number)

    def status(self) -> dict[str, Any]:
        runtime = self._runtime
        return status(runtime.plan, runtime.wiring, runtime.records)

    def publish(self, topic: str, messages: Sequence[bytes]) -> int:
        self._declared(topic, "topic")
        opened = self._runtime.wiring.open_topic(self._runtime.plan, "serve:api", topic)
        return opened.publish(messages)

    def webhook(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        self._declared(source, "github")
        taken: str = self._runtime.wiring.receiver(self._runtime.plan, source).accept(headers, body)
        return taken

    def _declared(self, name: str, kind: str) -> None:
        declared = self._runtime.wiring.loaded.project.sources.get(name)
        if declared is None or declared.kind != kind or getattr(declared, "origin", "webhook") != "webhook":
            raise KeyError(name)

    def metrics(self) -> str:
        return exposition(self.status(), self._runtime.records.totals())
