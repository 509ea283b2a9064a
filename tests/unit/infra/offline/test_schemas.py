"""The real schemas out of the public wheels: counts, known attributes, what is fetched and what is refused."""

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from catchwater.errors import SchemaMissing
from catchwater.infra.offline import schemas, wheels
from catchwater.infra.offline.bindings import Binding, BindingUnread
from catchwater.infra.offline.rules_aws import AWS
from catchwater.infra.offline.rules_google import GOOGLE
from catchwater.infra.offline.schemas import Schemas
from catchwater.infra.offline.tables import FORCE_NEW, SENSITIVE, SHAPES

KINDS = ("resource_schemas", "data_source_schemas")


@pytest.mark.parametrize(("cloud", "resources", "data"), [("aws", 1734, 685), ("google", 1374, 471)])
def test_every_type_but_one_is_read(cloud: str, resources: int, data: int) -> None:
    """One type of each provider holds itself and can't be written down: it is named, and left out."""
    found = Schemas(cloud)
    assert [len(found.types(kind)) for kind in KINDS] == [resources, data]
    unread = json.loads((found.folder / "unread.json").read_text())
    assert len(unread) == 1
    (name,) = unread
    with pytest.raises(SchemaMissing, match="holds itself"):
        found.schema(*name.split("/"))


def test_attributes_and_blocks_are_those_of_the_provider() -> None:
    block = Schemas("aws").schema("resource_schemas", "aws_lambda_function")["block"]
    attributes, blocks = block["attributes"], block["block_types"]
    assert attributes["function_name"] == {"type": "string", "required": True}
    assert attributes["memory_size"] == {"type": "number", "optional": True}
    assert attributes["arn"] == {"type": "string", "computed": True}
    assert attributes["architectures"] == {"type": ["list", "string"], "optional": True, "computed": True}
    assert attributes["replacement_security_group_ids"]["type"] == ["set", "string"]
    assert attributes["tags"]["type"] == ["map", "string"]
    assert (blocks["environment"]["nesting_mode"], blocks["environment"]["max_items"]) == ("list", 1)
    assert blocks["environment"]["block"]["attributes"]["variables"]["type"] == ["map", "string"]
    assert blocks["timeouts"]["nesting_mode"] == "single"


def test_blocks_in_blocks_required_ones_and_computed_objects() -> None:
    schedule = Schemas("aws").schema("resource_schemas", "aws_scheduler_schedule")["block"]["block_types"]
    assert schedule["target"] | {"block": 0} == {"nesting_mode": "list", "min_items": 1, "max_items": 1, "block": 0}
    assert schedule["target"]["block"]["block_types"]["retry_policy"]["max_items"] == 1
    attributes = schedule["target"]["block"]["attributes"]
    assert [name for name, one in attributes.items() if one.get("required")] == ["arn", "role_arn"]
    document = Schemas("aws").schema("data_source_schemas", "aws_iam_policy_document")["block"]
    assert document["block_types"]["statement"]["block"]["block_types"]["principals"]["nesting_mode"] == "set"
    run = Schemas("google").schema("resource_schemas", "google_cloud_run_v2_service")["block"]
    assert run["attributes"]["conditions"]["type"][0] == "list"
    assert run["attributes"]["conditions"]["type"][1][0] == "object"
    assert run["attributes"]["conditions"]["type"][1][1]["severity"] == "string"
    container = run["block_types"]["template"]["block"]["block_types"]["containers"]["block"]
    assert container["block_types"]["env"]["block"]["attributes"]["name"] == {"type": "string", "required": True}


def test_a_document_holds_what_is_asked_for_and_the_provider_itself() -> None:
    made = Schemas("aws").document(["aws_sqs_queue", "data.aws_region", "aws_no_such_thing"])
    ((source, found),) = made["provider_schemas"].items()
    assert source == "registry.terraform.io/hashicorp/aws"
    assert [sorted(found[kind]) for kind in KINDS] == [["aws_sqs_queue"], ["aws_region"]]
    provider = found["provider"]["block"]
    assert "alias" not in provider["attributes"]
    assert provider["attributes"]["allowed_account_ids"]["type"] == ["set", "string"]
    assert provider["block_types"]["default_tags"]["block"]["attributes"]["tags"]["type"] == ["map", "string"]
    with pytest.raises(SchemaMissing, match="hashicorp/aws has no such type"):
        Schemas("aws").schema("resource_schemas", "aws_no_such_thing")


def test_the_cache_holds_what_the_wheel_says() -> None:
    """Some libraries are read anew: they give what was kept when the wheel was first extracted."""
    found = Schemas("google")
    wanted = ('"google_cloud_run_v2_service"', '"google_storage_bucket"', 'tfResourceType = "google"')
    texts = [
        text
        for text in schemas.libraries(wheels.fetch("google", wheels.cache()))
        if any(map(text.__contains__, wanted))
    ]
    for binding in map(read, texts):
        path = "provider.json" if binding.kind == "provider" else f"{binding.kind}/{binding.type}.json"
        assert binding.schema() == json.loads((found.folder / path).read_text())
    assert len(texts) == 5


def test_our_tables_name_only_what_exists() -> None:
    wrong = []
    for table in (FORCE_NEW, SENSITIVE, SHAPES):
        for name, words in table.items():
            found = Schemas(name.split("_")[0])
            kind = next(kind for kind in KINDS if name in found.types(kind))
            text = json.dumps(found.schema(kind, name))
            wrong += [f"{name}.{word}" for word in words if f'"{word}": {{' not in text]
    assert wrong == []


@pytest.mark.parametrize(("cloud", "table"), [("aws", AWS), ("google", GOOGLE)], ids=["aws", "google"])
def test_every_rule_is_about_an_argument_that_exists(cloud: str, table: dict[str, dict[str, object]]) -> None:
    wrong = []
    for name, rules in table.items():
        for dotted in rules:
            block, path = Schemas(cloud).schema("resource_schemas", name)["block"], dotted.split(".")
            while path and path[0] in block["block_types"]:
                block = block["block_types"][path.pop(0)]["block"]
            if path and path[0] not in block["attributes"]:
                wrong.append(f"{name}.{dotted}")
    assert wrong == []


LIBRARY = """
class Thing extends cdktn.TerraformResource {
    static tfResourceType = "aws_thing";
    // name - computed: false, optional: false, required: true
    get name() { return this.getStringAttribute('name'); }
    // counts - computed: true, optional: false, required: false
    get counts() { return cdktn.Fn.tolist(this.getNumberListAttribute('counts')); }
    // part - computed: false, optional: false, required: true
    _part = new ThingPartList(this, "part", true);
    // SYNTHESIS
    synthesizeHclAttributes() {
        const attrs = {
            name: {
                value: cdktn.stringToHclTerraform(this._name),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            part: {
                value: cdktn.listMapperHcl(thingPartToHclTerraform, true)(this._part.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "ThingPartList",
            },
        };
    }
}
class ThingPartOutputReference extends cdktn.ComplexObject {
%s
}
class ThingPartList extends cdktn.ComplexList {
    get(index) {
        return new ThingPartOutputReference(this.terraformResource, index);
    }
}
"""
PART = "    // size - computed: false, optional: true, required: false\n    get size() { this.getNumberAttribute('size'); }"
ITSELF = '    // part - computed: true, optional: false, required: false\n    _part = new ThingPartList(this, "part", false);'


def read(text: str) -> Binding:
    found = Binding.read(text)
    assert found
    return found


def test_a_binding_is_read_as_it_is_written() -> None:
    part = {"attributes": {"size": {"type": "number", "optional": True}}, "block_types": {}}
    assert read(LIBRARY % PART).schema()["block"] == {
        "attributes": {
            "name": {"type": "string", "required": True},
            "counts": {"type": ["set", "number"], "computed": True},
        },
        "block_types": {"part": {"nesting_mode": "set", "min_items": 1, "block": part}},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LIBRARY % ITSELF, "holds itself"),
        ((LIBRARY % PART).replace("getNumberListAttribute", "getOddAttribute"), "no getter is called Odd"),
        ((LIBRARY % PART).replace('storageClassType: "string"', 'storageClassType: "odd"'), "no type is called odd"),
        ((LIBRARY % PART).replace("new ThingPartList(this", "new ThingOtherList(this"), "which isn't there"),
        ((LIBRARY % PART).replace("return new Thing", "return a.Thing"), "says not what it holds"),
    ],
    ids=["itself", "getter", "type", "class", "element"],
)
def test_what_is_written_otherwise_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(BindingUnread, match=said):
        read(text).schema()


def test_a_library_without_a_resource_is_no_binding() -> None:
    assert Binding.read("class X extends cdktn.ComplexObject {\n}\n") is None


def packed(folder: Path, files: dict[str, str]) -> Path:
    """A wheel like the real ones: an archive of JavaScript within it."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    path = folder / "example_provider-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("example/_jsii/provider.jsii.tgz", inner.getvalue())
    return path


def test_a_wheel_is_extracted_once_struct_files_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head, part = (LIBRARY % PART).split("class ThingPartOutputReference")
    struct = "class ThingPartOutputReference" + part
    files = {
        "package/lib/thing/index.js": head.replace("new ThingPartList", "new index_structs_1.ThingPartList")
        + "//# sourceMappingURL=x\n",
        "package/lib/thing/index-structs/structs0.js": struct,
        "package/lib/odd/index.js": (LIBRARY % ITSELF).replace("aws_thing", "aws_odd"),
        "package/lib/none/index.js": "const x = 1;\n",
        "package/lib/provider/index.js": (LIBRARY % PART).replace("TerraformResource", "TerraformProvider"),
        "package/README.md": "no",
    }
    path = packed(tmp_path, files)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    wheel = wheels.Wheel("example-provider", "1.0", digest, "registry.terraform.io/hashicorp/aws", "6.0")
    monkeypatch.setitem(wheels.WHEELS, "aws", wheel)
    found = Schemas("aws", tmp_path)
    assert found.types() == {"aws_thing"}
    assert found.document(["aws_thing"])["provider_schemas"][wheel.source]["resource_schemas"]["aws_thing"]
    monkeypatch.setattr(schemas, "extract", None)  # a second time nothing is extracted
    assert Schemas("aws", tmp_path).types() == {"aws_thing"}


def test_another_wheel_than_the_expected_is_refused(tmp_path: Path) -> None:
    held = tmp_path / "cdktn_provider_aws-25.8.1-py3-none-any.whl"
    held.write_bytes(b"something else")
    with pytest.raises(SchemaMissing, match=r"isn't the one that is expected") as caught:
        wheels.fetch("aws", tmp_path)
    assert caught.value.next_step == f"rm {held}"


def test_a_wheel_that_cannot_be_had_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheels.Wheel("catchwater", "0.0.0.dev0", "0" * 64, "x", "1")
    monkeypatch.setitem(wheels.WHEELS, "aws", wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SchemaMissing, match=r"can't be downloaded") as caught:
        wheels.fetch("aws", tmp_path)
    assert caught.value.next_step.startswith("pip download --no-deps catchwater==0.0.0.dev0")
    assert [item.name for item in tmp_path.iterdir()] == ["wheel-aws.lock"]


def test_a_wheel_is_downloaded_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path, {})
    path = path.rename(tmp_path / "example_provider-1.0-py3-none-any.whl")
    with zipfile.ZipFile(path, "a") as whole:
        whole.writestr(
            "example_provider-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: example-provider\nVersion: 1.0\n"
        )
        whole.writestr(
            "example_provider-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        whole.writestr("example_provider-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setitem(wheels.WHEELS, "aws", wheels.Wheel("example-provider", "1.0", digest, "x", "1"))
    assert wheels.fetch("aws", tmp_path / "cache").read_bytes() == path.read_bytes()
    monkeypatch.setitem(wheels.WHEELS, "aws", wheels.Wheel("example-provider", "1.0", "0" * 64, "x", "1"))
    with pytest.raises(SchemaMissing, match=r"can't be downloaded"):
        wheels.fetch("aws", tmp_path / "other")


def test_the_cache_lies_where_caches_lie() -> None:
    assert wheels.cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/catchwater/terraform")
    assert wheels.cache({}) == Path.home() / ".cache/catchwater/terraform"
