"""What the API may ask of a running project (ports.Operations); answers are plain data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catchwater.plan.plan import Plan
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.metrics import exposition
from catchwater.runtimes.status import status
from catchwater.runtimes.up import Loop
from catchwater.wiring import Wiring


class Publishing:
    """What the API may publish: messages to declared topics, and signed deliveries."""

    def __init__(self, plan: Callable[[], Plan], wiring: Wiring) -> None:
        self._plan, self._wiring = plan, wiring

    def publish(self, topic: str, messages: Sequence[bytes]) -> int:
        """Raises KeyError for a topic that isn't declared."""
        self._declared(topic, "topic")
        opened = self._wiring.open_topic(self._plan(), "serve:api", topic)
        return opened.publish(messages)

    def webhook(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """Raises KeyError for a source that takes none, PermissionError for a bad signature."""
        self._declared(source, "github")
        taken: str = self._wiring.receiver(self._plan(), source).accept(headers, body)
        return taken

    def _declared(self, name: str, kind: str) -> None:
        declared = self._wiring.loaded.project.sources.get(name)
        if declared is None or declared.kind != kind or getattr(declared, "origin", "webhook") != "webhook":
            raise KeyError(name)


class LocalOperations(Publishing):
    """Without a loop (`catchwater serve`) runs can be read, not started."""

    def __init__(self, runtime: Runtime, loop: Loop | None) -> None:
        super().__init__(lambda: runtime.plan, runtime.wiring)
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

    def metrics(self) -> str:
        return exposition(self.status(), self._runtime.records.totals())
