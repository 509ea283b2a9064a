"""The storage stack of AWS: buckets, the configuration in them, secrets, and the network's way to them."""

from pathlib import Path

from catchwater.infra.aws import places, sql
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label
from catchwater.infra.roots import Call, Root, Variable, schema_files
from catchwater.plan.network import endpoints, private
from catchwater.plan.plan import Plan

PURPOSE = "What steps read and write: the zones of the lake, the configuration in them, and the places of secrets."


def root(plan: Plan, folder: Path) -> Root:
    calls = [*_buckets(plan), *_configuration(plan), *_secrets(plan), *_network(plan)]
    outputs = {f"{zone}_bucket": Raw(f"module.{zone}.name") for zone in ("ingestion", "processed", "artifacts")}
    return Root(
        cloud="aws",
        stack="storage",
        calls=tuple(calls),
        variables=_variables(plan),
        outputs=outputs,
        files={"plan.json": plan.to_bytes(), **schema_files(plan, folder), **sql.files(plan)},
        purpose=PURPOSE,
    )


def _buckets(plan: Plan) -> list[Call]:
    found = []
    key: dict[str, Value] = {"kms_key": str(plan.lake["kms_key"])} if plan.lake.get("kms_key") else {}
    for zone, why in (("ingestion", "raw, immutable"), ("processed", "modelled")):
        found.append(Call("bucket", zone, {"name": places.bucket(plan, zone), **key}, f"The {zone} zone: {why}"))
    artifacts: dict[str, Value] = {"name": places.bucket(plan, "artifacts"), "events": False, **key}
    found.append(Call("bucket", "artifacts", artifacts, "Archives of functions and scripts of jobs"))
    return found


def _configuration(plan: Plan) -> list[Call]:
    """What `runtimes/deployed.py` reads: the plan, and the files that its sources name."""
    wanted = {"plan.json": "_config/plan.json"} | {
        f"files/{path}": f"_config/files/{path}" for path in plan.schema_files
    }
    return [
        Call(
            "object",
            label("configuration", file.removeprefix("files/")),
            {
                "bucket": Raw("module.ingestion.name"),
                "key": key,
                "file": Raw(f'"${{path.module}}/{file}"'),
                "content_type": "application/json" if file.endswith(".json") else "application/octet-stream",
            },
            "The plan that the handlers follow" if file == "plan.json" else f"A schema that is declared: {file}",
        )
        for file, key in wanted.items()
    ]


def secrets(plan: Plan) -> dict[str, str]:
    """The secrets that steps on AWS read, but the one that the warehouse stack writes, each with its reason."""
    placed = {step.name for step in plan.steps if step.place == "aws"}
    found = {
        grant.resource.removeprefix("secret/"): grant.because
        for grant in plan.grants
        if grant.step in placed and grant.resource.startswith("secret/")
    }
    return {called: why for called, why in sorted(found.items()) if called != written(plan)}


def written(plan: Plan) -> str:
    """The secret whose value Terraform writes: the URL of the warehouse that it makes."""
    made = plan.warehouse["kind"] == "postgres" and places.network(plan) and plan.warehouse.get("secret")
    return str(plan.warehouse["secret"]) if made else ""


def _secrets(plan: Plan) -> list[Call]:
    return [
        Call(
            "secret",
            label("secret", called),
            {"name": places.secret(plan, called), "description": because},
            "Its value is put there by hand: aws secretsmanager put-secret-value",
        )
        for called, because in secrets(plan).items()
    ]


def _network(plan: Plan) -> list[Call]:
    declared = places.network(plan)
    if not declared or not any(private(plan, step) for step in plan.steps):
        return []
    group = {"security_group_id": declared["security_group"]} if declared.get("security_group") else {}
    return [
        Call(
            "network",
            "network",
            {
                "name": places.security_group(plan),
                "region": places.region(plan),
                "vpc": declared["vpc"],
                "subnets": list(declared["subnets"]),
                "route_tables": Raw("var.route_tables"),
                "services": list(endpoints(plan)),
                **group,
            },
            "How the steps in the VPC reach what they use",
        )
    ]


def _variables(plan: Plan) -> tuple[Variable, ...]:
    if not _network(plan):
        return ()
    subnets = ", ".join(str(subnet) for subnet in (places.network(plan) or {})["subnets"])
    said = f"Ids of the route tables of {subnets}: the way to S3 is written into them."
    return (Variable("route_tables", said, "list(string)"),)
