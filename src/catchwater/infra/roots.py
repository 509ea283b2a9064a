"""A root of Terraform as data and as files: one root, hence one state, per stack and environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from catchwater.errors import UseError
from catchwater.infra.hcl import Block, Raw, Value, document
from catchwater.plan.plan import Plan

TERRAFORM = ">= 1.11"
PROVIDERS = {"aws": ("hashicorp/aws", "~> 6.69"), "google": ("hashicorp/google", "~> 8.7")}


@dataclass(frozen=True)
class Call:
    """One module called: `entity` is its folder under modules/<cloud>, `name` the label, `why` a comment."""

    entity: str
    name: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""

    def output(self, name: str) -> Raw:
        return Raw(f"module.{self.name}.{name}")


@dataclass(frozen=True)
class Variable:
    """What whoever applies a root has to say: never a secret's value but as `ephemeral`."""

    name: str
    description: str
    type: str = "string"
    default: Value = None
    required: bool = True
    ephemeral: bool = False


@dataclass(frozen=True)
class Root:
    """A stack of one cloud: its folder is `infra/<environment>/<cloud>/<stack>`.

    `files` are further files of the folder (plan.json, function archives' names …), by relative path. `local_state`:
    the bootstrap root, which makes the bucket that the others keep their state in.
    """

    cloud: str
    stack: str
    calls: tuple[Call, ...]
    variables: tuple[Variable, ...] = ()
    outputs: Mapping[str, Raw] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    local_state: bool = False
    purpose: str = ""

    def path(self, plan: Plan) -> str:
        return f"infra/{plan.environment}/{self.cloud}/{self.stack}"

    def up(self) -> str:
        """From the root's folder to `infra/`."""
        return "/".join([".."] * (2 + len(self.stack.split("/"))))


def rendered(root: Root, plan: Plan, backend: Mapping[str, Value]) -> dict[str, bytes]:
    """The root's files by path: main.tf, terraform.tf, and variables.tf and outputs.tf where there is something."""
    texts = {"main.tf": _main(root), "terraform.tf": _terraform(root, plan, backend)}
    if root.variables:
        texts["variables.tf"] = document([_variable(variable) for variable in root.variables])
    if root.outputs:
        texts["outputs.tf"] = document(
            [Block("output", (name,), {"value": value}) for name, value in sorted(root.outputs.items())]
        )
    found = {f"{root.path(plan)}/{name}": text.encode() for name, text in texts.items()}
    return found | {f"{root.path(plan)}/{name}": data for name, data in root.files.items()}


def _main(root: Root) -> str:
    modules_at = f"{root.up()}/modules/{root.cloud}"
    calls = [
        Block("module", (call.name,), {"source": f"{modules_at}/{call.entity}", **call.arguments}, comment=call.why)
        for call in root.calls
    ]
    return document(calls, root.purpose)


def _terraform(root: Root, plan: Plan, backend: Mapping[str, Value]) -> str:
    source, version = PROVIDERS[root.cloud]
    required: Block = Block("required_providers", (), {root.cloud: {"source": source, "version": version}})
    state = () if root.local_state else (Block("backend", ("s3" if root.cloud == "aws" else "gcs",), backend),)
    settings = Block("terraform", (), {"required_version": TERRAFORM}, (*state, required))
    return document([settings, provider(root.cloud, plan)])


def schema_files(plan: Plan, folder: Path) -> dict[str, bytes]:
    """The schemas that a plan's sources declare, as files of the root that uploads them; raises UseError by path."""
    found = {}
    for path in plan.schema_files:
        try:
            found[f"files/{path}"] = (folder / path).read_bytes()
        except OSError as error:
            said = f"the schema can't be read: {error.strerror}"
            raise UseError(said, where=path, next_step="catchwater check") from error
    return found


def labels(plan: Plan) -> dict[str, Value]:
    return {"project": plan.project.replace("_", "-"), "environment": plan.environment, "managed-by": "catchwater"}


def provider(cloud: str, plan: Plan) -> Block:
    declared = plan.clouds[cloud]
    if cloud == "aws":
        tags = Block("default_tags", (), {"tags": labels(plan)})
        account, region = str(declared["account"]), str(declared["region"])
        return Block("provider", ("aws",), {"region": region, "allowed_account_ids": [account]}, (tags,))
    project, region = str(declared["project"]), str(declared["region"])
    return Block("provider", ("google",), {"project": project, "region": region, "default_labels": labels(plan)})


def _variable(variable: Variable) -> Block:
    arguments: dict[str, Value] = {"description": variable.description, "type": Raw(variable.type)}
    if not variable.required:
        arguments["default"] = variable.default
    if variable.ephemeral:
        arguments |= {"ephemeral": True, "sensitive": True}
    return Block("variable", (variable.name,), arguments)


def modules(roots: tuple[Root, ...]) -> dict[str, bytes]:
    """The files of every module that the roots call, by path under `infra/modules`."""
    wanted = sorted({(root.cloud, call.entity) for root in roots for call in root.calls})
    found: dict[str, bytes] = {}
    for cloud, entity in wanted:
        folder = files("catchwater.infra") / "modules" / cloud / entity
        for item in sorted(folder.iterdir(), key=lambda item: item.name):
            if item.is_file() and item.name.endswith((".tf", ".md")):
                found[f"infra/modules/{cloud}/{entity}/{item.name}"] = item.read_bytes()
    return found
