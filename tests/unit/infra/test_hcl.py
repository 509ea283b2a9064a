"""HCL as Terraform's own formatter writes it, and read back as the data it was made from."""

import io
import os
import shutil
import string
import subprocess
from typing import Any

import hcl2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchwater.infra.hcl import Block, Raw, document, expression, quoted
from catchwater.infra.names import LIMITS, label, name
from tests.support.examples import plan_of

SAMPLE = Block(
    "module", ("x",),
    {"source": "../a", "short": ["a", "b"], "long": ["a", "b", "c"], "map": {"a": 1, "bb-c": "x${y}%{z}", "n/x": [{"q": 1}]},
     "reference": Raw("module.y.arn"), "nothing": None, "flag": True, "number": 1.5, "empty": {}, "none": []},
    (Block("inner", (), {"a": 1}), Block("bare")), "why it is here",
)  # fmt: skip


def read(text: str) -> Any:
    return hcl2.load(io.StringIO(text))


def test_it_is_what_the_formatter_writes() -> None:
    if not shutil.which("terraform"):
        pytest.skip("terraform: not on this machine")
    text = document([SAMPLE, Block("locals")], "two\nlines")
    assert formatted(text) == text
    assert formatted(text.replace("  reference = ", "  reference  = ")) == text


def formatted(text: str) -> str:
    quiet = os.environ | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(["terraform", "fmt", "-"], input=text, capture_output=True, text=True, env=quiet, check=True)
    return done.stdout


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_text_and_no_template(text: str) -> None:
    found = quoted(text)
    assert "\n" not in found
    inside = found[1:-1].replace("$${", "").replace("%%{", "")
    assert "${" not in inside
    assert "%{" not in inside


def test_values() -> None:
    assert expression(Raw("var.x")) == "var.x"
    assert expression('a"b\n') == '"a\\"b\\n"'
    assert expression(True) == "true"
    assert expression(None) == "null"
    assert expression([]) == "[]"
    assert expression({}) == "{}"


def test_it_reads_back() -> None:
    tree = read(document([Block("variable", ("a",), {"type": Raw("string"), "description": "x"})]))
    assert "variable" in tree


@given(
    st.sampled_from(sorted(LIMITS)),
    st.lists(st.text(string.ascii_letters + string.digits + "_- .:é", min_size=1, max_size=80), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_names_keep_the_limits_of_their_service(service: str, parts: list[str]) -> None:
    longest, more = LIMITS[service]
    made = name(plan_of("github_activity", "stage"), service, *parts)
    assert 0 < len(made) <= longest
    assert set(made) <= set(string.ascii_lowercase + string.digits + "-" + more)
    assert made[0].isalpha()
    assert not made.endswith("-")


def test_names_that_are_cut_stay_two() -> None:
    plan = plan_of("totesys", "dev")
    one, two = (name(plan, "account", "a" * 40 + end) for end in ("x", "y"))
    assert one != two
    assert len(one) == len(two) == 30


def test_a_name_may_be_overridden() -> None:
    from dataclasses import replace

    plan = replace(plan_of("totesys", "dev"), names={"totesys-dev-load": "loader"})
    assert name(plan, "lambda", "load") == "loader"


def test_labels_are_plain() -> None:
    assert label("ingest:totesys", "Été-1") == "ingest_totesys_t_1"
