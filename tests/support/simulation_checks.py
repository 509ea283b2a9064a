"""What must hold of a simulated world: each check computes the rows anew, in Python, from what was committed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Any

import duckdb

from catchwater.lake import quarantine
from catchwater.lake.checkpoint import verify_checkpoint
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import create_current, create_history, create_state, verify
from catchwater.plan.plan import Model
from catchwater.project.names import quote
from catchwater.stages.inputs import held_columns, since_reset
from tests.support.simulation import Calm, Process, Wrong
from tests.support.simulation_database import REFUSED, TABLES, Row
from tests.support.simulation_ports import BucketStore
from tests.support.simulation_world import World

Rows = Counter[tuple[Any, ...]]
Offsets = dict[str, int]  # source → number of the batch up to which it was read


@dataclass
class Table:
    """Every version in the order of the log, and the newest per key."""

    versions: dict[int, Row] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)

    def take(self, seq: int, rows: Sequence[Row]) -> None:
        for place, row in enumerate(rows):
            number = (seq << 24) | place
            if row.rev is None:
                self.versions[number] = row
                self.newest[row.key] = number
            else:
                self.versions[row.rev] = replace(self.versions[row.rev], values=row.values)

    def current(self) -> dict[int, tuple[Any, ...]]:
        found = ((key, self.versions[number]) for key, number in self.newest.items())
        return {key: row.values for key, row in found if row.op == "upsert"}


class Truth:
    """The logs of a world as they must be read."""

    def __init__(self, world: World) -> None:
        self.world = world
        process = Process("the check", Calm())
        self.stores = {zone: BucketStore(bucket, process) for zone, bucket in world.zones.items()}
        self.at = cache(self._at)
        self.batches = cache(self._batches)

    def log(self, name: str) -> Log:
        return Log(self.stores[name.partition("/")[0]], name)

    def _batches(self, name: str) -> list[Manifest]:
        return list(self.log(name).batches(None))

    def _at(self, upto: int) -> dict[str, Table]:
        """The shop's tables after batch `upto`."""
        tables = {name: Table() for name in TABLES}
        for manifest in self.batches("ingestion/shop")[:upto]:
            taken = self.world.database.takes[manifest.position["take"]]
            for name, rows in taken.items():
                tables[name].take(manifest.seq, rows)
        return tables

    def events(self, upto: int) -> dict[str, int]:
        names = [n for m in self.batches("ingestion/events")[:upto] for n in m.position["ids"]]
        published = self.world.queue.published
        return {name: published[name] for name in names if name in published}

    def expected(self, model: str, offsets: Offsets) -> Rows:
        """The rows of a model, whose sources were read up to these batches."""
        tables = self.at(offsets["shop"]) if "shop" in offsets else {}
        if model == "taken":
            return Counter(self.events(offsets["events"]).items())
        if model in ("versions", "versions_current"):
            return _versions(tables["orders"], latest=model.endswith("_current"))
        items, orders = tables["items"].current(), tables["orders"].current()
        facts = [(key, n, items[item][0] if item in items else None) for key, (item, n) in orders.items()]
        if model == "stock":
            return Counter((key, name, qty * 2) for key, (name, qty) in items.items())
        if model == "facts":
            return Counter(facts)
        if model == "mixed":
            events = self.events(offsets["events"])
            return Counter((key, n, events.get(f"e{key}")) for key, (_, n) in orders.items())
        totals: Counter[str] = Counter()
        for _, n, name in facts:
            totals[name or ""] += n
        return Counter(dict.fromkeys(totals.items(), 1))

    def has(self, log: str, marker: tuple[int, str]) -> bool:
        """Whether a batch of this number and hash is in a log."""
        return any((batch.seq, batch.hash) == tuple(marker) for batch in self.batches(log))

    def offsets(self, model: str, seq: int) -> Offsets:
        """The sources' batches that a model's batch was made from."""
        manifest = self.batches(f"processed/{model}")[seq - 1]
        found: Offsets = {}
        for ref in manifest.inputs:
            if ref.log.startswith("ingestion/"):
                found[ref.log.partition("/")[2]] = ref.seq
        return found


def _versions(table: Table, *, latest: bool) -> Rows:
    numbers = table.newest.values() if latest else table.versions.keys()
    rows = ((number, table.versions[number]) for number in numbers)
    return Counter((number, row.key, row.values[1], row.op) for number, row in rows if not latest or row.op == "upsert")


def held(con: Any, model: str) -> Rows:
    """A table of the warehouse, with `_op` where it has one."""
    extra = {"versions": ["vid", "id", "n", "_op"], "versions_current": ["vid", "id", "n", "_op"]}
    columns = ", ".join(map(quote, extra[model])) if model in extra else "*"
    return Counter(con.execute(f"SELECT {columns} FROM {quote(model)}").fetchall())


def tables_of(world: World) -> list[str]:
    names = [model.name for model in world.plan.models]
    return [*names, *(f"{model.name}_current" for model in world.plan.models if model.history)]


def look(world: World, con: Any, markers: Mapping[str, tuple[int, str]]) -> None:
    """A warehouse file, published or not: its rows are those of its markers."""
    truth = Truth(world)
    for name in tables_of(world):
        model = name.removesuffix("_current")
        marker = markers.get(f"processed/{model}")
        if marker and not truth.has(f"processed/{model}", marker):
            continue  # the log was put back since
        if marker:
            wanted = truth.expected(name, truth.offsets(model, marker[0]))
            _same(f"{name} at marker {marker[0]}", held(con, name), wanted)
        elif con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [name]).fetchone():
            _same(f"{name} without a marker", held(con, name), Counter())


def read(world: World, running: Any, before: dict[str, int]) -> None:
    """What a reader sees is one cut of the sources, and never an older one."""
    if running.warehouse.real.version() is None:
        return
    truth = Truth(world)
    with running.warehouse.real.read() as reading:
        cut = reading.version.cut
        for log, (seq, _) in cut.items():
            if seq < before.get(log, 0):
                raise Wrong(f"readers of {log} went back from {before[log]} to {seq}")
            before[log] = seq
        for group in dict.fromkeys(model.group for model in world.plan.models):
            models = [model for model in world.plan.models if model.group == group]
            loaded = [model for model in models if f"processed/{model.name}" in cut]
            if loaded and len(loaded) < len(models):
                raise Wrong(f"readers have {[m.name for m in loaded]} of {[m.name for m in models]}")
            _one_cut(truth, loaded, reading)
    running.warehouse.real.close()


def _one_cut(truth: Truth, models: Sequence[Model], reading: Any) -> None:
    names = [name for model in models for name in [model.name, *([f"{model.name}_current"] if model.history else [])]]
    seen = {name: held(reading.connection, name) for name in names}
    spans = {}
    for source in truth.world.plan.sources:
        batches = truth.batches(f"ingestion/{source.name}")
        spans[source.name] = [0, *(manifest.seq for manifest in batches if manifest.complete)]
    for chosen in product(*spans.values()):
        offsets = dict(zip(spans, chosen, strict=True))
        if all(seen[name] == truth.expected(name, offsets) for name in seen):
            return
    cut = reading.version.cut
    if models:
        at = {model.name: truth.offsets(model.name, cut[f"processed/{model.name}"][0]) for model in models}
        raise Wrong(f"a reader saw what never was together: {at}")


def whole(world: World, running: Any) -> None:
    """Everything, once nothing is left to do."""
    truth = Truth(world)
    _logs(truth)
    _source(truth)
    if world.name == "events":
        _queue(truth)
    ends = {source.name: _end(truth, source.name) for source in world.plan.sources}
    for model in world.plan.models:
        _model(truth, model, ends)
    with running.warehouse.real.read() as reading:
        for name in tables_of(world):
            _same(f"warehouse {name}", held(reading.connection, name), truth.expected(name, ends))
    running.warehouse.real.close()


def _end(truth: Truth, source: str) -> int:
    return max((m.seq for m in truth.batches(f"ingestion/{source}") if m.complete), default=0)


def _logs(truth: Truth) -> None:
    """Chains are whole, files too, and models never go back in what they have read."""
    names = [f"ingestion/{source.name}" for source in truth.world.plan.sources]
    for name in [*names, *(f"processed/{model.name}" for model in truth.world.plan.models)]:
        last: Offsets = {}
        for manifest in truth.batches(name):
            if problems := verify(truth.stores[name.partition("/")[0]], manifest):
                raise Wrong(str(problems[0]))
            now = {ref.log: ref.seq for ref in manifest.inputs}
            if any(now[log] < seq for log, seq in last.items() if log in now):
                raise Wrong(f"{manifest.ref} has read less than the batch before it")
            last = now
        log = truth.log(name)
        if problems := verify_checkpoint(log.store, log, duckdb.connect):
            raise Wrong(str(problems[0]))


def _source(truth: Truth) -> None:
    """The rows held are the database's; each version stands once; a refused row was refused once."""
    database = truth.world.database
    batches = truth.batches("ingestion/shop")
    end = batches[_end(truth, "shop") - 1]
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for name, schema in TABLES.items():
            if name not in end.tables:
                continue
            create_history(con, "h", truth.stores["ingestion"], batches, name)
            create_current(con, "c", "h", schema.key)
            columns = ", ".join(map(quote, schema.names))
            rows = {key: tuple(rest) for key, *rest in con.execute(f"SELECT {columns} FROM c").fetchall()}
            _same(f"current {name}", Counter(rows.items()), Counter(database.truth(end.position["lsn"], name).items()))
            found = con.execute(f"SELECT _id, _op, _version::INTEGER, {columns} FROM h").fetchall()
            seen = Counter((number, op, version, *values) for number, op, version, *values in found)
            versions = truth.at(len(batches))[name].versions.items()
            _same(f"history {name}", seen, Counter((i, r.op, r.version, r.key, *r.values) for i, r in versions))
            twice = [one for one, n in Counter((r[3], r[2], r[1]) for r in found).items() if n > 1]
            if twice:
                raise Wrong(f"versions of {name} that stand twice: {twice}")
    if end.position["lsn"] != database.lsn and any(
        database.truth(database.lsn, name) != database.truth(end.position["lsn"], name) for name in TABLES
    ):
        raise Wrong("the source has what the lake hasn't")
    refused = Counter(
        (row.table, int(row.where), int(row.reason.split()[1]))
        for manifest in batches
        if manifest.quarantine
        for row in quarantine.read(truth.stores["ingestion"], manifest.quarantine)
    )
    if any(n > 1 for n in refused.values()) or not set(refused) <= database.refusals:
        raise Wrong(f"refused {refused}")
    last = {(name, REFUSED, rows[REFUSED][1]) for name, rows in database.states[-1].items() if REFUSED in rows}
    if not last <= set(refused):
        raise Wrong(f"lost without a word: {last - set(refused)}")


def _queue(truth: Truth) -> None:
    """Every message is there once, as a row or in quarantine, and none was acknowledged that isn't."""
    queue = truth.world.queue
    batches = truth.batches("ingestion/events")
    if not batches:
        _same("messages", Counter(), Counter(queue.published.items()))
        return
    with duckdb.connect() as con:
        create_history(con, "h", truth.stores["ingestion"], batches, "events")
        rows = Counter(con.execute("SELECT event_id, n FROM h").fetchall())
    _same("messages", rows, Counter(queue.published.items()))
    refused = Counter(
        row.where.removeprefix("message ")
        for manifest in batches
        if manifest.quarantine
        for row in quarantine.read(truth.stores["ingestion"], manifest.quarantine)
    )
    _same("quarantined messages", Counter((name,) for name in refused.elements()), Counter((n,) for n in queue.poison))


def _model(truth: Truth, model: Model, ends: Offsets) -> None:
    log = f"processed/{model.name}"
    columns = held_columns(model)
    for batches in (since_reset(truth.batches(log)), since_reset(truth.log(log).span(len(truth.batches(log))))):
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            create_state(con, "s", truth.stores["processed"], batches, model.name, columns, model.key)
            names = [column.name for column in columns if column.name != "_at"]
            rows = Counter(con.execute(f"SELECT {', '.join(map(quote, names))} FROM s").fetchall())
        _same(f"log of {model.name}", rows, truth.expected(model.name, ends))


def _same(what: str, found: Rows, wanted: Rows) -> None:
    if found != wanted:
        more, less = found - wanted, wanted - found
        raise Wrong(f"{what}: there, and shouldn't be: {list(more.items())[:5]}; missing: {list(less.items())[:5]}")
