"""The rule of what may be computed from new rows alone; every other model is computed in full."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.project.functions import functions
from catchwater.project.joins import Side, exact, joins, renamed
from catchwater.project.models import ModelFile
from catchwater.project.resolve import Resolved
from catchwater.project.shape import aggregates, driving_table, joins_of, own_nodes

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True)
class Obstacle:
    """Why a model can't be incremental, and where the reason stands: an offset in its SELECT, or a spot in its head."""

    reason: str
    offset: int
    spot: tuple[int, int] | None = None


@dataclass(frozen=True)
class Candidate:
    """A model to judge: `direct` leads a column of the driving table to its output column, `macros` are names, `sides`
    the tables of its outermost SELECT."""

    model: ModelFile
    resolved: Resolved
    key: Sequence[str]
    direct: dict[str, str]
    macros: frozenset[str]
    sides: Sequence[Side]


def obstacle(candidate: Candidate) -> Obstacle | None:
    """The first reason for which the model must be computed in full; None when new rows, and those that join a
    changed key, will do."""
    for rule in (_query, _source, _clauses, _calls, _validity, _joins, _beside, _key, _checks):
        found = next(rule(candidate), None)
        if found:
            return found
    return None


def offset(node: "exp.Expr", otherwise: int) -> int:
    """Where a node of the tree begins, as far as the tree knows."""
    spots = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return min(spots) if spots else otherwise


def _start(candidate: Candidate) -> int:
    return int(candidate.model.tokens[0].start)


def _query(candidate: Candidate) -> Iterator[Obstacle]:
    from sqlglot import exp

    query, start = candidate.model.query, _start(candidate)
    if isinstance(query, exp.SetOperation):
        yield Obstacle("a set operation", start)
    if not isinstance(query, exp.Select):
        yield Obstacle("it isn't one plain SELECT", start)
    inner = next((node for node in query.walk() if node is not query and isinstance(node, exp.Query)), None)
    if inner is not None:
        yield Obstacle("a query inside the query", offset(inner, start))


def _source(candidate: Candidate) -> Iterator[Obstacle]:
    query, start = candidate.model.query, _start(candidate)
    table = driving_table(query)
    if table is None:
        yield Obstacle("it reads no table", start)
    elif candidate.resolved.input(candidate.resolved.driving).meaning.model:
        yield Obstacle("it reads a model, not a source", offset(table, start))
    elif renamed(table):
        yield Obstacle("it renames the columns of the table that it walks over", offset(table, start))


def _clauses(candidate: Candidate) -> Iterator[Obstacle]:
    from sqlglot import exp

    query, start = candidate.model.query, _start(candidate)
    for part, said in (
        ("distinct", "DISTINCT"), ("group", "GROUP BY"), ("having", "HAVING"), ("qualify", "QUALIFY"),
        ("limit", "LIMIT"), ("offset", "OFFSET"), ("sample", "a sample"), ("laterals", "LATERAL"),
    ):  # fmt: skip
        node = query.args.get(part)
        if node:
            yield Obstacle(said, _clause(candidate, said))
    kinds: tuple[tuple[type[exp.Expr], str], ...] = (
        (exp.Window, "a window"), (exp.TableSample, "a sample"), (exp.Pivot, "PIVOT or UNPIVOT"),
        (exp.Unnest, "UNNEST"), (exp.Explode, "UNNEST"), (exp.Lateral, "LATERAL"),
    )  # fmt: skip
    for kind, said in kinds:
        node = query.find(kind)
        if node:
            yield Obstacle(said, offset(node, start))
    for node in aggregates(query):
        yield Obstacle(f"an aggregate ({node.sql_name().lower() if isinstance(node, exp.AggFunc) else node.name})",
                       offset(node, start))  # fmt: skip


def _clause(candidate: Candidate, said: str) -> int:
    """Where a clause of the outermost SELECT begins."""
    depth = 0
    for token in candidate.model.tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if not depth and token.text.upper().startswith(said.removeprefix("a ").upper().split()[0]):
            return int(token.start)
    return _start(candidate)


def _calls(candidate: Candidate) -> Iterator[Obstacle]:
    known = functions()
    tokens = candidate.model.tokens
    for token, after in zip(tokens, [*tokens[1:], None], strict=False):
        name, called = token.text.lower(), after is not None and after.text == "("
        if name in known.varying and (called or name.startswith(("current_", "local"))):
            yield Obstacle(f"{name}, which gives another value each time", int(token.start))
        elif called and name in candidate.macros:
            yield Obstacle(f"the macro {name}", int(token.start))
        elif called and name in known.aggregates:
            yield Obstacle(f"an aggregate ({name})", int(token.start))
        elif called and name in known.known and name not in known.plain:
            yield Obstacle(f"the function {name}", int(token.start))


def _validity(candidate: Candidate) -> Iterator[Obstacle]:
    for one in candidate.resolved.inputs:
        for name in ("_valid_to", "_is_current"):
            if name in one.system:
                token = next(token for token in candidate.model.tokens if token.text.lower() == name)
                yield Obstacle(f"{name}, which the next version changes", int(token.start))


def _joins(candidate: Candidate) -> Iterator[Obstacle]:
    _, refused = joins(candidate.model.query, candidate.sides)
    if refused:
        yield Obstacle(refused.reason, offset(refused.node, _start(candidate)))


def _beside(candidate: Candidate) -> Iterator[Obstacle]:
    """Whatever way of reading a table isn't known here is no way of joining one."""
    from sqlglot import exp

    query = candidate.model.query
    if sum(isinstance(node, exp.Table) for node in own_nodes(query)) != 1 + len(joins_of(query)):
        yield Obstacle("a table beside those that it joins", _start(candidate))


def _key(candidate: Candidate) -> Iterator[Obstacle]:
    start = _start(candidate)
    held = {name.lower() for name in candidate.key}
    driving = candidate.sides[0]
    key = driving.key
    has: Callable[[str], bool] = lambda name: candidate.direct.get(name.lower(), "").lower() in held  # noqa: E731
    wrong = next((column for column in driving.columns if column.name in key and not exact(column.type)), None)
    if candidate.resolved.history:
        if not (has("_id") or (key and has("_seq") and all(has(name) for name in key))):
            yield Obstacle("its key doesn't hold the driving key and _seq, or _id", start)
    elif not key:
        yield Obstacle("the source's table has no key", start)
    elif not all(has(name) for name in key):
        yield Obstacle("its key doesn't hold the key of the table that it walks over", start)
    if wrong:
        yield Obstacle(f"{wrong.name}, a key of type {wrong.type}", start)


def _checks(candidate: Candidate) -> Iterator[Obstacle]:
    """A row set aside because of other rows would have to come back when these change."""
    model = candidate.model
    varying = functions().varying
    for check in model.head.checks:
        if check.severity != "quarantine":
            continue
        words = set(re.findall(r"[a-z_]\w*(?=\s*\()|\b(?:current|local)\w+", check.condition.lower()))
        if check.kind in ("unique", "references"):
            yield Obstacle(f"a check ({check.kind}) that sets rows aside because of others", 0, check.spot)
        elif words & varying:
            yield Obstacle("a check that sets rows aside and gives another answer each time", 0, check.spot)
