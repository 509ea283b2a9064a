"""Frozen dataclasses out of plain data, strictly by their annotations; what a value means is not known here.

It stands where a library would take longer to be loaded than all of a run's manifests to be read.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_Read = Callable[[Any], Any]
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}


def read(kind: type[_T], data: object) -> _T:
    """`data`, as JSON gives it, as an instance of a dataclass; keys that the class doesn't have are left out.

    Raises ValueError saying where a value is of another kind or lacks. Lists become tuples, and whole numbers floats
    where these are wanted; nothing else is converted."""
    return cast(_T, _reader(cast(Any, kind))(data))


def tuple_of(kind: type[_T], data: object) -> tuple[_T, ...]:
    """A list of such instances."""
    return cast(tuple[_T, ...], _tuple(_reader(cast(Any, kind)))(data))


@cache
def _reader(kind: Any) -> _Read:
    if kind is Any or kind is object:
        return _as_it_is
    if kind in _WORDS:
        return _number if kind is float else _scalar(kind)
    if is_dataclass(kind):
        return _instance(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and inner[1:] == (...,):
        return _tuple(_reader(inner[0]))
    if origin is dict and inner[0] is str:
        return _mapping(_reader(inner[1]))
    if origin in (Union, UnionType) and len(inner) == 2 and NoneType in inner:
        return _optional(_reader(next(one for one in inner if one is not NoneType)))
    raise TypeError(f"{kind} isn't read from plain data")


def _as_it_is(value: Any) -> Any:
    return value


def _scalar(kind: type) -> _Read:
    def scalar(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{_WORDS[kind]} is wanted")
        return value

    return scalar


def _number(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise ValueError("a number is wanted")
    return float(value)


def _optional(of: _Read) -> _Read:
    return lambda value: None if value is None else of(value)


def _tuple(of: _Read) -> _Read:
    def listed(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise ValueError("a list is wanted")
        return tuple([of(item) for item in value])

    return listed


def _mapping(of: _Read) -> _Read:
    def mapped(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise ValueError("a mapping is wanted")
        return {key: of(item) for key, item in value.items()}

    return mapped


def _instance(kind: Any) -> _Read:
    def instance(value: Any) -> Any:
        if type(value) is not dict:
            raise ValueError("a mapping is wanted")
        held: dict[str, Any] = {}
        name = ""
        try:
            for name, of, default in _parts(kind):  # not before: a class may hold itself
                held[name] = of(value[name]) if name in value else default()
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        made = object.__new__(kind)
        made.__dict__.update(held)  # as __init__ would, in a third of its time
        return made

    return instance


@cache
def _parts(kind: Any) -> tuple[tuple[str, _Read, Any], ...]:
    hints: Mapping[str, Any] = get_type_hints(kind)
    return tuple((field.name, _reader(hints[field.name]), _default(field)) for field in fields(kind))


def _default(field: Any) -> Callable[[], Any]:
    if field.default_factory is not MISSING:
        return cast(Callable[[], Any], field.default_factory)
    if field.default is MISSING:
        return _lacking
    return lambda: field.default


def _lacking() -> Any:
    raise ValueError("it is missing")
