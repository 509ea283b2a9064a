"""What pydantic refuses, said in the project file's own words with its line; no value is repeated but a choice."""

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from catchwater.errors import Problem
from catchwater.project.document import Spot, Trail, Value
from catchwater.project.schema import Project

_KEY = "[key]"
_KINDS = {
    "model_type": "a mapping is wanted: {key: value}",
    "model_attributes_type": "a mapping is wanted: {key: value}",
    "dict_type": "a mapping is wanted: {name: {…}}",
    "list_type": "a list is wanted: [one, two]",
    "string_type": "text is wanted: put it in quotes",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "bool_type": "true or false is wanted, without quotes",
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "less_than": "too large",
    "too_short": "at least one is wanted",
}
_LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than"}
_PATTERNS = {
    "account": "an account number has 12 digits, in quotes",
    "project": "a name is lower-case letters, digits and _, at most 40, and begins with a letter",
}


def dotted(trail: Iterable[str | int]) -> str:
    """A trail as people write it: `sources.shop.tables[0]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in trail)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str], listed: int = 12) -> str:
    """`did you mean …?`, else the list of what is known when it is short, else nothing."""
    options = sorted(known)
    lowered = {option.lower(): option for option in options}
    near = difflib.get_close_matches(word.lower(), lowered, n=1)
    if near:
        return f"did you mean {lowered[near[0]]}?"
    return f"known here: {', '.join(options)}" if 0 < len(options) <= listed else ""


def problem(tree: Value, error: ErrorDetails) -> Problem:
    """One error of pydantic as a problem at the line of what it is about."""
    loc, kind = error["loc"], error["type"]
    trail = _trail(tree, loc)
    if kind in _SAYING:
        return _SAYING[kind](tree, trail, error)
    message = _KINDS.get(kind)
    if message is None and kind == "string_pattern_mismatch":
        message = _PATTERNS["project" if loc[-1] == _KEY else str(loc[-1])]
    if message is None and kind == "value_error":
        message = str(error["ctx"]["error"])
    ctx = error.get("ctx", {})
    right = next((f"{said} {ctx[limit]}" for limit, said in _LIMITS.items() if limit in ctx), "")
    spot = _key_spot(tree, trail) if loc and loc[-1] == _KEY else _spot(tree, trail)
    return Problem(*spot, f"`{dotted(trail)}`: {message or error['msg']}", right)


def _unknown(tree: Value, trail: Trail, error: ErrorDetails) -> Problem:
    known = set(_fields(error["loc"][:-1])) | ({"environments", "like"} if len(trail) == 1 else set())
    parent = dotted(trail[:-1])
    message = f"unknown key `{trail[-1]}`" + (f" in `{parent}`" if parent else "")
    return Problem(*_key_spot(tree, trail), message, nearest(str(trail[-1]), known, 20))


def _missing(tree: Value, trail: Trail, error: ErrorDetails) -> Problem:
    key = str(error["loc"][-1])
    above = dotted(trail)
    message = f"`{above}`: `{key}` is missing" if above else f"`{key}` is missing"
    return Problem(*_key_spot(tree, trail), message, f"write `{key}: …`")


def _untagged(tree: Value, trail: Trail, error: ErrorDetails) -> Problem:
    choices = ", ".join(_tags(error["loc"]))
    return Problem(*_key_spot(tree, trail), f"`{dotted(trail)}`: `kind` is missing", f"one of {choices}")


def _choice(tree: Value, trail: Trail, error: ErrorDetails) -> Problem:
    tagged = error["type"] == "union_tag_invalid"
    trail = (*trail, "kind") if tagged else trail
    found = tree.at(*trail)
    value = found.data if found is not None else error["input"]
    if isinstance(value, bool):
        right = "put the word in quotes"
        return Problem(
            *_spot(tree, trail), f"`{dotted(trail)}`: YAML reads this as {str(value).lower()}, not as a word", right
        )
    choices = _tags(error["loc"]) if tagged else _choices(error)
    shown = f"'{value}'" if isinstance(value, str | int | float) else "this"
    message = f"`{dotted(trail)}`: {shown} isn't one of {', '.join(choices)}"
    near = nearest(str(value), choices, 0)
    return Problem(*_spot(tree, trail), message, near)


_SAYING = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "union_tag_not_found": _untagged,
    "union_tag_invalid": _choice,
    "literal_error": _choice,
}


def _trail(tree: Value, loc: tuple[int | str, ...]) -> Trail:
    """The part of pydantic's location that the file has: without tags of unions and keys that aren't there."""
    trail: Trail = ()
    for step in loc:
        if tree.at(*trail, step) is not None:
            trail = (*trail, step)
    return trail


def _spot(tree: Value, trail: Trail) -> Spot:
    found = tree.at(*trail)
    return found.spot if found is not None else tree.spot


def _key_spot(tree: Value, trail: Trail) -> Spot:
    parent = tree.at(*trail[:-1]) if trail else None
    if parent is None:
        return tree.spot
    step = trail[-1]
    return parent.entries()[step].spot if isinstance(step, str) else _spot(tree, trail)


def _choices(error: ErrorDetails) -> list[str]:
    kind: Any = Project
    for step in error["loc"]:
        kind = _below(kind, step)
    return [str(choice) for choice in get_args(_bare(kind))]


def _tags(loc: tuple[int | str, ...]) -> list[str]:
    kind: Any = Project
    for step in loc:
        kind = _below(kind, step)
    return [tag for member in get_args(_bare(kind)) for tag in _kind(member)]


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    kind: Any = Project
    for step in loc:
        kind = _below(kind, step)
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return []


def _below(kind: Any, step: str | int) -> Any:
    """The declared type one step down: a field, a dict's or list's content, the member of a union by its tag."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        return fields.get(str(step))
    if get_origin(kind) in (dict, list):
        return get_args(kind)[-1]
    return next((member for member in get_args(kind) if step in _kind(member)), None)


def _kind(member: Any) -> tuple[Any, ...]:
    tags = tuple(part.tag for part in getattr(member, "__metadata__", ()) if isinstance(part, Tag))
    fields = getattr(member, "model_fields", {})
    return tags or (get_args(fields["kind"].annotation) if "kind" in fields else ())


def _bare(kind: Any) -> Any:
    """A type without Annotated and None."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal or get_args(kind) == ():
        return kind
    rest = [member for member in get_args(kind) if member is not type(None)]
    if len(rest) < len(get_args(kind)):
        return _bare(rest[0]) if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return kind
