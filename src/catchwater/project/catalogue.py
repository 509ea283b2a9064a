"""Every name that a model may read and what it stands for; no SELECT is changed here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from catchwater.project.models import ModelFile
from catchwater.project.shape import driving_table, row_per_row
from catchwater.project.tables import TableSchema

SYSTEM = {
    "_seq": "BIGINT", "_id": "BIGINT", "_op": "VARCHAR", "_at": "TIMESTAMP WITH TIME ZONE", "_version": "VARCHAR",
    "_exact": "MAP(VARCHAR, VARCHAR)",
}  # fmt: skip
VALIDITY = {
    "_valid_from": "TIMESTAMP WITH TIME ZONE", "_valid_to": "TIMESTAMP WITH TIME ZONE", "_is_current": "BOOLEAN",
}  # fmt: skip
HISTORY = "__history"
CURRENT = "_current"


@dataclass(frozen=True)
class Meaning:
    """What a name stands for: a source's table (`schema` is set) or a model."""

    log: str
    table: str
    history: bool
    schema: TableSchema | None = None

    @property
    def model(self) -> str:
        return "" if self.schema else self.table

    def system(self) -> dict[str, str]:
        """The system columns that may be read here, and their types."""
        if not self.schema:
            return {name: SYSTEM[name] for name in ("_op", "_at")} if self.history else {}
        keyed = VALIDITY if self.history and self.schema.key else {}
        return SYSTEM | keyed


class Catalogue:
    """Every name that a model may read."""

    def __init__(self, sources: Mapping[str, Sequence[TableSchema]], models: Sequence[ModelFile]) -> None:
        self.sources = sources
        self.models = {model.name.lower(): model for model in models}
        self.histories: set[str] = set()
        self.histories = {model.name.lower() for model in models if self._is_history(model)}

    def _is_history(self, model: ModelFile) -> bool:
        table = driving_table(model.query)
        if table is None or not row_per_row(model.query):
            return False
        found = self.find([part.name for part in table.parts], model.name)
        return bool(found and found.schema and found.history)

    def find(self, parts: list[str], inside: str) -> Meaning | None:
        if len(parts) > 1:
            return self._table(parts[0], parts[1:])
        name = parts[0].lower()
        if name != inside.lower() and name in self.models:
            return self._model(name, history=name in self.histories)
        current = name.removesuffix(CURRENT)
        if current != name and current in self.histories:
            return self._model(current, history=False)
        return self._table(parts[0], parts) or self._one_table(parts[0])

    def _model(self, name: str, *, history: bool) -> Meaning:
        known = self.models[name].name
        return Meaning(f"processed/{known}", known, history)

    def _one_table(self, name: str) -> Meaning | None:
        """A source of one table, by the source's own name."""
        plain = name.lower().removesuffix(HISTORY)
        tables = next((tables for source, tables in self.sources.items() if source.lower() == plain), ())
        if len(tables) != 1:
            return None
        source = next(source for source in self.sources if source.lower() == plain)
        return Meaning(f"ingestion/{source}", tables[0].name, plain != name.lower(), tables[0])

    def _table(self, source: str, rest: list[str]) -> Meaning | None:
        tables = next((tables for name, tables in self.sources.items() if name.lower() == source.lower()), ())
        log = f"ingestion/{source.lower()}"
        for name, history in _spellings(rest):
            exact = [table for table in tables if table.name == name]
            alike = [table for table in tables if table.name.lower() == name.lower()]
            if exact or len(alike) == 1:
                return Meaning(log, (exact or alike)[0].name, history, (exact or alike)[0])
        return None

    def nearest(self, parts: list[str], inside: str) -> str:
        known = [name for name in self.models if name != inside.lower()]
        known += [name + CURRENT for name in self.histories]
        for source, tables in self.sources.items():
            known += [f"{source}.{table.name}" for table in tables]
            known += [source] if len(tables) == 1 else []
        wanted = ".".join(parts).lower()
        plain = wanted.removesuffix(HISTORY)
        lower = {name.lower(): name for name in known}
        close = get_close_matches(plain, list(lower), n=3, cutoff=0.6)
        close += [name for name in lower if name.rpartition(".")[2] == plain.rpartition(".")[2]]
        found = list(dict.fromkeys(lower[name] for name in close))[:3]
        return f"did you mean {', '.join(found)}?" if found else ""


def _spellings(rest: list[str]) -> Iterator[tuple[str, bool]]:
    for joint in (".", "_"):
        name = joint.join(rest)
        yield name, False
        if name.lower().endswith(HISTORY):
            yield name[: -len(HISTORY)], True
