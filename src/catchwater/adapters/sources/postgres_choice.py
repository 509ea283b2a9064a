"""Which tables of a database are a source's: those asked for, or all; what can't be read is refused by name."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from catchwater.adapters.sources.postgres_catalog import Relation, folded
from catchwater.adapters.sources.postgres_connection import Address
from catchwater.adapters.sources.postgres_declared import wrong
from catchwater.errors import SourceRefused
from catchwater.project import names
from catchwater.project.captures import Capture, OneTable, TableCapture

OTHER_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
FULL = TableCapture(full=True)
NOTHING: Mapping[str, OneTable] = {}


class Misdeclared(SourceRefused):
    """`found` are the problems of the declaration: where below `capture`, what is wrong, what would be right."""

    found: Sequence[tuple[tuple[str | int, ...], str, str]] = ()


@dataclass(frozen=True)
class Place:
    """Where a table stands; what is known of it without the catalog."""

    schema: str
    table: str
    partition: bool = False

    @property
    def name(self) -> str:
        return folded(self.schema, self.table)

    @property
    def full(self) -> str:
        return f"{self.schema}.{self.table}"


class Named(Protocol):
    @property
    def schema(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def partition(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def full(self) -> str: ...


N = TypeVar("N", bound=Named)
