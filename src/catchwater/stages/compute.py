"""One model computed and committed: in full or from new rows, checked, and only its difference written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater import __version__
from catchwater.errors import ModelFailed
from catchwater.lake import quarantine
from catchwater.lake.difference import Counts, check_key, difference
from catchwater.lake.log import Log, stamp
from catchwater.lake.manifest import MAX_ROWS, Draft, File, Manifest, Quarantined, Ref, TableBatch
from catchwater.plan.plan import Model, Plan
from catchwater.ports import Ports
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column
from catchwater.stages.checks import BAD, NEW, Broken, Checked, check_exact
from catchwater.stages.inputs import Inputs, held_columns, latest, since_reset, source_table, upstream

if TYPE_CHECKING:
    import duckdb

HELD = "#held"
EVERYTHING = "#everything"
CHANGED = "#changed"
INTO = "#difference"
OUT = "#out"
NO_CHANGE = Counts()
_KEYLESS = (Column("_version", "VARCHAR"), Column("_occurrence", "INTEGER"))


@dataclass(frozen=True)
class Work:
    """What a model is to be computed from. `news` are the batches after those recorded, `whole` gives all of a
    log up to this wake's offset; `fresh`: the model itself is new or changed; `still`: no row it reads moved."""

    ports: Ports
    plan: Plan
    model: Model
    head: Manifest | None
    inputs: tuple[Ref, ...]
    news: dict[str, list[Manifest]]
    whole: Callable[[str], list[Manifest]]
    fresh: bool
    still: bool
    run: str

    @property
    def incremental(self) -> bool:
        return self.model.materialized == "incremental" and not self.fresh

    @property
    def reset(self) -> bool:
        """Whether the rows held are told apart by another key than the model has now."""
        held = self.head.tables.get(self.model.name) if self.head else None
        return held is not None and held.key != self.model.key


@dataclass(frozen=True)
class Computed:
    """What was committed: `counts` of the model's rows, `rows` written."""

    batches: tuple[Manifest, ...]
    counts: Counts = NO_CHANGE
    rows: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = ()
    news: dict[str, list[Manifest]] = field(default_factory=dict)


def compute(work: Work, log: Log, folder: Path) -> Computed:
    """Compute, check and commit one model. Raises ModelFailed, CheckFailed, LostRace and what the lake raises."""
    started = stamp(work.ports.clock.now())
    draft = Draft("process", __version__, work.run, started, inputs=work.inputs, position=_position(work))
    if work.still:
        return Computed((log.commit(_moved(work, draft), work.head),), news=work.news)
    con = work.ports.engine.connect()
    try:
        with _model_errors(work.model):
            return _compute(_Computing(work, con, log, folder, draft))
    finally:
        con.close()


def _position(work: Work) -> dict[str, object]:
    position: dict[str, object] = {
        "kind": "model", "digest": work.model.digest, "materialized": work.model.materialized,
    }  # fmt: skip
    held = work.head.position.get("quarantine") if work.head and not work.fresh else None
    return position | ({"quarantine": held} if held else {})


def _moved(work: Work, draft: Draft) -> Draft:
    """A batch without files: the inputs moved, the rows did not."""
    return replace(draft, tables={work.model.name: _table(work.model, _count_before(work))})


def _table(model: Model, count: int | None, files: tuple[File, ...] = ()) -> TableBatch:
    return TableBatch(held_columns(model), model.key, sum(file.rows for file in files), files, count)


def _count_before(work: Work) -> int:
    held = work.head.tables.get(work.model.name) if work.head else None
    return (held.count or 0) if held else 0


@contextmanager
def _model_errors(model: Model) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        message = str(error).strip().split("\n\n")[0]
        raise ModelFailed(
            message[:2000], where=f"{model.file} ({model.name})", next_step=f"correct the SELECT in {model.file}"
        ) from error
    except ModelFailed as error:
        if error.where.startswith("#"):
            raise ModelFailed(error.message, where=model.file, next_step=error.next_step) from error
        raise


@dataclass(frozen=True)
class _Computing:
    work: Work
    con: "duckdb.DuckDBPyConnection"
    log: Log
    folder: Path
    draft: Draft

    @property
    def model(self) -> Model:
        return self.work.model


def _compute(at: _Computing) -> Computed:
    work, model, con = at.work, at.model, at.con
    batches = _news_or_whole(work)
    inputs = Inputs(con, work.plan, work.ports.stores, batches)
    if model.macros:
        con.execute(model.macros)
    inputs.create(model)
    _check_exact(con, work)
    names = ", ".join(quote(column.name) for column in held_columns(model))
    con.execute(f"CREATE TEMP TABLE {quote(NEW)} AS SELECT {names} FROM (\n{model.sql}\n)")
    _create_held(at, inputs)
    checked = Checked(con, model, EVERYTHING, _targets(work, inputs))
    bad = checked.quarantine()
    if model.key:
        check_key(con, NEW, model.key)
    _refuse(checked, model)
    notes = tuple(f"{model.name}: check {found}" for found in checked.findings("warn"))
    columns = [column.name for column in held_columns(model)]
    counts = difference(con, NEW, HELD, columns, model.key, INTO)
    draft, new_bad = _quarantined(at, checked, bad)
    committed, rows = _commit(at, draft, counts)
    return Computed(committed, counts, rows, new_bad, notes, work.news)


def _news_or_whole(work: Work) -> Callable[[str], Sequence[Manifest]]:
    if not work.incremental:
        return work.whole
    driving = next(read.log for read in work.model.reads if read.alias == work.model.driving)
    return lambda log: work.news[log] if log == driving else work.whole(log)


def _check_exact(con: "duckdb.DuckDBPyConnection", work: Work) -> None:
    for read in work.model.reads:
        if upstream(work.plan, read) is None:
            check_exact(con, work.model, read, source_table(work.plan, read).names)


def _refuse(checked: Checked, model: Model) -> None:
    for found in checked.findings("fail"):
        raise Broken(model, found)


def _create_held(at: _Computing, inputs: Inputs) -> None:
    """`#held`: the committed rows that the new ones take the place of; `#everything`: all rows afterwards."""
    work, model, con = at.work, at.model, at.con
    columns = ", ".join(quote(column.name) for column in held_columns(model))
    needs_all = any(check.kind == "unique" for check in model.checks)
    if work.head is None or work.reset:
        _create_empty(con, model)
        con.execute(f"CREATE TEMP VIEW {quote(EVERYTHING)} AS FROM {quote(NEW)}")
        return
    if not work.incremental:
        _state(at, HELD)
        con.execute(f"CREATE TEMP VIEW {quote(EVERYTHING)} AS FROM {quote(NEW)}")
        return
    if model.history:
        _create_empty(con, model)
    else:
        _state(at, "#state")
        driving = next(read for read in model.reads if read.alias == model.driving)
        key = source_table(work.plan, driving).key
        fields = ", ".join(
            f"{quote(name)} AS {quote(output)}" for name, output in zip(key, model.driving_key, strict=True)
        )
        con.execute(
            f"CREATE TEMP TABLE {quote(CHANGED)} AS SELECT DISTINCT {fields} FROM {quote(f'#{model.driving}#versions')}"
        )
        using = ", ".join(map(quote, model.driving_key))
        con.execute(
            f"CREATE TEMP TABLE {quote(HELD)} AS SELECT {columns} FROM {quote('#state')} SEMI JOIN {quote(CHANGED)} "
            f"USING ({using})"
        )
    if not needs_all:
        con.execute(f"CREATE TEMP VIEW {quote(EVERYTHING)} AS FROM {quote(NEW)}")
        return
    if model.history:
        _state(at, "#state")
        kept = f"SELECT {columns} FROM {quote('#state')}"
    else:
        kept = f"SELECT {columns} FROM {quote('#state')} ANTI JOIN {quote(CHANGED)} USING ({using})"
    con.execute(f"CREATE TEMP VIEW {quote(EVERYTHING)} AS {kept} UNION ALL FROM {quote(NEW)}")


def _create_empty(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    extra = () if model.key else _KEYLESS
    body = ", ".join(f"{quote(column.name)} {column.type}" for column in (*held_columns(model), *extra))
    con.execute(f"CREATE TEMP TABLE {quote(HELD)} ({body})")


def _state(at: _Computing, view: str) -> None:
    from catchwater.lake.read import create_state

    model = at.model
    batches = since_reset(at.log.batches(None, at.work.head.seq if at.work.head else None))
    store = at.work.ports.stores["processed"]
    create_state(at.con, view, store, batches, model.name, held_columns(model), model.key)


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
            own = replace(inputs, batches=lambda _, log=log: log.batches(None))  # type: ignore[misc]
            found[name] = f"#target#{name}"
            own.model(target, found[name], history=False)
    return found


def _quarantined(at: _Computing, checked: Checked, bad: int) -> tuple[Draft, int]:
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
    return replace(at.draft, quarantine=Quarantined(stored.rows, stored.path), position=position), new


def _newly_bad(at: _Computing, held: str) -> int:
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


def _commit(at: _Computing, draft: Draft, counts: Counts) -> tuple[tuple[Manifest, ...], int]:
    """The difference as one batch, or as several of which only the last is complete when it has too many rows."""
    model, con = at.model, at.con
    if at.work.reset:
        draft = replace(draft, position=draft.position | {"reset": True})
    total = counts.upserts + counts.removed
    count = _count_after(at, counts)
    _create_out(con, model)
    committed: list[Manifest] = []
    starts = range(0, max(total, 1), MAX_ROWS)
    for part, start in enumerate(starts):
        last = part == len(starts) - 1
        file = _write(at, start, min(MAX_ROWS, total - start)) if total else None
        one = replace(
            draft,
            part=part if len(starts) > 1 else None,
            complete=last,
            tables={model.name: _table(model, count if last else None, (file,) if file else ())},
            quarantine=draft.quarantine if last else None,
        )
        committed.append(at.log.commit(one, committed[-1] if committed else at.work.head))
        draft = replace(draft, position={k: v for k, v in draft.position.items() if k != "reset"})
    return tuple(committed), total


def _count_after(at: _Computing, counts: Counts) -> int:
    if at.work.incremental:
        return _count_before(at.work) + counts.added - counts.removed
    row = at.con.execute(f"SELECT count(*) FROM {quote(NEW)}").fetchone()
    return int(row[0]) if row else 0


def _create_out(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    """`#out`: what is written, in an order that depends on the rows alone."""
    columns = ", ".join(quote(c.name) for c in (*held_columns(model), *(() if model.key else _KEYLESS)))
    order = ", ".join(quote(name) for name in (model.key or [column.name for column in _KEYLESS]))
    first = f"{quote(model.order)}, " if model.order else ""
    con.execute(
        f"CREATE TEMP VIEW {quote(OUT)} AS SELECT {columns}, false AS _removed FROM {quote(INTO + '_upserts')} "
        f"UNION ALL SELECT {columns}, true FROM {quote(INTO + '_removed')} ORDER BY _removed DESC, {first}{order}"
    )


def _write(at: _Computing, start: int, rows: int) -> File:
    path = at.folder / f"{at.model.name}-{start}.parquet"
    part = f"LIMIT {rows} OFFSET {start}" if start or rows == MAX_ROWS else ""
    at.con.execute(f"COPY (FROM {quote(OUT)} {part}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
    return at.log.stage(path, rows)
