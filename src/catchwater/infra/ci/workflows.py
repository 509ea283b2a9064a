"""Which workflows a project gets: those of its `ci:`, for every environment in a cloud, in the order declared."""

from collections.abc import Sequence
from dataclasses import dataclass

from catchwater.infra.ci import cloud_build, github_actions
from catchwater.infra.names import name
from catchwater.infra.roots import Root, Variable
from catchwater.plan.plan import Plan

IMAGES = {
    "image": ("catchwater", "Dockerfile"),
    "dataflow_image": ("catchwater-dataflow", "Dockerfile.dataflow"),
}


@dataclass(frozen=True)
class Image:
    """`variable` of a root takes `address`, which is built from `dockerfile`."""

    variable: str
    address: str
    dockerfile: str


@dataclass(frozen=True)
class Stage:
    """One environment as CI sees it: the roots it plans and applies in their order (bootstrap is a person's to apply),
    and the variables that must be given to them."""

    plan: Plan
    stacks: tuple[str, ...]
    variables: tuple[Variable, ...]

    @property
    def environment(self) -> str:
        return self.plan.environment

    def role(self, purpose: str) -> str:
        """The AWS role of `plan` or `apply`, as bootstrap makes it."""
        account = self.plan.clouds["aws"]["account"]
        return f"arn:aws:iam::{account}:role/{name(self.plan, 'role', 'ci', purpose)}"

    def account(self, purpose: str) -> str:
        """The Google service account of `plan` or `apply`, as bootstrap makes it."""
        project = self.plan.clouds["google"]["project"]
        return f"{name(self.plan, 'account', 'ci', purpose)}@{project}.iam.gserviceaccount.com"

    def images(self, tag: str) -> tuple[Image, ...]:
        """The images that the roots ask for, in the repository that bootstrap makes."""
        google = self.plan.clouds.get("google", {})
        repository = name(self.plan, "repository")
        place = f"{google.get('region')}-docker.pkg.dev/{google.get('project')}/{repository}"
        asked = {variable.name for variable in self.variables}
        return tuple(
            Image(variable, f"{place}/{called}:{tag}", f"infra/{self.environment}/{dockerfile}")
            for variable, (called, dockerfile) in IMAGES.items()
            if variable in asked
        )

    @property
    def told(self) -> tuple[Variable, ...]:
        """What a person must tell: images are built."""
        return tuple(variable for variable in self.variables if variable.name not in IMAGES)


def stage(plan: Plan, roots: Sequence[Root]) -> Stage:
    applied = [root for root in roots if not root.local_state]
    asked = {variable.name: variable for root in applied for variable in root.variables if variable.required}
    return Stage(plan, tuple(f"{root.cloud}/{root.stack}" for root in applied), tuple(asked[n] for n in sorted(asked)))


def files(stages: Sequence[Stage]) -> dict[str, bytes]:
    """The CI files by path under the project; the same bytes whichever environment is built."""
    made = cloud_build if stages[0].plan.ci == "cloud_build" else github_actions
    return {path: text.encode() for path, text in made.files(stages).items()}
