"""Tables and their rows over HTTP: one reading of the warehouse per answer, so that no answer mixes two versions."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from catchwater.errors import WarehouseError
from catchwater.plan.plan import Plan
from catchwater.ports import Reading, Warehouse
from catchwater.serve import filters, query
from catchwater.serve.access import Caller
from catchwater.serve.catalog import Catalog, Exposed, catalogs
from catchwater.serve.filters import Asked
from catchwater.serve.formats import Format, wanted
from catchwater.serve.problems import Refusal
from catchwater.serve.work import Job, StreamResponse, Work

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 4096
_NOTHING = Refusal(503, "nothing is loaded yet: catchwater run", headers={"Retry-After": "5"})


@dataclass(frozen=True)
class Demand:
    """What one request asks of one table, by whom and in which form."""

    table: Exposed
    asked: Asked
    form: Format
    role: str | None


class Tables:
    """Handlers of /v1/tables. `authorize(request, scope)` gives the caller or refuses."""

    def __init__(
        self, plan: Plan, warehouse: Warehouse, work: Work, authorize: Callable[[Request, str], Caller]
    ) -> None:
        self.catalogs = catalogs(plan)
        self._warehouse, self._work, self._authorize = warehouse, work, authorize
        self._plan = plan.digest
        self._counts: dict[tuple[int, str | None], dict[str, int]] = {}

    def catalog(self, request: Request) -> tuple[Catalog, Caller]:
        caller = self._authorize(request, "read")
        return self.catalogs[caller.role], caller

    async def list(self, request: Request) -> Response:
        catalog, caller = self.catalog(request)
        answer = await self._work.page(request, lambda job: self.described(job, catalog, caller.role))
        version = answer["version"]
        return self._known(request, caller, version, "list") or self._said(answer, version, caller, "list")

    async def one(self, request: Request) -> Response:
        catalog, caller = self.catalog(request)
        table = _found(catalog, request.path_params["table"])
        answer = await self._work.page(request, lambda job: self.described(job, catalog, caller.role))
        version = answer["version"]
        described = next(one for one in answer["tables"] if one["name"] == table.name)
        known = self._known(request, caller, version, "table")
        return known or self._said(described, version, caller, "table")

    async def rows(self, request: Request) -> Response:
        catalog, caller = self.catalog(request)
        table = _found(catalog, request.path_params["table"])
        suffix = request.path_params.get("form")
        form = wanted(suffix, ",".join(request.headers.getlist("accept")))
        asked = filters.read(table, request.query_params.multi_items(), whole=suffix is not None)
        now = self._warehouse.version()
        if now is None:
            raise _NOTHING
        demand = Demand(table, asked, form, caller.role)
        if asked.cursor is None and (known := self._known(request, caller, now.number, form.name)):
            return known
        if asked.limit is None:
            return await self._whole(request, caller, demand)
        body, version, following = await self._work.page(request, lambda job: self._page(job, demand))
        headers = self._headers(version, caller, form.name)
        if following:
            headers["Link"] = f'<{_next(request, following)}>; rel="next"'
        return _sent(request, body, headers, form.media_type)

    def _page(self, job: Job, demand: Demand) -> tuple[bytes, int, str | None]:
        table, asked, form = demand.table, demand.asked, demand.form
        assert asked.limit is not None  # noqa: S101 (a page has one)
        with self._reading(job, demand) as reading:
            version = reading.version.number
            state = query.opened(table, asked, demand.role, version)
            made = query.page(table, asked, form.render, state)
            found: pa.Table = reading.select(made.extract).to_arrow_table()
        width = form.columns(asked.columns)
        shown = found.slice(0, asked.limit).select(range(width))
        body = b"".join(form.write(shown.schema, shown.to_batches()))
        if found.num_rows <= asked.limit:
            return body, version, None
        last = [found.column(n)[asked.limit - 1].as_py() for n in range(width, found.num_columns)]
        after = last if table.key else (made.offset or 0) + asked.limit
        return body, version, query.sealed(table, asked, demand.role, version, after)

    async def _whole(self, request: Request, caller: Caller, demand: Demand) -> Response:
        opened: list[int] = []

        def produce(job: Job, put: Callable[[bytes], None]) -> None:
            with self._reading(job, demand) as reading:
                opened.append(reading.version.number)
                made = query.page(demand.table, demand.asked, demand.form.render, None)
                reader = reading.select(made.extract).to_arrow_reader(BATCH)
                if request.method == "HEAD":
                    put(b"")
                    return
                for chunk in demand.form.write(reader.schema, reader):
                    put(chunk)

        stream = await self._work.stream(produce)
        headers = self._headers(opened[0], caller, demand.form.name)
        if request.method == "HEAD":
            await stream.end()
            answer = Response(None, 200, headers, demand.form.media_type)
            del answer.headers["content-length"]
            return answer
        return StreamResponse(stream, headers, demand.form.media_type, self._work.stall)

    @contextmanager
    def _reading(self, job: Job, demand: Demand) -> Iterator[Reading]:
        """One version of the warehouse, in which every value of the request was tried. Raises Refusal 400, 503."""
        import duckdb

        with self._warehouse.read() as reading, job.holding(reading.connection) as connection:
            _tried(connection, demand.asked)
            try:
                yield reading
            except (duckdb.CatalogException, duckdb.BinderException) as error:
                name = demand.table.name
                raise Refusal(
                    503, f"{name} isn't loaded as planned yet: catchwater run", headers={"Retry-After": "5"}
                ) from error

    def described(self, job: Job, catalog: Catalog, role: str | None) -> dict[str, Any]:
        """`{version, tables}`, with the rows that the role may see counted; version None while nothing is loaded."""
        version = self._warehouse.version()
        counts: dict[str, int] = {}
        if version is not None:
            try:
                with self._warehouse.read() as reading, job.holding(reading.connection):
                    version = reading.version
                    counts = self._counted(reading, catalog, role)
            except WarehouseError:
                version = None
        number = version.number if version else None
        return {
            "version": number,
            "tables": [_description(table, counts.get(table.name), number) for table in catalog.values()],
        }

    def _counted(self, reading: Reading, catalog: Catalog, role: str | None) -> dict[str, int]:
        """What was counted stays so for a version: where each count takes its time, the next request goes on."""
        at = (reading.version.number, role)
        if at not in self._counts and len(self._counts) > 32:
            self._counts.clear()
        counts = self._counts.setdefault(at, {})
        for name in [name for name in catalog if name not in counts]:
            n = _count(reading, catalog[name])
            if n is not None:
                counts[name] = n
        return counts

    def _etag(self, version: int | None, caller: Caller, form: str) -> str:
        said = f"{self._plan} {caller.role} {form}".encode()
        return f'W/"{version}-{hashlib.sha256(said).hexdigest()[:12]}"'

    def _headers(self, version: int | None, caller: Caller, form: str) -> dict[str, str]:
        return {
            "ETag": self._etag(version, caller, form),
            "Data-Version": str(version),
            "Cache-Control": "private, no-cache",
            "Vary": "Accept, Authorization, X-API-Key",
        }

    def _known(self, request: Request, caller: Caller, version: int | None, form: str) -> Response | None:
        """304 when the client has this version already."""
        tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if version is None or not {self._etag(version, caller, form).removeprefix("W/"), "*"} & set(tags):
            return None
        return Response(None, 304, self._headers(version, caller, form))

    def _said(self, answer: Any, version: int | None, caller: Caller, form: str) -> Response:
        headers = self._headers(version, caller, form) if version is not None else {"Cache-Control": "no-store"}
        return Response(orjson.dumps(answer), 200, headers, "application/json")


def _found(catalog: Catalog, name: str) -> Exposed:
    if name not in catalog:
        raise Refusal(404, f"no table {name} is exposed here; GET /v1/tables lists those that are")
    return catalog[name]


def _sent(request: Request, body: bytes, headers: dict[str, str], media_type: str) -> Response:
    answer = Response(body, 200, headers, media_type)
    if request.method == "HEAD":
        answer.body = b""
    return answer


def _next(request: Request, cursor: str) -> str:
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*pairs, ('cursor', cursor)])}"


def _tried(connection: Any, asked: Asked) -> None:
    """Cast every value on its own first: which one is wrong must not depend on the rows that are there."""
    typed = [(c, value) for c in asked.conditions for value in c.values if c.type != "VARCHAR"]
    if not typed:
        return
    casts = ", ".join(f"TRY_CAST(? AS {condition.type})" for condition, _ in typed)
    found = connection.execute(f"SELECT {casts}", [value for _, value in typed]).fetchone()
    for (condition, value), cast in zip(typed, found, strict=True):
        if cast is None:
            raise Refusal(400, f"{value[:60]} is no {condition.type}", parameter=condition.parameter)


def _count(reading: Reading, table: Exposed) -> int | None:
    """None for a table that isn't loaded yet."""
    import duckdb

    try:
        found = reading.connection.execute(f"SELECT count(*) FROM {table.relation}").fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return int(found[0]) if found else None


def _description(table: Exposed, rows: int | None, version: int | None) -> dict[str, Any]:
    columns: Sequence[dict[str, Any]] = [
        {"name": c.name, "type": c.type, "nullable": c.nullable, "description": c.description} for c in table.columns
    ]
    return {
        "name": table.name,
        "description": table.description,
        "key": list(table.key),
        "columns": columns,
        "rows": rows,
        "version": version,
        "href": f"/v1/tables/{_path(table.name)}/rows",
    }


def _path(name: str) -> str:
    from urllib.parse import quote as percent

    return percent(name, safe="")
