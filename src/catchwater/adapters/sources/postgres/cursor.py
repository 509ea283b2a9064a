"""A table read by a cursor: rows from its last maximum, less a lag, upwards; what it can't see isn't sought here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.contents import Contents, Read
from catchwater.adapters.sources.postgres.declared import NUMBERS
from catchwater.adapters.sources.postgres.select import Field
from catchwater.errors import SourceRefused
from catchwater.ports import Held
from catchwater.project import names
from catchwater.project.captures import TableCapture

LAGS = {"date": 86_400.0, "timestamp": 600.0, "timestamptz": 600.0}
NUMBERS_BEHIND = 1000

# The greatest value that may become the last maximum: NaN, infinity and dates to come would hide every row after them.
# A local time may be 14 hours ahead of UTC.
CEILINGS = {
    "numeric": "{0} < '1e131000'::numeric",
    "date": "{0} <= (statement_timestamp() + interval '14 hours')::date",
    "timestamp": "{0} <= statement_timestamp() AT TIME ZONE 'UTC' + interval '14 hours'",
    "timestamptz": "{0} <= statement_timestamp()",
}


@dataclass(frozen=True)
class Seen:
    """Where a cursor stands: its last maximum as text (None: no row had one), and the rows from there less the lag,
    counted and summed; `compared` is when the whole table was."""

    column: str
    maximum: str | None
    count: int
    checksum: str
    compared: str


class Cursor:
    """The cursor of one relation, inside the transaction that `session` has open."""

    def __init__(self, session: Session, relation: Relation, how: TableCapture) -> None:
        self.session, self.relation, self.how = session, relation, how
        self.field: Field = next(field for field in relation.fields if field.name == how.cursor)

    def since(self, *maxima: str | None) -> str:
        """The condition, in Postgres, of the rows that are read again from the least of these maxima; '' for all."""
        bounds = [self.bound(maximum) for maximum in maxima if maximum is not None]
        return f"{self.field.there} >= LEAST({', '.join(bounds)})" if len(bounds) == len(maxima) else ""

    def bound(self, maximum: str) -> str:
        """What the rows that are read again have at least, in Postgres."""
        kind = self.field.origin
        value = f"{names.literal(maximum)}::{kind}"
        if kind in NUMBERS:
            behind = self.how.lag if isinstance(self.how.lag, int) else NUMBERS_BEHIND
            if kind == "numeric":
                return f"({value} - {behind})"
            return f"{names.literal(str(max(int(maximum) - behind, -(1 << 63))))}::int8"
        lag = names.seconds(self.how.lag) if isinstance(self.how.lag, str) else LAGS[kind]
        return f"({value} - interval '{lag} seconds')"

    def seen(self, compared: str) -> Seen:
        """Where it stands now. Raises SourceRefused for rows that it will never see."""
        there, ceiling = self.field.there, CEILINGS.get(self.field.origin, "true").format(self.field.there)
        nulls, found = self.session.rows(
            f"SELECT (SELECT count(*) FROM {self.relation.rows_of} AS x WHERE {there} IS NULL) AS n, "
            f"(SELECT {there}::text FROM {self.relation.rows_of} AS x WHERE {ceiling} ORDER BY {there} DESC LIMIT 1) "
            "AS m"
        )[0]
        if nulls:
            raise SourceRefused(
                f"{self.relation.full}: {self.field.name} is NULL in {nulls:,} rows, which a cursor never sees",
                where=self.session.place.where,
                next_step="fill them, choose another column, or `full`",
            )
        return Seen(self.field.name, found, *self.window(found), compared)

    def window(self, maximum: str | None) -> tuple[int, str]:
        """How many rows are read again from this maximum, and the order-free checksum over them."""
        fields = self.relation.fields
        if self.relation.versioned:
            fields = tuple(field for field in fields if field.name in self.relation.key)
        row = ", ".join([field.there for field in fields] + (["x.xmin"] if self.relation.versioned else []))
        where = self.since(maximum)
        count, total = self.session.rows(
            f'SELECT count(*) AS n, COALESCE(sum(hashtextextended(ROW({row})::text COLLATE "C", 0)), 0)::text AS s '
            f"FROM {self.relation.rows_of} AS x{f' WHERE {where}' if where else ''}"
        )[0]
        return int(count), str(total)

    def behind(self, files: Sequence[Path], then: Seen) -> int:
        """How many of these new rows it would never have read again."""
        if then.maximum is None or not files:
            return 0
        ((bound,),) = self.session.rows(f"SELECT {self.bound(then.maximum)}::text AS b")
        kind = "DOUBLE" if self.field.origin == "numeric" else self.field.type
        column = f"TRY_CAST({names.quote(self.field.name)} AS {kind})"
        if self.field.origin == "date":
            kind, column = "TIMESTAMP", f"{column}::TIMESTAMP"
        paths = ", ".join(names.literal(str(path)) for path in files)
        row = self.session.con.execute(
            f"SELECT count(*) FROM read_parquet([{paths}], union_by_name = true) "
            f"WHERE _op = 'upsert' AND {column} < CAST({names.literal(bound)} AS {kind})"
        ).fetchone()
        return int(row[0]) if row else 0


def pass_due(then: Seen | None, how: TableCapture, now: str) -> bool:
    """Whether the whole table is to be compared, for what the cursor lost."""
    if then is None or then.column != how.cursor:
        return True
    age = datetime.fromisoformat(now) - datetime.fromisoformat(then.compared)
    return age.total_seconds() >= (names.seconds(how.snapshot) or 0)


def read_from(contents: Contents, cursor: Cursor, then: Seen, held: Held) -> tuple[Seen, Read]:
    """What is new from the cursor's last maximum, less its lag, and where it stands then."""
    state: dict[str, Any] = dict(held.tables[contents.relation.name].state)
    now = cursor.seen(then.compared)
    if now == then:
        return then, Read(state)
    # the maximum may have gone back, with the rows that had it: what is summed must have been read
    staged, rows = contents.read(cursor.since(then.maximum, now.maximum))
    files = contents.news(staged, held, whole=False)
    read = Read(state, rows=rows)
    if files:
        contents.take(read, files, None)
    return then if read.cut else now, read
