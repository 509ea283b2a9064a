"""The committed rows that new rows of a model are compared with; nothing is compared or written here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater.lake.log import Log
from catchwater.lake.read import create_state
from catchwater.lake.room import keys_hashed
from catchwater.plan.plan import Model
from catchwater.project.names import quote
from catchwater.project.tables import Column
from catchwater.stages.checks import NEW
from catchwater.stages.inputs import held_columns, since_reset, source_table
from catchwater.stages.work import CHANGED, EVERYTHING, HELD, KEYLESS, STATE, Computing, Work, count_before

if TYPE_CHECKING:
    import duckdb

BEFORE = "#before"
TOLD = "#told"
DOUBT = "#doubt"
MANY = 50_000  # rows of a model, below which all of them are read as fast
_MOMENTS = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
_SMALL = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "DATE",
    "TIME",
}  # fmt: skip


def create_held(at: Computing) -> None:
    """`#held`: the committed rows that the new ones take the place of; `#everything`: all rows afterwards."""
    with keys_hashed(at.con):
        _create_held(at)


def _create_held(at: Computing) -> None:
    model, con = at.model, at.con
    if at.work.head is None or at.anew:
        _create_empty(con, model)
    elif not at.work.incremental:
        _create_state(at, HELD)
    elif model.history and not at.again:
        _create_empty(con, model)
    else:
        _create_changed(at)
    kept = _kept(at) if at.work.incremental and _asks_for_all(at) else ""
    con.execute(f"CREATE TEMP VIEW {quote(EVERYTHING)} AS {kept}FROM {quote(NEW)}")


def begins_anew(work: Work, log: Log) -> bool:
    """Whether the rows held can't be compared with those of the model as it is now: it has another key, or a column
    has another type than in some batch, or a column that was away is back; without key, any other columns; or that is
    what was asked for."""
    held = work.head.tables.get(work.model.name) if work.head else None
    if work.anew:
        return work.head is not None
    if work.head is None or held is None or not work.fresh:
        return False
    columns = held_columns(work.model)
    if held.key != work.model.key:
        return True
    if not work.model.key:
        return _types(held.schema) != _types(columns)
    before: dict[str, set[str]] = {}
    for batch in since_reset(log.batches(None, work.head.seq)):
        for name, kind in _types(batch.tables[work.model.name].schema):
            before.setdefault(name, set()).add(kind)
    away = before.keys() - {name for name, _ in _types(held.schema)}
    return any(name in away or before.get(name, {kind}) != {kind} for name, kind in _types(columns))


def _types(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(column.name.lower(), column.type) for column in columns]


def _asks_for_all(at: Computing) -> bool:
    """Whether a check is about more rows than the new ones: of versions made again, which of all is the latest."""
    return any(check.kind == "unique" for check in at.model.checks) or (at.again and at.model.history)


def _kept(at: Computing) -> str:
    """The rows of an incremental model that this batch leaves as they are, then UNION ALL."""
    using = ", ".join(map(quote, at.model.driving_key))
    all_new = at.model.history and not at.again
    _create_state(at, STATE, "" if all_new else f"ANTI JOIN {quote(CHANGED)} USING ({using})")
    return f"SELECT {_columns(at.model)} FROM {quote(STATE)} UNION ALL "


def _create_changed(at: Computing) -> None:
    """`#changed`: what identifies the driving rows that are computed; held are the rows that they made before."""
    model, con = at.model, at.con
    driving = next(read for read in model.reads if read.alias == model.driving)
    key = source_table(at.work.plan, driving).key
    if model.history:
        key = ("_id",) if len(model.driving_key) == 1 else (*key, "_seq")
    fields = ", ".join(f"{quote(name)} AS {quote(output)}" for name, output in zip(key, model.driving_key, strict=True))
    versions = quote(f"#{model.driving}#versions")
    con.execute(f"CREATE TEMP TABLE {quote(CHANGED)} AS SELECT DISTINCT {fields} FROM {versions}")
    _create_state(at, BEFORE, f"SEMI JOIN {quote(CHANGED)} USING ({_names(model.driving_key)})")
    telling = telling_columns(model) if count_before(at.work) >= MANY else ()
    if telling:
        _create_told(at, telling)
    else:
        con.execute(f"CREATE TEMP TABLE {quote(HELD)} AS SELECT {_columns(model)} FROM {quote(BEFORE)}")


def telling_columns(model: Model) -> tuple[str, ...]:
    """The columns that are read first, to find the rows that surely differ: those of time, which most updates move,
    else those of a few bytes. None where that would be most of a row, and where rows have no key or may be left out."""
    key = {name.lower() for name in model.key}
    others = [column for column in held_columns(model) if column.name.lower() not in key]
    moments = [column.name for column in others if column.type in _MOMENTS]
    telling = moments or [column.name for column in others if column.type in _SMALL]
    leaves_out = any(check.severity == "quarantine" for check in model.checks)  # a new row may yet be taken away
    return tuple(telling) if key and not leaves_out and 2 * len(telling) < len(others) else ()


def _create_told(at: Computing, telling: Sequence[str]) -> None:
    """`#held` with no more read of the files than tells the difference: rows that differ from the new ones in a telling
    column have NULL in the others, since that they changed is all that is asked of them; only the rest is read whole.
    """
    model, con = at.model, at.con
    key, match = _names(model.key), " AND ".join(f"n.{quote(name)} = h.{quote(name)}" for name in model.key)
    same = " AND ".join(f"n.{quote(name)} IS NOT DISTINCT FROM h.{quote(name)}" for name in telling)
    con.execute(f"CREATE TEMP TABLE {quote(TOLD)} AS SELECT {key}, {_names(telling)} FROM {quote(BEFORE)}")
    con.execute(
        f"CREATE TEMP TABLE {quote(DOUBT)} AS SELECT {_names(model.key, 'h.')} FROM {quote(TOLD)} AS h "
        f"LEFT JOIN {quote(NEW)} AS n ON {match} WHERE n.{quote(model.key[0])} IS NULL OR ({same})"
    )
    known = {name.lower() for name in (*model.key, *telling)}
    items = ", ".join(
        quote(column.name) if column.name.lower() in known else f"CAST(NULL AS {column.type}) AS {quote(column.name)}"
        for column in held_columns(model)
    )
    con.execute(
        f"CREATE TEMP TABLE {quote(HELD)} AS SELECT {items} FROM {quote(TOLD)} ANTI JOIN {quote(DOUBT)} USING ({key})"
    )
    if con.execute(f"FROM {quote(DOUBT)} LIMIT 1").fetchone():
        _create_state(at, BEFORE, f"SEMI JOIN {quote(DOUBT)} USING ({key})")
        con.execute(f"INSERT INTO {quote(HELD)} SELECT {_columns(model)} FROM {quote(BEFORE)}")


def _names(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + quote(name) for name in columns)


def _columns(model: Model) -> str:
    return ", ".join(quote(column.name) for column in held_columns(model))


def _create_empty(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    extra = () if model.key else KEYLESS
    body = ", ".join(f"{quote(column.name)} {column.type}" for column in (*held_columns(model), *extra))
    con.execute(f"CREATE TEMP TABLE {quote(HELD)} ({body})")


def _create_state(at: Computing, view: str, among: str = "") -> None:
    model = at.model
    batches = since_reset(at.log.span(at.work.head.seq if at.work.head else None))
    store = at.work.ports.stores["processed"]
    create_state(at.con, view, store, batches, model.name, held_columns(model), model.key, among)
