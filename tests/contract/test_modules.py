"""Every Terraform module, by what it must be: four files and a README whose example works, and no wrong argument passes."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from catchwater.infra.offline.schemas import Schemas
from tests.support import mutants
from tests.support.mutants import Argument, arguments
from tests.support.terraform import MODULES, Opened, copied, declared, example, examples, named, reattach, terraform

__all__ = ["reattach", "terraform"]
FILES = ("README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf")
ENTITIES = named()
FREE = {"description", "purpose", "value", "because"}  # texts that may say anything
modules = pytest.mark.parametrize("module", ENTITIES)


Said = list[dict[str, Any]]


def diagnostics(opened: Any) -> Said:
    """The errors that `terraform validate` finds, as it says them."""
    said = json.loads(opened.run("validate", "-json", check=False).stdout)
    return [one for one in said["diagnostics"] if one["severity"] == "error"]


def uncaught(
    opened: Any,
    wrong: Callable[[str, Iterable[Argument]], str],
    chosen: Iterable[Argument],
    caught: Callable[[Argument, Said], bool],
) -> list[str]:
    """The arguments that Terraform lets pass when they are wrong.

    All are wrong at once; as it doesn't look at what depends on a wrong resource, those found are put right again and
    the rest is tried anew.
    """
    main = opened.root / "main.tf"
    text, left = main.read_text(), list(chosen)
    while left:
        main.write_text(wrong(text, left))
        said = diagnostics(opened)
        hit = [one for one in left if caught(one, said)]
        if not hit:
            break
        left = [one for one in left if one not in hit]
    return [f"{one.type}.{one.dotted}" for one in left]


def on_line(one: Argument, said: Said, *summaries: str) -> bool:
    found = [d for d in said if d.get("range", {}).get("start", {}).get("line") == one.start + 1]
    return any(not summaries or d["summary"] in summaries for d in found)


@modules
def test_a_module_has_its_files(module: str) -> None:
    held = {item.name for item in (MODULES / module).iterdir() if item.is_file()}
    assert held == set(FILES)


@modules
def test_variables_and_outputs_are_described_and_values_checked(module: str) -> None:
    """A bool says all by its type; of texts, only those of FREE are left unchecked."""
    wanting = []
    for name, variable in declared(module, "variable").items():
        described = len(variable.get("description", "").strip('"')) > 10
        kind = str(variable.get("type", ""))
        checked = variable.get("validation") or kind == "bool" or name in FREE
        if not (described and kind and checked):
            wanting.append(name)
    wanting += [
        f"output {name}"
        for name, output in declared(module, "output").items()
        if len(output.get("description", "").strip('"')) <= 5
    ]
    assert wanting == []


@modules
def test_the_versions_admit_the_providers_we_know(module: str) -> None:
    """The schemas are those of hashicorp/aws 6.69 and hashicorp/google 8.7: a module says that it needs them."""
    text = (MODULES / module / "versions.tf").read_text()
    cloud = module.split("/")[0]
    assert re.search(r'required_version = ">= 1\.11"', text)
    assert f'"hashicorp/{cloud}"' in text
    known = {"aws": r"6\.69", "google": r"8\.7"}[cloud]
    assert re.search(rf'version = "(>=|~>) {known}"', text)


@modules
def test_the_example_of_the_readme_is_a_root(module: str, terraform: Opened, tmp_path: Path) -> None:
    """Formatted, valid, planned, applied to nothing, and then nothing is left to do."""
    assert examples(module), "the README shows how the module is called"
    opened = terraform(example(module, tmp_path))
    opened.validate()
    opened.apply()
    assert opened.changes() == []


@modules
def test_the_files_are_formatted_and_the_tests_of_the_module_pass(module: str, terraform: Opened) -> None:
    opened = terraform(MODULES / module)
    opened.fmt_check()
    if list((MODULES / module).glob("tests/*.tftest.hcl")):
        assert " 0 failed" in opened.test()


@modules
def test_no_wrong_argument_of_a_resource_passes(module: str, terraform: Opened, tmp_path: Path) -> None:
    """Renamed, left out though required, of another type, of a value that the service would refuse.

    Values within a dynamic block are left alone: nobody looks at them as long as its for_each is unknown.
    """
    opened = terraform(copied(module, tmp_path))
    chosen = arguments((opened.root / "main.tf").read_text())
    plain = [one for one in chosen if not one.dynamic]
    assert chosen
    passed = {
        "renamed": uncaught(opened, mutants.renamed, chosen, unsupported),
        "mistyped": uncaught(opened, mutants.mistyped, [one for one in plain if one.type != "terraform_data"], on_line),
        "refused": uncaught(opened, mutants.ruled, [one for one in plain if mutants.rule(one)], told),
    }
    assert passed == {"renamed": [], "mistyped": [], "refused": []}


def unsupported(one: Argument, said: Said) -> bool:
    """The new name isn't known; and the old one is missed where it is required."""
    text = f'The argument "{one.name}" is required, but no definition was found.'
    return on_line(one, said, "Unsupported argument") and (
        not required(one) or any(text == d["detail"] for d in said if d["summary"] == "Missing required argument")
    )


def required(argument: Argument) -> bool:
    cloud = argument.type.split("_")[0]
    if cloud not in ("aws", "google") or len(argument.path) > 1:
        return False
    block = Schemas(cloud).schema("resource_schemas", argument.type)["block"]
    return bool(block["attributes"].get(argument.name, {}).get("required"))


def told(one: Argument, said: Said) -> bool:
    heads = (f"{one.dotted}:", f"{one.dotted}.*:")
    return any(one.type in d["summary"] and d["detail"].startswith(heads) for d in said)


WRONG = {"string": "~ none ~/", "number": "-7.5", "list(string)": '["/~none~/"]'}
HEAD = re.compile(r'^variable "(\w+)"')


@modules
def test_a_value_that_the_module_refuses_is_caught(module: str, terraform: Opened, tmp_path: Path) -> None:
    """Of each checked text, number and list: `~ none ~/` and -7.5 pass none of the validations."""
    variables = declared(module, "variable")
    chosen = {
        name: WRONG[str(one["type"])]
        for name, one in variables.items()
        if one.get("validation") and str(one["type"]) in WRONG and not elsewhere(name, one)
    }
    rest = {name: "null" for name in variables if str(variables[name]["type"]) not in WRONG}
    free = {name: "text" for name in variables if name not in chosen and name not in rest}
    opened = terraform(copied(module, tmp_path), free | rest | chosen)
    said = [json.loads(line) for line in opened.run("plan", "-json", "-input=false", check=False).stdout.splitlines()]
    refused = {one["diagnostic"]["range"]["start"]["line"] for one in said
               if one.get("diagnostic", {}).get("summary") == "Invalid value for variable"}  # fmt: skip
    lines = (opened.root / "variables.tf").read_text().split("\n")
    names = {found[1] for line in refused if (found := HEAD.match(lines[line - 1]))}
    assert sorted(set(chosen) - names) == []


def elsewhere(name: str, variable: dict[str, Any]) -> bool:
    """A free text, held to a length alone, or a value held to another variable, which is wrong too just now."""
    conditions = " ".join(str(one["condition"]) for one in variable["validation"])
    lengths = "length(" in conditions and not re.search(r"regex|contains|can\(|startswith", conditions)
    return lengths or bool(set(re.findall(r"var\.(\w+)", conditions)) - {name})
