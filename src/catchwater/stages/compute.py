"""One model computed and committed: in full or from new rows, checked, and only its difference written."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from catchwater import __version__
from catchwater.errors import ModelFailed
from catchwater.lake import quarantine
from catchwater.lake.checkpoint import roll
from catchwater.lake.difference import Counts, check_key, difference
from catchwater.lake.log import Log, stamp
from catchwater.lake.manifest import Draft
from catchwater.lake.room import suit_threads
from catchwater.plan.plan import Model
from catchwater.ports import Distributed, Engine
from catchwater.project.names import literal, quote
from catchwater.stages.checks import BAD, NEW, Broken, Checked, check_exact, refuse
from catchwater.stages.commit import commit
from catchwater.stages.elsewhere import elsewhere
from catchwater.stages.first import first_counts, is_first, keeps_keys, without_first, write_first, write_new
from catchwater.stages.held import begins_anew, create_held
from catchwater.stages.inputs import Inputs, held_columns, latest, source_table, upstream
from catchwater.stages.recompute import Narrowed, revised
from catchwater.stages.work import EVERYTHING, HELD, INTO, Computed, Computing, Work, count_before, table_batch

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")


def compute(work: Work, log: Log, folder: Path) -> Computed:
    """Compute, check and commit one model. Raises ModelFailed, CheckFailed, LostRace and what the lake raises."""
    started = stamp(work.ports.clock.now())
    draft = Draft("process", __version__, work.run, started, inputs=work.inputs, position=_position(work))
    if work.still:
        checkpoint, notes = roll(log, work.head, work.ports.engine)
        moved = replace(_moved(work, draft), checkpoint=checkpoint)
        return Computed((log.commit(moved, work.head),), notes=notes, news=work.news)
    work = replace(work, entire=_entire(work))
    anew = begins_anew(work, log)
    with _model_errors(work.model):
        return in_memory(work.ports.engine, lambda con: _compute(Computing(work, con, log, folder, draft, anew)))


def in_memory(engine: Engine, act: "Callable[[duckdb.DuckDBPyConnection], T]") -> T:
    """With little memory, what is more being spilled; once more with all there is, where something can't be spilled:
    so `act` may not commit before all is computed, and the second attempt finds what the first one found."""
    import duckdb

    try:
        with closing(engine.connect()) as con:
            return act(con)
    except duckdb.OutOfMemoryException:
        with closing(engine.connect(roomy=True)) as con:
            return act(con)


def _entire(work: Work) -> bool:
    """Whether nothing tells which rows an incremental model is to compute: a table that it reads was begun anew, or an
    engine of other machines can't be shown a part of them."""
    anew = any(batch.position.get("reset") for batches in work.news.values() for batch in batches)
    return anew or (isinstance(work.ports.engine, Distributed) and (bool(work.model.joins) or revised(work)))


def _position(work: Work) -> dict[str, object]:
    position: dict[str, object] = {
        "kind": "model", "digest": work.model.digest, "materialized": work.model.materialized,
    }  # fmt: skip
    held = work.head.position.get("quarantine") if work.head and not work.fresh else None
    return position | ({"quarantine": held} if held else {})


def _moved(work: Work, draft: Draft) -> Draft:
    """A batch without files: the inputs moved, the rows did not."""
    return replace(draft, tables={work.model.name: table_batch(work.model, count_before(work))})


@contextmanager
def _model_errors(model: Model) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        message = str(error).strip().split("\n\n")[0]
        where = f"{model.file} ({model.name})"
        raise ModelFailed(message[:2000], where=where, next_step=_next_step(model, error)) from error
    except ModelFailed as error:
        if error.where.startswith("#"):
            raise ModelFailed(error.message, where=model.file, next_step=error.next_step) from error
        raise


def _next_step(model: Model, error: Exception) -> str:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return "let fewer rows meet at once (filter before joins and windows), or run where there is more memory"
    return f"correct the SELECT in {model.file}"


def _compute(at: Computing) -> Computed:
    work, model, con = at.work, at.model, at.con
    inputs = _inputs(work, con)
    at = replace(elsewhere(at, inputs), again=isinstance(inputs, Narrowed) and inputs.again)
    if not at.rows:
        if model.macros:
            con.execute(model.macros)
        inputs.create(model)
    _check_exact(con, work)
    at = write_first(at, inputs) if is_first(at) else _table(at)
    create_held(at)
    checked = Checked(con, model, EVERYTHING, _targets(work, inputs))
    if at.first and checked.aside():
        at = _table(without_first(at))
    bad = checked.quarantine()
    if model.key and not keeps_keys(at):
        check_key(con, NEW, model.key)
    refuse([Broken(model, found) for found in checked.findings("fail")])
    notes = (*at.notes, *(f"{model.name}: check {found}" for found in checked.findings("warn")))
    counts = first_counts(at) if at.first else _difference(at)
    draft, new_bad = _quarantined(at, checked, bad)
    checkpoint, more = (None, ()) if at.anew else roll(at.log, work.head, work.ports.engine)
    notes += more
    committed, rows = commit(at, replace(draft, checkpoint=checkpoint), counts)
    return Computed(committed, counts, rows, new_bad, notes, work.news)


def _table(at: Computing) -> Computing:
    """`#new`, of the plan's types: those of a query have a collation too, by which two texts may be one. All rows of a
    model stand in a file, which takes no memory; a table is there for few, and where some may be left out."""
    leaves_out = at.model.history or any(check.severity == "quarantine" for check in at.model.checks)
    if not at.work.incremental and not leaves_out:
        write_new(at)
        return at
    columns = held_columns(at.model)
    names = ", ".join(quote(column.name) for column in columns)
    body = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
    at.con.execute(f"CREATE TEMP TABLE {quote(NEW)} ({body})")
    row = at.con.execute(f"INSERT INTO {quote(NEW)} SELECT {names} FROM (\n{at.sql}\n)").fetchone()
    suit_threads(at.con, int(row[0]) if row else 0)
    return at


def _difference(at: Computing) -> Counts:
    columns = [column.name for column in held_columns(at.model)]
    return difference(at.con, NEW, HELD, columns, at.model.key, INTO)


def _inputs(work: Work, con: "duckdb.DuckDBPyConnection") -> Inputs:
    """Of an incremental model the driving rows to compute alone; an engine of other machines takes the new batches of
    the one table that is read."""
    if work.incremental and not isinstance(work.ports.engine, Distributed):
        return Narrowed(con, work.plan, work.ports.stores, work.whole, work)
    batches = (lambda log: work.news[log]) if work.incremental else work.whole
    return Inputs(con, work.plan, work.ports.stores, batches)


def _check_exact(con: "duckdb.DuckDBPyConnection", work: Work) -> None:
    for read in work.model.reads:
        if upstream(work.plan, read) is None:
            check_exact(con, work.model, read, source_table(work.plan, read).names)


def _targets(work: Work, inputs: Inputs) -> dict[str, str]:
    """Relations over the rows of the models that this one references, as last committed; those without a batch
    and views are left out."""
    found: dict[str, str] = {}
    for name in sorted({check.table for check in work.model.checks if check.table}):
        target = work.plan.model(name)
        if name == work.model.name:
            if target.history:
                inputs.con.execute(f"CREATE TEMP VIEW {quote('#self')} AS {latest(target, NEW)}")
            found[name] = "#self" if target.history else EVERYTHING
        elif target.materialized != "view":
            log = Log(work.ports.stores["processed"], f"processed/{name}")
            if log.head() is None:
                continue
            own = replace(inputs, batches=lambda _, log=log: log.span())  # type: ignore[misc]
            found[name] = f"#target#{name}"
            own.model(target, found[name], history=False)
    return found


def _quarantined(at: Computing, checked: Checked, bad: int) -> tuple[Draft, int]:
    """The rows left out, stored; a full model counts only those that its last batches hadn't left out already."""
    held = at.draft.position.get("quarantine")
    if not bad:
        position = dict(at.draft.position)
        if not at.work.incremental:
            position.pop("quarantine", None)
        return replace(at.draft, position=position), 0
    new = bad if at.work.incremental or not held else _newly_bad(at, str(held))
    if not new:
        return at.draft, 0
    stored = quarantine.write(at.log, checked.bad_rows())
    assert stored is not None  # noqa: S101 (there is at least one row)
    position = at.draft.position if at.work.incremental else at.draft.position | {"quarantine": stored.path}
    return replace(at.draft, quarantine=stored, position=position), new


def _newly_bad(at: Computing, held: str) -> int:
    path = literal(str(at.work.ports.stores["processed"].fetch(held)))
    before = (
        f"SELECT DISTINCT \"where\", reason, text FROM read_json({path}, format = 'newline_delimited', columns = "
        "{'where': 'VARCHAR', 'reason': 'VARCHAR', 'text': 'VARCHAR'}, maximum_object_size = 1048576)"
    )
    row = at.con.execute(
        f'SELECT count(*) FROM {quote(BAD)} AS b ANTI JOIN ({before}) AS h ON b."where" = h."where" '
        f"AND b.reason = h.reason AND left(b.text, 60000) = left(h.text, 60000)"
    ).fetchone()
    return int(row[0]) if row else 0
