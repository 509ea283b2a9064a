"""The serve stack of Google Cloud: the API, with the console, as a Cloud Run service."""

from catchwater.infra.google import places
from catchwater.infra.google.workflow import IMAGE, called, service
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.roots import Root, Variable
from catchwater.plan.plan import Plan

PURPOSE = "The API and the console."


def root(plan: Plan) -> Root | None:
    wanted = [step for step in places.steps(plan, "service") if step.stage == "serve"]
    if not wanted:
        return None
    declared = plan.serve.get("api")
    sizes = declared if isinstance(declared, dict) else {}
    more: dict[str, Value] = {
        "min": sizes.get("min", 0),
        "max": sizes.get("max", 2),
        "concurrency": sizes.get("concurrency", 40),
        "public": True,
        "invokers": Raw("var.invokers"),
    }
    said = "Who reaches the API, label to member; it asks everybody for a key of its own. Name a group to ask twice."
    return Root(
        cloud="google",
        stack="serve",
        calls=tuple(service(plan, step, more) for step in wanted),
        variables=(
            IMAGE,
            Variable("invokers", said, "map(string)", default={"everybody": "allUsers"}, required=False),
        ),
        outputs={"uri": Raw(f"module.{called(wanted[0])}.uri")},
        purpose=PURPOSE,
    )
