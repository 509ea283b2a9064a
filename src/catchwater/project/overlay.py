"""Environments laid over the project: deep merges and `like` chains; no key but `like` has a meaning here."""

import difflib
import re
from collections.abc import Mapping

from catchwater.errors import Problem
from catchwater.project.document import Entry, Value

LOCAL = "local"
ENVIRONMENTS = "environments"
LIKE = "like"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def merge(below: Value, above: Value, nulls: bool = False) -> Value:
    """`above` laid over `below`: mappings merge, a null deletes, all else (lists too) replaces.

    A mapping that names another `kind` replaces the whole mapping, since the keys of one kind mean nothing to
    another. With `nulls` a null stays, so that its key can be looked at.
    """
    if not isinstance(above.data, dict):
        return above
    held = {} if _other_kind(below, above) else dict(below.entries())
    for key, entry in above.data.items():
        if entry.value.data is None and not nulls:
            held.pop(key, None)
        elif key in held and isinstance(entry.value.data, dict) and isinstance(held[key].value.data, dict):
            held[key] = Entry(held[key].spot, merge(held[key].value, entry.value, nulls))
        else:
            held[key] = Entry(entry.spot, merge(Value(entry.value.spot, {}), entry.value, nulls))
    return Value(below.spot if below.data else above.spot, held)


def _other_kind(below: Value, above: Value) -> bool:
    old, new = below.at("kind"), above.at("kind")
    return old is not None and new is not None and new.data is not None and old.data != new.data


def split(tree: Value) -> tuple[Value, dict[str, Entry], list[Problem]]:
    """The project without its environments, the environments by name (`local` always), and what is wrong."""
    entries = dict(tree.entries())
    declared = entries.pop(ENVIRONMENTS, None)
    base = Value(tree.spot, entries)
    problems: list[Problem] = []
    found: dict[str, Entry] = {}
    if declared is not None and declared.value.data is not None and not isinstance(declared.value.data, dict):
        problems.append(Problem(*declared.value.spot, "`environments`: a mapping is wanted", "write {NAME: {…}}"))
    for name, entry in (declared.value.entries() if declared else {}).items():
        if not _NAME.fullmatch(name):
            right = "use lower-case letters, digits, - and _"
            problems.append(Problem(*entry.spot, f"`environments`: '{name}' isn't a name", right))
        elif entry.value.data is None:
            found[name] = Entry(entry.spot, Value(entry.value.spot, {}))
        elif not isinstance(entry.value.data, dict):
            said = f"`environments.{name}`: a mapping is wanted"
            problems.append(Problem(*entry.value.spot, said, "write {…}, or nothing"))
        else:
            found[name] = entry
    if LOCAL not in found:
        found[LOCAL] = Entry(tree.spot, Value(tree.spot, {}))
    return base, found, problems


def chain(name: str, environments: Mapping[str, Entry]) -> tuple[list[Value], list[Problem]]:
    """The overrides of one environment, the farthest `like` first, and what is wrong with its own `like`."""
    found: list[Value] = []
    seen: list[str] = []
    while True:
        seen.append(name)
        entries = dict(environments[name].value.entries())
        like = entries.pop(LIKE, None)
        found.insert(0, Value(environments[name].value.spot, entries))
        if like is None:
            return found, []
        wanted = like.value.data
        where = f"`environments.{name}.like`"
        if not isinstance(wanted, str) or wanted not in environments:
            near = difflib.get_close_matches(str(wanted), environments, n=1)
            right = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(environments))}"
            return found, [Problem(*like.value.spot, f"{where}: there is no environment '{wanted}'", right)]
        if wanted in seen:
            loop = " → ".join([*seen[seen.index(wanted) :], wanted])
            return found, [Problem(*like.value.spot, f"{where}: a circle ({loop})", "end it at one of them")]
        name = wanted
