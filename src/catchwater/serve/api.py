"""The HTTP application: routes, who may call them, and what errors become; the work is in the other modules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from catchwater.errors import CatchwaterError
from catchwater.plan.plan import Plan
from catchwater.ports import Operations, Warehouse
from catchwater.serve import openapi, problems
from catchwater.serve.access import Access, Caller
from catchwater.serve.console.page import Console
from catchwater.serve.gate import Gate, is_loopback
from catchwater.serve.ops import Endpoints
from catchwater.serve.rows import Tables
from catchwater.serve.work import Work


def create_app(plan: Plan, warehouse: Warehouse, operations: Operations, access: Access, loopback: bool) -> Starlette:
    """`loopback`: the server listens on a loopback address alone. Raises ProjectError for a role that can't hold."""
    api = plan.serve.get("api")
    work = Work(int(api["concurrency"]) if isinstance(api, dict) else 8)

    def authorize(request: Request, scope: str) -> Caller:
        here = loopback and is_loopback(request.headers.get("host", ""))
        return access.caller(request.headers, scope, here)

    tables = Tables(plan, warehouse, work, authorize)
    endpoints = Endpoints(operations, warehouse, authorize)
    console = Console(plan, tables, operations, work, authorize)
    documents = {role: openapi.document(plan, catalog) for role, catalog in tables.catalogs.items()}

    async def described(request: Request) -> Response:
        document = documents[authorize(request, "read").role]
        return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        work.close()

    app = Starlette(
        routes=[*_reads(tables), *_operations(endpoints), *_pages(console), Route("/openapi.json", described)],
        middleware=[Middleware(Gate, loopback=loopback)],
        exception_handlers=_handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _reads(tables: Tables) -> list[Route]:
    return [
        Route("/v1/tables", tables.list),
        Route("/v1/tables/{table}", tables.one),
        Route("/v1/tables/{table}/rows", tables.rows),
        Route("/v1/tables/{table}/rows.{form}", tables.rows),
    ]


def _operations(endpoints: Endpoints) -> list[Route]:
    return [
        Route("/v1/runs", endpoints.all_runs, methods=["GET", "POST"]),
        Route("/v1/runs/{number}", endpoints.run),
        Route("/v1/topics/{topic}/messages", endpoints.publish, methods=["POST"]),
        Route("/v1/webhooks/{source}", endpoints.webhook, methods=["POST"]),
        Route("/healthz", endpoints.health),
        Route("/readyz", endpoints.ready),
        Route("/metrics", endpoints.metrics),
    ]


def _pages(console: Console) -> list[Route]:
    return [
        Route("/", console.page),
        Route("/console.json", console.data),
        Route("/console.css", console.style),
        Route("/icon.svg", console.icon),
    ]


def _handlers() -> dict[Any, Any]:
    async def left(request: Request, error: Exception) -> Response:
        return Response(None, 499)  # nobody reads it

    return {
        problems.Refusal: problems.refused,
        HTTPException: problems.from_http,
        CatchwaterError: problems.from_catchwater,
        ClientDisconnect: left,
        Exception: problems.unexpected,
    }
