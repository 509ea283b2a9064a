"""The console's handlers: what the runtime and the warehouse say, as one page and as JSON; no script, no write."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from catchwater.plan.plan import Plan
from catchwater.ports import Operations
from catchwater.serve.access import Caller
from catchwater.serve.console import lineage
from catchwater.serve.problems import Refusal
from catchwater.serve.rows import Tables
from catchwater.serve.work import Job, Work

if TYPE_CHECKING:
    import jinja2

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
RUNS = 12
NONE = "\u2013"


class Console:
    """Whoever may read every table may see the console; a key with a role may not."""

    def __init__(
        self,
        plan: Plan,
        tables: Tables,
        operations: Operations,
        work: Work,
        authorize: Callable[[Request, str], Caller],
    ) -> None:
        self._plan, self._tables, self._operations = plan, tables, operations
        self._work, self._authorize = work, authorize
        served = [*(["API"] if plan.serve.get("api") else []), *(["Looker"] if plan.serve.get("looker") else [])]
        self._nodes, self._edges = lineage.graph(plan, [*served, "console"])
        self._drawing = lineage.draw(self._nodes, self._edges)

    async def page(self, request: Request) -> Response:
        found = await self._gathered(request)
        text = _template().render(found, drawing=self._drawing, size=lineage, plan=self._plan)
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return Response(text, 200, headers, "text/html")

    async def data(self, request: Request) -> Response:
        found = await self._gathered(request)
        body = {**found, "lineage": lineage.as_data(self._nodes, self._edges)}
        return Response(orjson.dumps(body, default=str), 200, {"Cache-Control": "no-store"}, "application/json")

    async def style(self, request: Request) -> Response:
        return _file("console.css", "text/css")

    async def icon(self, request: Request) -> Response:
        return _file("icon.svg", "image/svg+xml")

    async def _gathered(self, request: Request) -> dict[str, Any]:
        caller = self._authorize(request, "read")
        if caller.role is not None:
            raise Refusal(403, f"the console shows every table; the role {caller.role} sees some")
        status = await run_in_threadpool(self._operations.status)
        runs = await run_in_threadpool(self._operations.runs, RUNS)
        described = await self._work.page(request, self._described)
        return {"status": status, "runs": runs, "tables": described["tables"]}

    def _described(self, job: Job) -> dict[str, Any]:
        return self._tables.described(job, self._tables.catalogs[None], None)


def _file(name: str, media_type: str) -> Response:
    data = files("catchwater.serve.console").joinpath(name).read_bytes()
    return Response(data, 200, {"Cache-Control": "max-age=300"}, media_type)


def duration(seconds: Any) -> str:
    """`41 s`, `12 m`, `3 h`, `2 d`; `0.4 s` below ten seconds."""
    if not isinstance(seconds, int | float):
        return NONE
    for size, unit in ((172800, "d"), (7200, "h"), (120, "m")):
        if seconds >= size:
            return f"{seconds / {'d': 86400, 'h': 3600, 'm': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def ago(then: Any, now: Any) -> str:
    """How long before `now` (both RFC 3339) it was; `in 3 m` for what is to come."""
    if not isinstance(then, str) or not isinstance(now, str):
        return NONE
    try:
        seconds = (_time(now) - _time(then)).total_seconds()
    except (TypeError, ValueError):
        return NONE
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def number(value: Any) -> str:
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else NONE


@cache
def _template() -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"duration": duration, "ago": ago, "number": number}
    return environment.from_string(files("catchwater.serve.console").joinpath("page.html").read_text())
