"""What a run takes longest to load, begun in a thread while all the rest is imported; nothing is run here."""

import json
import logging
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catchwater.wiring import Wiring

# Kinds of sources, and what they need before they are asked anything. Wiring, which names all other adapters, takes
# longer to be imported than there is time here.
EARLY = {"postgres": ("catchwater.adapters.sources.postgres.connection", "connection")}
logger = logging.getLogger("catchwater")


def warm(remembered: Path) -> None:
    """Begin with what the sources of a project need, by what is `remembered` of it: a hint, right or wrong.

    DuckDB takes as long to check its extension for Postgres as all of our own imports, and mostly without Python: so it
    is imported before them.
    """
    try:
        sources = json.loads(remembered.read_bytes())["declared"]["sources"]
        kinds = {str(source["kind"]) for source in sources.values()} & EARLY.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for module, name in (EARLY[kind] for kind in kinds):
        for first in ("duckdb", module):  # here: two threads that import take turns, and both wait
            _quietly(lambda first=first: import_module(first))  # type: ignore[misc]
        _begin(name, lambda module=module, name=name: _early(module, name))  # type: ignore[misc]


def rest(wiring: "Wiring") -> None:
    """Load the later stages while a source is read; where nothing new comes they are what takes longest."""
    kind = wiring.loaded.project.warehouse.kind
    _begin("rest", lambda: _rest(kind))


def _begin(name: str, act: Callable[[], object]) -> None:
    threading.Thread(target=_quietly, args=[act], name=f"catchwater-{name}").start()


def _quietly(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:
        logger.debug("not loaded early: %s", error)  # whoever needs it hears of it


def _early(module: str, name: str) -> None:
    getattr(import_module(module), name)().close()


def _rest(warehouse: str) -> None:
    from catchwater.stages import load, process  # noqa: F401
    from catchwater.wiring import adapter

    adapter("engine", "duckdb")
    adapter("warehouse", warehouse)
