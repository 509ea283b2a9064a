"""How a table of a database is read: `snapshot`, `cursor` or `full`; what a database has is not known here."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Tag, model_validator

from catchwater.project import names
from catchwater.project.kinds import STRICT, Duration, Flag, Word

_WORDS = ("snapshot", "full")
_SHAPES = "write `full`, `{cursor: COLUMN}`, or `{full: true, key: [COLUMN]}`"


def _lag(value: Any) -> Any:
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value is None or number or (isinstance(value, str) and names.seconds(value) is not None):
        return value
    raise ValueError("how far back is a duration, or of numbers a whole number: write '10 minutes', or 1000")


class TableCapture(BaseModel):
    """One table: by `cursor`, a column that grows with every change, or in `full` each time.

    `lag` is how far behind the cursor's last maximum rows are read again (None: 10 minutes, 1 day of dates, 1,000 of
    numbers), `snapshot` how often the whole table is compared, `key` the columns that name a row where no index does.
    """

    model_config = STRICT

    cursor: Word | None = None
    lag: Annotated[str | int | None, BeforeValidator(_lag)] = None
    snapshot: Duration = "1 day"
    full: Flag = False
    key: list[Word] = []

    @model_validator(mode="after")
    def _one(self) -> "TableCapture":
        if (self.cursor is None) is not self.full:
            raise ValueError("either `cursor` or `full: true` is wanted, and not both")
        beside = sorted(self.model_fields_set & {"lag", "snapshot"}) if self.full else []
        if beside:
            raise ValueError(f"`{beside[0]}` belongs to a cursor: leave it out")
        if len(set(self.key)) < len(self.key):
            raise ValueError("a column stands twice in `key`: keep one of them")
        return self


def _shape(value: Any) -> str:
    return "[table]" if isinstance(value, dict | TableCapture) else "[word]"


def _one_table(value: Any) -> Any:
    if isinstance(value, dict | TableCapture) or value in _WORDS:
        return value
    raise ValueError(f"neither snapshot nor full: {_SHAPES}")


def _all_tables(value: Any) -> Any:
    cursor = value.get("cursor") if isinstance(value, dict) else None
    if value == "cursor" or (isinstance(cursor, str) and cursor not in _WORDS):
        raise ValueError("a cursor is a column of one table: write `{TABLE: {cursor: COLUMN}}`")
    if isinstance(value, dict) or value in _WORDS:
        return value
    raise ValueError(f"neither snapshot nor full: write one of them, or `{{TABLE: …}}`; for a table {_SHAPES}")


Whole = Literal["snapshot", "full"]
OneTable = Annotated[
    Annotated[Whole, Tag("[word]")] | Annotated[TableCapture, Tag("[table]")],
    Discriminator(_shape),
    BeforeValidator(_one_table),
]
Capture = Annotated[
    Annotated[Whole, Tag("[word]")] | Annotated[dict[Word, OneTable], Tag("[table]")],
    Discriminator(_shape),
    BeforeValidator(_all_tables),
]
