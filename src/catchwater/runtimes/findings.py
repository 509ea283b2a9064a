"""What a proof found: data for people and programs; nothing is proven here."""

from dataclasses import asdict, dataclass, field
from typing import Any

from catchwater.errors import CatchwaterError


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: in which `area` (lake, source, model, warehouse), where, and what to do next."""

    area: str
    where: str
    message: str
    next_step: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f"\n  next: {self.next_step}" if self.next_step else "")


@dataclass(frozen=True)
class Proven:
    """What was held against what, with its result in words: `state` is equal, pending, wrong or not compared."""

    area: str
    name: str
    state: str
    said: str
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass
class Verdict:
    """What one proof gathers, area after area."""

    proven: list[Proven] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def equal(self, area: str, name: str, said: str, **numbers: int) -> None:
        self.proven.append(Proven(area, name, "equal", said, numbers))

    def pending(self, area: str, name: str, said: str, **numbers: int) -> None:
        self.proven.append(Proven(area, name, "pending", said, numbers))

    def skipped(self, area: str, name: str, said: str) -> None:
        self.proven.append(Proven(area, name, "not compared", said))

    def wrong(self, found: Finding, name: str, **numbers: int) -> None:
        self.proven.append(Proven(found.area, name, "wrong", found.message.split("\n")[0], numbers))
        self.findings.append(found)

    def failed(self, area: str, name: str, error: CatchwaterError) -> None:
        """A comparison that couldn't be made is a finding: nothing is passed over in silence."""
        found = Finding(area, error.where or name, f"can't be compared: {error.message}", error.next_step)
        self.wrong(found, name)

    def as_dicts(self, area: str) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in asdict(one).items() if key not in ("area", "numbers")} | one.numbers
            for one in self.proven
            if one.area == area
        ]


def rows(count: int) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
