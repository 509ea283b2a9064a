"""The committed rows that new rows of a model are compared with; nothing is compared or written here."""

from typing import TYPE_CHECKING

from catchwater.lake.read import create_state
from catchwater.plan.plan import Model
from catchwater.project.names import quote
from catchwater.stages.checks import NEW
from catchwater.stages.inputs import held_columns, since_reset, source_table
from catchwater.stages.work import CHANGED, EVERYTHING, FORMER, HELD, INTO, KEYLESS, STATE, Computing

if TYPE_CHECKING:
    import duckdb


def create_held(at: Computing) -> None:
    """`#held`: the committed rows that the new ones take the place of; `#everything`: all rows afterwards."""
    model, con = at.model, at.con
    if at.work.head is None or at.work.reset:
        _create_empty(con, model)
    elif not at.work.incremental:
        _create_state(at, HELD)
    elif model.history:
        _create_empty(con, model)
    else:
        _create_changed(at)
    kept = _kept(at) if at.work.incremental and any(check.kind == "unique" for check in model.checks) else ""
    con.execute(f"CREATE TEMP VIEW {quote(EVERYTHING)} AS {kept}FROM {quote(NEW)}")


def forget(at: Computing) -> int:
    """After a changed key: adds to the removed rows those of the former batches whose key, as it is now, is gone, for
    a reader that has them still and doesn't begin anew. Returns how many."""
    model, con = at.model, at.con
    head = at.work.head
    if head is None or not at.work.reset or not model.key or not head.tables[model.name].key:
        return 0
    former = head.tables[model.name]
    columns = held_columns(model)
    known = {column.name.lower() for column in columns}
    lost = [c for c in former.schema if c.name in former.key and c.name.lower() not in known]
    batches = since_reset(at.log.batches(None, head.seq))
    store = at.work.ports.stores["processed"]
    create_state(con, FORMER, store, batches, model.name, [*columns, *lost], former.key)
    by = ", ".join(map(quote, model.key))
    same = " AND ".join(f"f.{quote(name)} IS NOT DISTINCT FROM n.{quote(name)}" for name in model.key)
    con.execute(
        f"INSERT INTO {quote(INTO + '_removed')} BY NAME SELECT DISTINCT ON ({by}) {_columns(model)} "
        f"FROM {quote(FORMER)} AS f ANTI JOIN {quote(NEW)} AS n ON {same} ORDER BY ALL"
    )
    row = con.execute(f"SELECT count(*) FROM {quote(INTO + '_removed')}").fetchone()
    return int(row[0]) if row else 0


def _kept(at: Computing) -> str:
    """The rows of an incremental model that this batch leaves as they are, then UNION ALL."""
    columns = _columns(at.model)
    if at.model.history:
        _create_state(at, STATE)
        return f"SELECT {columns} FROM {quote(STATE)} UNION ALL "
    using = ", ".join(map(quote, at.model.driving_key))
    return f"SELECT {columns} FROM {quote(STATE)} ANTI JOIN {quote(CHANGED)} USING ({using}) UNION ALL "


def _create_changed(at: Computing) -> None:
    """`#changed`: the driving keys with a new version; held are the rows that they made before."""
    model, con = at.model, at.con
    _create_state(at, STATE)
    driving = next(read for read in model.reads if read.alias == model.driving)
    key = source_table(at.work.plan, driving).key
    fields = ", ".join(f"{quote(name)} AS {quote(output)}" for name, output in zip(key, model.driving_key, strict=True))
    versions = quote(f"#{model.driving}#versions")
    con.execute(f"CREATE TEMP TABLE {quote(CHANGED)} AS SELECT DISTINCT {fields} FROM {versions}")
    using = ", ".join(map(quote, model.driving_key))
    con.execute(
        f"CREATE TEMP TABLE {quote(HELD)} AS SELECT {_columns(model)} FROM {quote(STATE)} "
        f"SEMI JOIN {quote(CHANGED)} USING ({using})"
    )


def _columns(model: Model) -> str:
    return ", ".join(quote(column.name) for column in held_columns(model))


def _create_empty(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    extra = () if model.key else KEYLESS
    body = ", ".join(f"{quote(column.name)} {column.type}" for column in (*held_columns(model), *extra))
    con.execute(f"CREATE TEMP TABLE {quote(HELD)} ({body})")


def _create_state(at: Computing, view: str) -> None:
    model = at.model
    batches = since_reset(at.log.batches(None, at.work.head.seq if at.work.head else None))
    store = at.work.ports.stores["processed"]
    create_state(at.con, view, store, batches, model.name, held_columns(model), model.key)
