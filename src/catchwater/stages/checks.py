"""The checks of a model against rows that aren't committed yet; what fails is found here, and decided by process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.errors import CheckFailed
from catchwater.plan.plan import Check, Model, Read
from catchwater.ports import Refused
from catchwater.project.names import literal, quote
from catchwater.stages.inputs import latest

if TYPE_CHECKING:
    import duckdb

SAMPLE = 5
NEW = "#new"
BAD = "#bad"
_OF_ROWS = ("not_null", "accepted", "condition")


@dataclass(frozen=True)
class Finding:
    """How many rows break a check, and what identifies up to five of them."""

    check: Check
    count: int
    sample: tuple[str, ...]

    def __str__(self) -> str:
        rows = "row" if self.count == 1 else "rows"
        return f"{self.check.name}: {self.count} {rows}, for example {'; '.join(self.sample)}"


class Broken(CheckFailed):
    """A check of severity fail that rows break; `others` are those of the same model that are broken too."""

    others: "tuple[Broken, ...]" = ()

    def __init__(self, model: Model, finding: Finding, otherwise: str = "") -> None:
        self.finding = finding
        where = f"{model.file}:{finding.check.line}" if finding.check.line else model.file
        otherwise = otherwise or "give the check severity: quarantine or warn"
        super().__init__(f"check {finding}", where=where, next_step=f"correct the rows at the source, or {otherwise}")


@dataclass(frozen=True)
class Checked:
    """A model whose new rows stand in `#new`; `everything` is the relation of all rows after them, `targets` the
    relations of the models that it references.

    Of a history the checks are about things that are there: a delete carries the last values of what is gone, and
    must be told whatever they are. `unique` and `references` are about the latest versions."""

    con: "duckdb.DuckDBPyConnection"
    model: Model
    everything: str
    targets: dict[str, str]

    def quarantine(self) -> int:
        """Move the rows that break a check of severity quarantine from `#new` to `#bad` (`where reason text`)."""
        aside = self.aside()
        if not aside:
            return 0
        checks, broken = zip(*aside, strict=True)
        name = quote(self.model.name)
        reasons = ", ".join(
            f"CASE WHEN {broke} THEN {literal(check.name)} END" for check, broke in zip(checks, broken, strict=True)
        )
        columns = ", ".join(f"{name}.{quote(column.name)}" for column in self.model.columns)
        marked = (
            f"SELECT {name}.rowid AS id, {self._label()} AS \"where\", concat_ws('; ', {reasons}) AS reason, "
            f"to_json(struct_pack({self._fields(name)}))::VARCHAR AS text, {columns} FROM {quote(NEW)} AS {name} "
            f"WHERE {' OR '.join(f'({broke})' for broke in broken)}"
        )
        self.con.execute(
            f'CREATE OR REPLACE TEMP TABLE {quote(BAD)} AS SELECT id, "where", reason, text FROM ({marked})'
        )
        self.con.execute(f"DELETE FROM {quote(NEW)} WHERE rowid IN (SELECT id FROM {quote(BAD)})")
        return self._count(f"SELECT count(*) FROM {quote(BAD)}")

    def aside(self) -> list[tuple[Check, str]]:
        """The checks whose broken rows are set aside, each with its condition. Of a history these are also versions
        that break a check of severity fail when there is a later one: nothing at the source can correct them."""
        found = [(c, self.breaks(c)) for c in self.model.checks if c.severity == "quarantine" and self._can(c)]
        if self.model.history:
            refused = [finding.check for finding in self.findings("fail") if finding.check.kind in _OF_ROWS]
            found += [(check, f"{self.breaks(check)} AND NOT {self._newest()}") for check in refused]
        return found

    def bad_rows(self) -> Iterator[Refused]:
        """The rows of `#bad`, in an order of their own."""
        found = self.con.execute(f'SELECT "where", reason, text FROM {quote(BAD)} ORDER BY ALL')
        while rows := found.fetchmany(1000):
            for where, reason, text in rows:
                yield Refused(self.model.name, where, reason, text)

    def findings(self, severity: str) -> Iterator[Finding]:
        for check in self.model.checks:
            if check.severity != severity or not self._can(check):
                continue
            name = quote(self.model.name)
            broken = f"FROM {quote(NEW)} AS {name} WHERE {self.breaks(check)}"
            count = self._count(f"SELECT count(*) {broken}")
            if count:
                rows = self.con.execute(f"SELECT {self._label()} {broken} ORDER BY 1 LIMIT {SAMPLE}").fetchall()
                yield Finding(check, count, tuple(row[0] for row in rows))

    def breaks(self, check: Check) -> str:
        """A condition that is true for the rows of `#new`, aliased by the model's name, that break a check."""
        name = quote(self.model.name)
        columns = [f"{name}.{quote(column)}" for column in check.columns]
        there = f"{name}._op <> 'delete' AND " if self.model.history else ""
        return f"{there}({self._broken(check, columns)})"

    def _broken(self, check: Check, columns: Sequence[str]) -> str:
        if check.kind == "not_null":
            return f"{columns[0]} IS NULL"
        if check.kind == "accepted":
            return f"{columns[0]} NOT IN ({', '.join(map(literal, check.values))})"
        if check.kind == "unique":
            return self._repeats(check, columns)
        if check.kind == "references":
            return self._dangles(check, columns)
        return f"CAST((\n{check.condition}\n) AS BOOLEAN) IS FALSE"

    def _repeats(self, check: Check, columns: Sequence[str]) -> str:
        match = " AND ".join(
            f"twice.{quote(name)} = {column}" for name, column in zip(check.columns, columns, strict=True)
        )
        by = _list(check.columns)
        rows = f"({latest(self.model, self.everything)})" if self.model.history else quote(self.everything)
        twice = f"SELECT {by} FROM {rows} GROUP BY {by} HAVING count(*) > 1"
        current = f"{self._newest()} AND " if self.model.history else ""
        return f"{current}EXISTS (SELECT 1 FROM ({twice}) AS twice WHERE {match})"

    def _dangles(self, check: Check, columns: Sequence[str]) -> str:
        given = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        match = " AND ".join(f"t.{quote(to)} = {column}" for to, column in zip(check.values, columns, strict=True))
        current = f"{self._newest()} AND " if self.model.history else ""
        target = quote(self.targets[check.table])
        return f"{current}{given} AND NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {match})"

    def _newest(self) -> str:
        """Whether a row of `#new` is the latest version of its entity."""
        own, order = quote(self.model.name), quote(self.model.order)
        mine = ", ".join(f"{own}.{quote(name)}" for name in (*self.model.entity, self.model.order))
        by = _list(self.model.entity)
        return f"row({mine}) IN (SELECT row({by}, max({order})) FROM {quote(self.everything)} GROUP BY {by})"

    def _can(self, check: Check) -> bool:
        return check.kind != "references" or check.table in self.targets

    def _label(self) -> str:
        """What identifies a row: its key, or its first columns."""
        names = self.model.key or tuple(column.name for column in self.model.columns[:3])
        own = quote(self.model.name)
        parts = [f"concat({literal(name + '=')}, coalesce({own}.{quote(name)}::VARCHAR, 'NULL'))" for name in names]
        return f"left(concat_ws(', ', {', '.join(parts)}), 200)"

    def _fields(self, own: str) -> str:
        return ", ".join(f"{quote(column.name)} := {own}.{quote(column.name)}" for column in self.model.columns)

    def _count(self, sql: str) -> int:
        row = self.con.execute(sql).fetchone()
        return int(row[0]) if row else 0


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names))


def refuse(broken: Sequence[Broken]) -> None:
    """Raises the first, with the others."""
    if broken:
        first, *others = broken
        first.others = tuple(others)
        raise first


def check_exact(con: "duckdb.DuckDBPyConnection", model: Model, read: Read, names: Sequence[str]) -> None:
    """Raises Broken for each column that the model reads and that has values that its type couldn't hold, unless the
    model reads `_exact` and so says what to do with them."""
    if "_exact" in read.columns:
        return
    used = [name for name in names if not read.columns or name in read.columns]
    if not used:
        return
    texts = ", ".join(map(literal, used))
    rows = con.execute(
        f"SELECT e.key, count(*), list(DISTINCT left(e.value, 60))[1:{SAMPLE}] FROM "
        f"(SELECT unnest(map_entries(_exact)) AS e FROM {quote('#' + read.alias)} WHERE _exact IS NOT NULL) "
        f"WHERE e.key IN ({texts}) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    refuse([_inexact(model, read, column, count, sample) for column, count, sample in rows])


def _inexact(model: Model, read: Read, column: str, count: int, sample: Sequence[str]) -> Broken:
    check = Check("condition", condition=f"{read.table}.{column} fits its type (the rest is in _exact)")
    name, entry = quote(column), f"_exact[{literal(column)}]"
    otherwise = f"say in the SELECT what they become: coalesce({name}::VARCHAR, {entry}), or _exact beside {name}"
    return Broken(model, Finding(check, count, tuple(sorted(sample))), otherwise)
