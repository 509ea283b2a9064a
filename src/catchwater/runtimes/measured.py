"""A model's measures over its old rows and its new ones, and how their totals are written."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from catchwater.plan.plan import Measure, Model
from catchwater.project.names import quote

if TYPE_CHECKING:
    import duckdb

_SIGNS = {"gbp": "£", "usd": "$", "eur": "€"}
_PLACES = {"gbp": 2, "usd": 2, "eur": 2, "decimal": 2, "integer": 0}


@dataclass(frozen=True)
class Total:
    """One measure before and after, as text in its format; `change` is the difference, empty where there is none to
    tell. None: the model has or had no such measure, or it can't be computed."""

    name: str
    old: str | None
    new: str | None
    change: str = ""
    format: str = ""

    @property
    def same(self) -> bool:
        return self.old == self.new and not self.change


def totals(
    con: "duckdb.DuckDBPyConnection", pair: tuple[Model | None, Model | None], relations: tuple[str, str]
) -> tuple[Total, ...]:
    """Every measure of either model; `relations` have the current rows, and `<relation>#all` every version of a
    history."""
    sides = [{measure.name: measure for measure in model.measures} if model else {} for model in pair]
    found = []
    for name in dict.fromkeys([*sides[1], *sides[0]]):
        values = [
            _value(con, model, side.get(name), relation)
            for model, side, relation in zip(pair, sides, relations, strict=True)
        ]
        measure = sides[1].get(name) or sides[0][name]
        found.append(_total(measure, values[0], values[1]))
    return tuple(found)


def _value(con: "duckdb.DuckDBPyConnection", model: Model | None, measure: Measure | None, relation: str) -> Any:
    import duckdb

    if model is None or measure is None:
        return None
    over = f"{relation}#all" if model.history and measure.over == "history" else relation
    try:
        row = con.execute(f"SELECT {measure.sql} FROM {quote(over)} AS {quote(model.name)}").fetchone()
    except duckdb.Error:
        try:
            row = con.execute(f"SELECT {measure.sql} FROM {quote(relation)}").fetchone()
        except duckdb.Error:
            return None
    return row[0] if row else None


def _total(measure: Measure, old: Any, new: Any) -> Total:
    texts = [None if value is None else written(value, measure.format) for value in (old, new)]
    change = ""
    if _is_number(old) and _is_number(new) and old != new:
        difference = new - old if isinstance(old, type(new)) else Decimal(str(new)) - Decimal(str(old))
        change = ("+" if difference > 0 else "-") + written(abs(difference), measure.format)
        if old:
            change += f", {float(difference) / abs(float(old)):+.2%}"
    return Total(measure.name, texts[0], texts[1], change, measure.format)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def written(value: Any, form: str) -> str:
    """A value as its measure's format shows it."""
    if not _is_number(value):
        return str(value)
    if form == "percent":
        return f"{value:.2%}"
    if form in _PLACES:
        return f"{_SIGNS.get(form, '')}{value:,.{_PLACES[form]}f}"
    return f"{value:,}"
