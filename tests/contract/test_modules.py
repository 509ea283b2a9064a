"""Every Terraform module, by what it must be: four files and a README whose example works, and no wrong argument passes."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from catchwater.infra.offline.schemas import Schemas
from catchwater.infra.offline.terraform import Terraform
from tests.support import mutants
from tests.support.mutants import Argument, arguments
from tests.support.terraform import MODULES, Opened, calling, declared, example, examples, named, reattach, terraform

__all__ = ["reattach", "terraform"]
FILES = ("README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf")
ENTITIES = named()
Said = list[dict[str, Any]]
Wrong = Callable[[str, Iterable[Argument]], str]
FREE = {"description", "purpose", "value", "because"}  # texts that may say anything
modules = pytest.mark.parametrize("module", ENTITIES)


clouds = pytest.mark.parametrize("cloud", ["aws", "google"])


def wrongs(opened: Any) -> list[dict[str, Any]]:
    """The errors that `terraform validate` finds, as it says them."""
    said = json.loads(opened.run("validate", "-json", check=False).stdout)
    return [one for one in said["diagnostics"] if one["severity"] == "error"]


def uncaught(
    opened: Any, among: str, wrong: Wrong, chosen: Callable[[Argument], bool], caught: Callable[[Argument, Said], bool]
) -> list[str]:
    """The arguments, of all modules whose name begins so, that Terraform lets pass when they are wrong.

    All are wrong at once; as it doesn't look at what depends on a wrong resource, those found are put right again and
    the rest is tried anew.
    """
    files = {one: opened.root.parent / "modules" / one / "main.tf" for one in ENTITIES if one.startswith(among)}
    texts = {one: file.read_text() for one, file in files.items()}
    left = {one: [argument for argument in arguments(text) if chosen(argument)] for one, text in texts.items()}
    assert any(left.values())
    while any(left.values()):
        for one, file in files.items():
            file.write_text(wrong(texts[one], left[one]))
        errors = wrongs(opened)
        said = {
            one: [d for d in errors if f"modules/{one}/" in d.get("range", {}).get("filename", "")] for one in files
        }
        hit = {one: [argument for argument in left[one] if caught(argument, said[one])] for one in files}
        if not any(hit.values()):
            break
        left = {one: [argument for argument in left[one] if argument not in hit[one]] for one in files}
    return [f"{one}:{argument.start + 1}: {argument.dotted}" for one, found in left.items() for argument in found]


def on_line(one: Argument, said: Said, *summaries: str) -> bool:
    found = [d for d in said if d["range"]["start"]["line"] == one.start + 1]
    return any(not summaries or d["summary"] in summaries for d in found)


@pytest.fixture
def calls(cloud: str, terraform: Opened, tmp_path: Path) -> Any:
    """Terraform on a root that calls every module with values that nobody knows yet."""
    return terraform(calling(cloud, tmp_path, lambda module, variable: None))


@clouds
def test_no_renamed_argument_passes(cloud: str, calls: Any, terraform: Opened, tmp_path: Path) -> None:
    """The new name isn't known; and the old one is missed where it is required."""

    def caught(one: Argument, said: Said) -> bool:
        text = f'The argument "{one.name}" is required, but no definition was found.'
        missed = not required(one) or any(text == d["detail"] for d in said)
        return on_line(one, said, "Unsupported argument") and missed

    left = uncaught(calls, cloud, mutants.renamed, lambda one: True, caught)
    for module in sorted({one.split(":")[0] for one in left}):  # a dynamic block over what isn't known at all
        opened = terraform(example(module, tmp_path / module))
        lines = {int(one.split(":")[1]) for one in left if one.startswith(f"{module}:")}
        main = opened.root.parent / "modules" / module / "main.tf"
        text = main.read_text()
        main.write_text(mutants.renamed(text, [one for one in arguments(text) if one.start + 1 in lines]))
        said = [json.loads(line) for line in opened.run("plan", "-json", check=False).stdout.splitlines()]
        found = {one["diagnostic"]["range"]["start"]["line"] for one in said if "range" in one.get("diagnostic", {})}
        assert sorted(lines - found) == []


def required(argument: Argument) -> bool:
    cloud = argument.type.split("_")[0]
    if cloud not in ("aws", "google") or len(argument.path) > 1:
        return False
    block = Schemas(cloud).schema("resource_schemas", argument.type)["block"]
    return bool(block["attributes"].get(argument.name, {}).get("required"))


@clouds
def test_no_argument_of_another_type_passes(cloud: str, calls: Any) -> None:
    """Not within a dynamic block: nobody looks into it as long as its for_each is unknown."""

    def chosen(one: Argument) -> bool:
        return not one.dynamic and one.type != "terraform_data"

    assert uncaught(calls, cloud, mutants.mistyped, chosen, on_line) == []


@clouds
def test_no_value_passes_that_the_service_would_refuse(cloud: str, calls: Any) -> None:
    def told(one: Argument, said: Said) -> bool:
        heads = (f"{one.dotted}:", f"{one.dotted}.*:")
        return any(one.type in d["summary"] and d["detail"].startswith(heads) for d in said)

    def chosen(one: Argument) -> bool:
        return not one.dynamic and mutants.rule(one) is not None

    assert uncaught(calls, cloud, mutants.ruled, chosen, told) == []


@clouds
def test_no_value_passes_that_a_module_refuses(cloud: str, terraform: Opened, tmp_path: Path) -> None:
    """Of each checked text, number and list: `~ none ~/` and -7.5 pass none of the validations."""

    def wrong(module: str, name: str) -> str | None:
        variable = declared(module, "variable")[name]
        checked = variable.get("validation") and not elsewhere(name, variable)
        return WRONG.get(str(variable["type"])) if checked else None

    opened = terraform(calling(cloud, tmp_path, wrong))
    refused = {
        one["range"]["start"]["line"] for one in wrongs(opened) if one["summary"] == "Invalid value for variable"
    }
    lines = (opened.root / "main.tf").read_text().splitlines()
    tried = [number for number, line in enumerate(lines, 1) if line.endswith(tuple(WRONG.values()))]
    assert len(tried) > 20
    assert [lines[number - 1] for number in tried if number not in refused] == []


WRONG = {"string": '"~ none ~/"', "number": "-7.5", "list(string)": '["~ none ~/"]'}


def elsewhere(name: str, variable: dict[str, Any]) -> bool:
    """A free text, held to a length alone, or a value held to another variable, which is wrong too just now."""
    conditions = " ".join(str(one["condition"]) for one in variable["validation"])
    lengths = "length(" in conditions and not re.search(r"regex|contains|can\(|startswith", conditions)
    return lengths or bool(set(re.findall(r"var\.(\w+)", conditions)) - {name})


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
    opened.apply()
    assert opened.changes() == []


def test_every_file_is_formatted(reattach: str, tmp_path: Path) -> None:
    Terraform(MODULES, tmp_path, reattach).fmt_check()


TESTED = sorted({str(file.parents[1].relative_to(MODULES)) for file in MODULES.glob("*/*/tests/*.tftest.hcl")})


@pytest.mark.parametrize("module", TESTED)
def test_the_tests_of_a_module_pass(module: str, terraform: Opened) -> None:
    said = terraform(MODULES / module).test()
    assert " 0 failed" in said
    assert "Success! 0 passed" not in said
