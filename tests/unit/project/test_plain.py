"""Dataclasses out of plain data: what was written comes back the same, and nothing is taken for what it isn't."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from catchwater.project import plain


@dataclass(frozen=True)
class Leaf:
    name: str
    size: int = 0
    share: float = 0.5
    there: bool = True


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = field(default_factory=dict)
    note: str | None = None
    anything: dict[str, Any] = field(default_factory=dict)
    within: tuple["Tree", ...] = ()


def test_what_is_read_is_what_the_class_would_make() -> None:
    data = {
        "leaf": {"name": "a", "share": 1}, "leaves": [{"name": "b", "size": 2, "there": False}],
        "named": {"c": {"name": "c"}}, "note": None, "anything": {"x": [1, {"y": None}]},
        "within": [{"leaf": {"name": "d"}, "another key": 1}],
    }  # fmt: skip
    made = plain.read(Tree, data)
    assert made == Tree(
        Leaf("a", share=1.0), (Leaf("b", 2, there=False),), {"c": Leaf("c")}, None, {"x": [1, {"y": None}]},
        (Tree(Leaf("d")),),
    )  # fmt: skip
    assert type(made.leaf.share) is float
    assert made.named is not plain.read(Tree, {"leaf": {"name": "a"}}).named
    assert plain.tuple_of(Leaf, [{"name": "a"}, {"name": "b"}]) == (Leaf("a"), Leaf("b"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "a mapping is wanted"),
        ({}, "leaf: it is missing"),
        ({"leaf": {"name": 1}}, "leaf: name: text is wanted"),
        ({"leaf": {"name": None}}, "leaf: name: text is wanted"),
        ({"leaf": {"name": "a", "size": "1"}}, "leaf: size: a whole number is wanted"),
        ({"leaf": {"name": "a", "size": True}}, "leaf: size: a whole number is wanted"),
        ({"leaf": {"name": "a", "size": 1.0}}, "leaf: size: a whole number is wanted"),
        ({"leaf": {"name": "a", "share": "1"}}, "leaf: share: a number is wanted"),
        ({"leaf": {"name": "a", "share": False}}, "leaf: share: a number is wanted"),
        ({"leaf": {"name": "a", "there": 1}}, "leaf: there: true or false is wanted"),
        ({"leaf": {"name": "a"}, "leaves": {}}, "leaves: a list is wanted"),
        ({"leaf": {"name": "a"}, "named": []}, "named: a mapping is wanted"),
        ({"leaf": {"name": "a"}, "note": 3}, "note: text is wanted"),
        ({"leaf": {"name": "a"}, "within": [{}]}, "within: leaf: it is missing"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_every_other_kind_is_refused_where_it_stands(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        plain.read(Tree, data)


def test_a_class_of_unknown_parts_isn_t_read_at_all() -> None:
    @dataclass(frozen=True)
    class Odd:
        both: int | str

    with pytest.raises(TypeError, match="isn't read from plain data"):
        plain.read(Odd, {"both": 1})
