"""A project that was read: what it declares, where each key of it stands, and the variables; nothing is read here."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catchwater.project.schema import Project, Source


@dataclass(frozen=True)
class Loaded:
    """A project read from `folder`; `variables` resolve `${NAME}` and are never written anywhere. `digest` is
    that of the files that it was read from, where somebody asked for it (`known.same_as`)."""

    folder: Path
    environment: str
    project: "Project"
    variables: dict[str, str] = field(repr=False)
    lines: dict[tuple[str | int, ...], tuple[str, int, int]] = field(repr=False)
    digest: str = ""


def listens(source: "Source") -> bool:
    """Whether rows come to the source by themselves, as messages or deliveries, and are taken from a queue."""
    return source.kind == "topic" or (source.kind == "github" and source.origin == "webhook")
