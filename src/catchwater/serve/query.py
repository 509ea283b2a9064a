"""One rows request as one SELECT, and the cursor that leads to its next page; nothing is run here.

A page is anchored at the warehouse's version. Tables with a key go on after the last row's sort values and key; those
without one are sorted by all their columns and go on at a position, which is exact for as long as the version stands.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from catchwater.ports import Extract
from catchwater.project.names import quote
from catchwater.project.tables import Column
from catchwater.serve.catalog import Exposed
from catchwater.serve.filters import Asked, Order
from catchwater.serve.problems import Refusal
from catchwater.serve.values import NESTED, kind

Render = Callable[[tuple[Column, ...]], str]


@dataclass(frozen=True)
class Page:
    """`extract` shows the rendered columns, then (for a page of a keyed table) each sort value as text."""

    extract: Extract
    offset: int | None


def sorting(table: Exposed, asked: Asked) -> tuple[Order, ...]:
    """What was asked for, then what makes it total: the key, or every column that has an order."""
    if asked.limit is None:
        return asked.order
    names = {order.column.name for order in asked.order}
    rest = [c for name in table.key if (c := table.column(name)) is not None]
    rest = rest or [c for c in table.columns if kind(c) not in (*NESTED, "union", "json")]
    return asked.order + tuple(Order(column) for column in rest if column.name not in names)


def page(table: Exposed, asked: Asked, render: Render, state: Sequence[Any] | int | None) -> Page:
    """`state` is what `opened` gave. One row more than the limit is read, to know whether a next page exists."""
    order = sorting(table, asked)
    where = [condition.sql for condition in asked.conditions]
    values: list[Any] = [value for condition in asked.conditions for value in condition.values]
    offset = None if table.key or asked.limit is None else (state if isinstance(state, int) else 0)
    if isinstance(state, Sequence):
        sql, more = _after(order, state)
        where.append(sql)
        values += more
    marks = [f"CAST({quote(o.column.name)} AS VARCHAR)" for o in order] if table.key and asked.limit else []
    columns = (*asked.columns, *(o.column for o in order if o.column not in asked.columns))
    sql = f"SELECT {', '.join(quote(c.name) for c in columns)} FROM {table.relation}"
    if where:
        sql += " WHERE " + " AND ".join(f"({one})" for one in where)
    shown = ", ".join([render(asked.columns), *marks])
    sort = "ORDER BY " + ", ".join(one.sql for one in order) if order else ""
    cut = "" if asked.limit is None else f"LIMIT {asked.limit + 1}" + (f" OFFSET {offset}" if offset else "")
    return Page(Extract(sql, tuple(values), columns, shown, table.name, sort, cut), offset)


def _after(order: Sequence[Order], last: Sequence[str | None]) -> tuple[str, list[str | None]]:
    """Rows that sort after `last`: greater in one column, equal in all before it."""
    ways: list[str] = []
    values: list[str | None] = []
    for number, one in enumerate(order):
        parts: list[str] = []
        bound: list[str | None] = []
        for before, value in zip(order[:number], last, strict=False):
            parts.append(f"{quote(before.column.name)} IS NOT DISTINCT FROM CAST(? AS {before.column.type})")
            bound.append(value)
        greater = _greater(one, last[number])
        if greater is None:
            continue
        ways.append(" AND ".join([*parts, greater]))
        values += bound if last[number] is None else [*bound, last[number]]
    return " OR ".join(f"({way})" for way in ways) or "FALSE", values


def _greater(order: Order, value: str | None) -> str | None:
    name = quote(order.column.name)
    if value is None:
        return f"{name} IS NOT NULL" if order.nulls_first else None
    found = f"{name} {'<' if order.descending else '>'} CAST(? AS {order.column.type})"
    return found if order.nulls_first else f"({name} IS NULL OR {found})"


def _shape(table: Exposed, asked: Asked, role: str | None) -> str:
    """A cursor goes on with the request that it came from and with no other."""
    order = [(o.column.name, o.column.type, o.descending, o.nulls_first) for o in sorting(table, asked)]
    conditions = [(c.sql, c.values) for c in asked.conditions]
    names = [column.name for column in asked.columns]
    said = orjson.dumps([table.name, role, table.condition, names, conditions, order])
    return hashlib.sha256(said).hexdigest()[:16]


def sealed(table: Exposed, asked: Asked, role: str | None, version: int, state: Sequence[Any] | int) -> str:
    body = orjson.dumps([version, _shape(table, asked, role), state])
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def opened(table: Exposed, asked: Asked, role: str | None, version: int) -> Sequence[Any] | int | None:
    """Where the page begins: sort values, a position, or None for the first page. Raises Refusal 400 for a cursor
    that isn't ours or belongs to another request, 410 for one of another version."""
    if asked.cursor is None:
        return None
    wrong = Refusal(400, "not a cursor of this request: follow the next link as it is", parameter="cursor")
    try:
        padded = asked.cursor + "=" * (-len(asked.cursor) % 4)
        then, shape, state = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise wrong from None
    if shape != _shape(table, asked, role) or not _is_state(table, asked, state):
        raise wrong
    if then != version:
        raise Refusal(
            410,
            f"version {then} of the data is gone, version {version} is here: begin again without cursor, or read "
            "the whole table in one answer with limit=all",
            parameter="cursor",
        )
    found: Sequence[Any] | int = state
    return found


def _is_state(table: Exposed, asked: Asked, state: Any) -> bool:
    if not table.key:
        return type(state) is int and 0 <= state < 2**62
    texts = isinstance(state, list) and all(value is None or isinstance(value, str) for value in state)
    return texts and len(state) == len(sorting(table, asked))
