"""What heads declare, held against the columns of all models: references, measures, checks; no SELECT is read."""

from collections.abc import Iterator, Mapping, Sequence

from catchwater.errors import Problem, ProjectError
from catchwater.plan.plan import Check, Measure
from catchwater.plan.typed import Describe, Typed, nearest
from catchwater.project.head import DeclaredCheck, DeclaredReference, Spot
from catchwater.project.names import quote
from catchwater.project.tables import Reference


class Declarations:
    """Reads the heads of typed models; what is wrong gathers in `problems`."""

    def __init__(self, models: Mapping[str, Typed], known: Sequence[str], describe: Describe) -> None:
        self.models = {name.lower(): typed for name, typed in models.items()}
        self.known = {name.lower(): name for name in known}
        self.describe = describe
        self.problems: list[Problem] = []

    def references(self, typed: Typed) -> tuple[Reference, ...]:
        found = (self.reference(typed, declared) for declared in typed.model.head.references)
        return tuple(one for one in found if one)

    def measures(self, typed: Typed) -> tuple[Measure, ...]:
        return tuple(self._measures(typed))

    def checks(self, typed: Typed) -> tuple[Check, ...]:
        return tuple(self._checks(typed))

    def reference(self, typed: Typed, declared: DeclaredReference) -> Reference | None:
        columns = self._columns(typed, declared.columns, declared.spot, "references")
        name = declared.table.lower()
        target = self.models.get(name) or self._history(name)
        if target is None:
            if name not in self.known:
                self._wrong(typed, declared.spot, f"references: no model {declared.table}", self._nearest(name))
            return None
        to = declared.to_columns or target.current_key
        if declared.to_columns:
            to = self._columns(target, to, declared.spot, f"references of {target.name}", typed)
        if not to:
            message = f"references: {target.name} has no key"
            self._wrong(typed, declared.spot, message, f"declare key: […] in {target.model.file}")
        elif len(to) != len(columns) and len(columns) == len(declared.columns):
            right = f"{target.name}: {{{', '.join(f'column: {name}' for name in to)}}}"
            message = f"references: the key of {target.name} is {', '.join(to)}"
            self._wrong(typed, declared.spot, message, right)
        else:
            return Reference(columns, target.name, to)
        return None

    def _history(self, name: str) -> Typed | None:
        target = self.models.get(name.removesuffix("_current"))
        return target if target and target.resolved.history else None

    def _nearest(self, name: str) -> str:
        from difflib import get_close_matches

        close = [self.known[one] for one in get_close_matches(name, list(self.known), n=3, cutoff=0.5)]
        return f"did you mean {', '.join(close)}?" if close else "name a model"

    def _columns(
        self, typed: Typed, names: Sequence[str], spot: Spot, what: str, said_in: Typed | None = None
    ) -> tuple[str, ...]:
        found = []
        for name in names:
            column = typed.column(name)
            if column:
                found.append(column.name)
            else:
                self._wrong(said_in or typed, spot, f"{what}: no column {name}", nearest(name, typed))
        return tuple(found)

    def _wrong(self, typed: Typed, spot: Spot, message: str, right: str = "") -> None:
        self.problems.append(typed.model.at(spot, message, right))

    def _measures(self, typed: Typed) -> Iterator[Measure]:
        taken = {column.name.lower() for column in typed.columns}
        for one in typed.model.head.measures:
            if one.name.lower() in taken:
                self._wrong(typed, one.spot, f"measure {one.name} has the name of a column")
            if one.over == "history" and not typed.resolved.history:
                self._wrong(typed, one.spot, f"measure {one.name}: the model has no history", "over: current")
            table = quote(typed.name)
            if one.sql and self._binds(
                typed, one.spot, f"measure {one.name}", f"SELECT (\n{one.sql}\n) AS m FROM {table} GROUP BY ()"
            ):
                yield Measure(one.name, one.sql, one.label, one.format, one.over, one.description)

    def _binds(self, typed: Typed, spot: Spot, what: str, sql: str) -> bool:
        try:
            self.describe(sql, {typed.name: typed.columns}, typed.macros)
        except ProjectError as error:
            for problem in error.problems:
                self._wrong(typed, spot, f"{what}: {problem.message}", problem.right)
            return False
        return True

    def _checks(self, typed: Typed) -> Iterator[Check]:
        for one in typed.model.head.checks:
            columns = self._columns(typed, one.columns, one.spot, one.kind) if not one.reference else one.columns
            if len(columns) < len(one.columns):
                continue
            if one.kind == "condition" and not self._condition(typed, one):
                continue
            made = self._check(typed, one, columns)
            if made:
                yield made
        for reference in self.references(typed):
            yield Check("references", reference.columns, reference.to_columns, reference.table, severity="warn")

    def _check(self, typed: Typed, one: DeclaredCheck, columns: tuple[str, ...]) -> Check | None:
        line = one.spot[0]
        if one.reference:
            found = self.reference(typed, one.reference)
            if not found:
                return None
            return Check("references", found.columns, found.to_columns, found.table, severity=one.severity, line=line)
        return Check(one.kind, columns, one.values, "", one.condition, one.severity, line)

    def _condition(self, typed: Typed, one: DeclaredCheck) -> bool:
        sql = f"SELECT 1 AS one FROM {quote(typed.name)} WHERE CAST((\n{one.condition}\n) AS BOOLEAN)"
        return self._binds(typed, one.spot, f"check {one.condition}", sql)
