"""Arguments remember that they were used, and the provider that the emulator says the same in other words."""

import pytest

from catchwater.infra.offline.protocol import UNKNOWN
from catchwater.infra.twin.environment import TwinFailed
from catchwater.infra.twin.provider import merged, unsaid
from catchwater.infra.twin.resources.given import Given, ignored
from catchwater.infra.twin.resources.kind import text
from catchwater.infra.twin.resources.registry import KINDS

CONFIG = {
    "name": "x",
    "timeout": 3,
    "tags": {"a": "b"},
    "rule": [{"id": "r", "status": "on", "inner": [{"days": 7, "size": 1}]}],
    "empty": [],
    "off": False,
}


def test_what_nobody_asked_for_is_named_by_its_path() -> None:
    given = Given(CONFIG)
    assert given["name"] == "x"
    assert given.blocks("rule")[0]["id"] == "r"
    assert given.block("rule").block("inner")["days"] == 7
    assert ignored(CONFIG, given.used) == ["rule.inner.size", "rule.status", "tags", "timeout"]


def test_unknown_empty_and_absent_are_none() -> None:
    given = Given({"a": UNKNOWN, "b": [], "c": None, "d": 0, "block": UNKNOWN})
    assert [given[name] for name in "abce"] == [None] * 4
    assert given["d"] == 0
    assert given.named(A="a", D="d") == {"D": 0}
    assert not given.block("none")
    assert given.block("none")["x"] is None


def test_a_single_block_is_one_block() -> None:
    assert Given({"mode": {"x": 1}}).block("mode")["x"] == 1
    assert ignored({"mode": {"x": 1, "y": 2}}, {"mode[]", "mode.x"}) == ["mode.y"]


def test_the_same_document_keeps_its_text() -> None:
    held = {"policy": '{"a": 1, "b": [2]}', "rule": [{"id": "x", "extra": "kept"}], "n": 1}
    said = {"policy": '{"b":[2],"a":1}', "rule": [{"id": "x"}]}
    assert merged(held, said) == held
    assert merged(held, {"policy": '{"a": 2}'})["policy"] == '{"a": 2}'
    assert merged(held, {"rule": [{"id": "y"}]})["rule"] == [{"id": "y", "extra": "kept"}]
    assert merged(held, {"rule": []})["rule"] == []
    assert merged("x", "y") == "y"


def test_computed_arguments_of_a_block_are_known_the_next_time() -> None:
    kinds = {"a": "string", "n": "number", "b": "bool", "l": ["list", "string"], "m": ["map", "string"], "k": "string"}
    schema = {"attributes": {name: {"type": kind} for name, kind in kinds.items()}, "block_types": {}}
    held = dict.fromkeys("anblm", UNKNOWN) | {"k": "kept"}
    assert unsaid(schema, held) == {"a": "", "n": 0, "b": False, "l": [], "m": {}, "k": "kept"}


def test_policies_come_as_text_or_as_a_document() -> None:
    assert text({"a": 1}) == text('{"a": 1}') == '{"a": 1}'


def test_every_type_of_the_example_has_its_functions() -> None:
    from catchwater.infra.aws.apply import types
    from catchwater.infra.compile import roots
    from tests.support.examples import EXAMPLES, plan_of

    for environment in ("dev", "prod"):
        for root in roots(plan_of("totesys", environment), EXAMPLES / "totesys"):
            assert {kind for kind in types(root) if not kind.startswith("data.")} <= KINDS.keys(), root.stack


def test_an_unknown_type_is_an_error_that_names_it() -> None:
    from catchwater.infra.twin.provider import TwinProvider

    provider = TwinProvider.__new__(TwinProvider)
    with pytest.raises(TwinFailed, match="aws_glue_job"):
        provider.kind("aws_glue_job")
