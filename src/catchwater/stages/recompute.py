"""Which rows of its driving table an incremental model is computed from: new ones, and those that join a changed key.

Everything else that it reads is there whole. No row is compared or committed here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from catchwater.lake.manifest import Manifest
from catchwater.lake.parquet import read_back
from catchwater.lake.read import create_current, create_history, create_rows, paths
from catchwater.plan.plan import Model, Read
from catchwater.project.names import literal, quote
from catchwater.project.tables import Join, TableSchema
from catchwater.stages.inputs import Inputs, source_table, upstream
from catchwater.stages.work import Work


@dataclass(frozen=True)
class Narrowed(Inputs):
    """Inputs of an incremental model: a view per alias, that of its driving table over the rows to compute alone."""

    work: Work

    @property
    def again(self) -> bool:
        """Whether rows that were computed before may be among them."""
        model, reads = self.work.model, {read.alias: read for read in self.work.model.reads}
        return _revised(self._news(reads[model.driving]), reads[model.driving].table) or any(
            self._moved(join, reads[join.read]) for join in model.joins
        )

    def create(self, model: Model) -> None:
        if model.driving != self.work.model.driving:
            super().create(model)
            return
        super().create(replace(model, reads=tuple(read for read in model.reads if read.alias != model.driving)))
        read = next(read for read in model.reads if read.alias == model.driving)
        schema = source_table(self.plan, read)
        self.check_key(read, schema)
        if self.again:
            self._restrict(model, read, schema)
        else:
            self._versions(_versions(read), read, schema, self._news(read))
            self._current(read, schema)
        self._show(read, schema)

    def _news(self, read: Read) -> Sequence[Manifest]:
        return self.work.news[read.log]

    def _moved(self, join: Join, read: Read) -> bool:
        news = [batch.tables[read.table] for batch in self._news(read) if read.table in batch.tables]
        return any(table.revised if join.as_of else table.rows for table in news)

    def _versions(self, view: str, read: Read, schema: TableSchema, batches: Sequence[Manifest]) -> None:
        create_history(self.con, view, self.stores["ingestion"], batches, read.table, schema.columns)

    def _current(self, read: Read, schema: TableSchema) -> None:
        if read.history:
            self._view(f"#{read.alias}", f"FROM {quote(_versions(read))}")
        else:
            create_current(self.con, f"#{read.alias}", _versions(read), schema.key)

    def _show(self, read: Read, schema: TableSchema) -> None:
        """The alias that the model's SQL reads, over `#<alias>`."""
        own = [quote(name) for name in schema.names]
        system = [name for name in read.columns if name.startswith("_") and name not in schema.names]
        own += ["_at AS _valid_from" if name == "_valid_from" else quote(name) for name in system]
        self._view(read.alias, f"SELECT {', '.join(own)} FROM {quote('#' + read.alias)}")

    def _restrict(self, model: Model, read: Read, schema: TableSchema) -> None:
        """`#<alias>`: the rows (of a history all versions) of the driving keys that have a new version, or of which a
        row joins a changed key; `#<alias>#versions` has at least these keys, of a history these rows."""
        by = schema.key or ("_id",)
        fresh, everything, keys, rows = (f"#{read.alias}{name}" for name in ("#news", "#all", "#keys", ""))
        self._versions(fresh, read, schema, self._news(read))
        if read.history:
            self._versions(everything, read, schema, self.batches(read.log))
        else:
            store, batches = self.stores["ingestion"], self.batches(read.log)
            create_rows(self.con, everything, store, batches, read.table, schema.columns, schema.key)
        changed = self._changed(model)
        found = [f"SELECT {_list(by)} FROM {quote(fresh)}"]
        found += [_joining(everything, by, join, changed[place]) for place, join in _of(model, -1) if place in changed]
        self._table(keys, found)
        self._view(rows, f"SELECT v.* FROM {quote(everything)} AS v SEMI JOIN {quote(keys)} USING ({_list(by)})")
        self._view(_versions(read), f"FROM {quote(rows if read.history else keys)}")

    def _changed(self, model: Model) -> dict[int, str]:
        """Per join the table of its keys that changed, were deleted, or join a changed key themselves."""
        reads = {read.alias: read for read in model.reads}
        found: dict[int, str] = {}
        for place in reversed(range(len(model.joins))):
            join = model.joins[place]
            read = reads[join.read]
            selects = [self._keys(join, read, place)] if self._moved(join, read) else []
            selects += [_joining(read.alias, join.key, at, found[nth]) for nth, at in _of(model, place) if nth in found]
            if selects:
                found[place] = f"#changed#{place}"
                self._table(found[place], selects)
        return found

    def _keys(self, join: Join, read: Read, place: int) -> str:
        """SELECT of the keys of a joined table that the new batches name."""
        above = upstream(self.plan, read)
        if above is None:
            view = f"#changed#{place}#news"
            self._versions(view, read, source_table(self.plan, read), self._news(read))
            return f"SELECT {_list(join.key)} FROM {quote(view)}"
        types = {column.name: column for column in above.columns}
        files = ", ".join(literal(str(path)) for path in paths(self.stores["processed"], self._news(read), read.table))
        fields = ", ".join(read_back(types[name]) for name in join.key)
        return f"SELECT {fields} FROM read_parquet([{files}], hive_partitioning = false, union_by_name = true)"

    def _table(self, name: str, selects: Sequence[str]) -> None:
        self.con.execute(f"CREATE TEMP TABLE {quote(name)} AS SELECT DISTINCT * FROM ({' UNION ALL '.join(selects)})")


def _versions(read: Read) -> str:
    return f"#{read.alias}#versions"


def revised(work: Work) -> bool:
    """Whether new batches replace versions that older ones have."""
    return any(_revised(work.news.get(read.log, ()), read.table) for read in work.model.reads)


def _revised(batches: Sequence[Manifest], table: str) -> bool:
    return any(batch.tables[table].revised for batch in batches if table in batch.tables)


def _of(model: Model, parent: int) -> Iterator[tuple[int, Join]]:
    """The joins by columns of one table, each with its place."""
    return ((place, join) for place, join in enumerate(model.joins) if join.parent == parent)


def _joining(relation: str, fields: Sequence[str], join: Join, changed: str) -> str:
    """SELECT of `fields` of the rows that join a changed key."""
    on = " AND ".join(f"r.{quote(column)} = c.{quote(key)}" for column, key in zip(join.columns, join.key, strict=True))
    names = ", ".join(f"r.{quote(name)}" for name in fields)
    return f"SELECT {names} FROM {quote(relation)} AS r SEMI JOIN {quote(changed)} AS c ON {on}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names))
