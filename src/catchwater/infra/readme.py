"""The README and the picture of one built environment: what each root is, and the order to apply them in."""

from collections.abc import Sequence

from catchwater import __version__
from catchwater.infra.roots import Root
from catchwater.plan.diagram import svg
from catchwater.plan.plan import Plan


def readme(plan: Plan, roots: Sequence[Root], paths: Sequence[str]) -> dict[str, bytes]:
    folder = f"infra/{plan.environment}"
    return {f"{folder}/README.md": text(plan, roots, paths).encode(), f"{folder}/diagram.svg": svg(plan).encode()}


def text(plan: Plan, roots: Sequence[Root], paths: Sequence[str]) -> str:
    parts = [
        f"# {plan.project} in {plan.environment}\n",
        f"Written by `catchwater build --env {plan.environment}` (catchwater {__version__}) from `catchwater.yml`; "
        "change that and build again. The folder stands alone: Terraform needs nothing of Catchwater.\n",
        "![the plan](diagram.svg)\n",
        "## Roots, in the order they are applied\n",
        "| root | what | modules |",
        "| --- | --- | --- |",
        *(_root(root) for root in roots),
        "",
        _apply(plan, roots),
        "## Steps\n",
        "| step | runs on | memory | at most | woken by |",
        "| --- | --- | --- | --- | --- |",
        *(_step(plan, number) for number in range(len(plan.steps))),
        "",
        "## To be told\n",
        *_asked(roots),
        "",
        "## Files\n",
        *(f"- `{path}`" for path in paths if path.startswith((f"infra/{plan.environment}/", ".github", "cloudbuild"))),
    ]
    return "\n".join(parts) + "\n"


def _root(root: Root) -> str:
    entities = ", ".join(sorted({call.entity for call in root.calls}))
    return f"| `{root.cloud}/{root.stack}` | {root.purpose.splitlines()[0] if root.purpose else ''} | {entities} |"


def _apply(plan: Plan, roots: Sequence[Root]) -> str:
    lines = [
        "```sh",
        *(
            f"terraform -chdir=infra/{plan.environment}/{root.cloud}/{root.stack} init\n"
            f"terraform -chdir=infra/{plan.environment}/{root.cloud}/{root.stack} apply"
            for root in roots
        ),
        "```\n",
    ]
    if any(step.compute in ("lambda", "function") for step in plan.steps):
        lines.insert(1, f"catchwater package --env {plan.environment}")
    first = [f"{root.cloud}/{root.stack}" for root in roots if root.local_state]
    if first:
        said = " and ".join(f"`{name}`" for name in first)
        lines.append(f"{said}: applied once by a person with the right to; its state stays in its folder until then.\n")
    return "\n".join(lines)


def _step(plan: Plan, number: int) -> str:
    step = plan.steps[number]
    if not step.place:
        return f"| `{step.name}` | nowhere: {step.unplaced} | | | |"
    wakes = sorted({f"{t.kind} {t.detail}".strip() for t in plan.triggers if t.step == step.name})
    shown = ", ".join(wakes[:3]) + (f" and {len(wakes) - 3} more" if len(wakes) > 3 else "")
    where = f"{step.compute} on {step.place}"
    return f"| `{step.name}` | {where} | {step.memory} MB | {step.timeout:.0f} s | {shown or 'a request'} |"


def _asked(roots: Sequence[Root]) -> list[str]:
    found = [
        f"- `{variable.name}` ({root.cloud}/{root.stack}): {variable.description}"
        + (" Never kept in state." if variable.ephemeral else "")
        for root in roots
        for variable in root.variables
        if variable.required
    ]
    return found or ["Nothing: every variable has its value."]
