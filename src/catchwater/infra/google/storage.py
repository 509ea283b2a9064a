"""The storage stack of Google Cloud: the accounts of steps, buckets, the configuration in them, places of secrets."""

from collections.abc import Iterator
from pathlib import Path

from catchwater.errors import UseError
from catchwater.infra.google import access, places
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label
from catchwater.infra.roots import Call, Root, schema_files
from catchwater.plan.plan import Plan

PURPOSE = "What steps are and what they read and write: accounts, the zones of the lake, configuration, secrets."
ZONES = {"ingestion": "The ingestion zone: raw, immutable", "processed": "The processed zone: modelled"}


def root(plan: Plan, folder: Path) -> Root | None:
    if not places.steps(plan):
        return None
    _lake(plan)
    calls = [*_accounts(plan), *_buckets(plan), _configuration(plan), *_secrets(plan)]
    return Root(
        cloud="google",
        stack="storage",
        calls=tuple(calls),
        outputs={f"{zone}_bucket": Raw(f"module.{zone}.name") for zone in _zones(plan)},
        files={"plan.json": plan.to_bytes(), **schema_files(plan, folder)},
        purpose=PURPOSE,
    )


def _lake(plan: Plan) -> None:
    """Raises UseError for what of `lake:` a bucket here doesn't get, rather than to leave it out."""
    for key in ("kms_key", "retention"):
        if plan.lake.get(key) and places.keeps_lake(plan):
            raise UseError(
                f"`lake.{key}` isn't compiled for Google Cloud",
                where="catchwater.yml: lake",
                next_step=f"override it in this environment: {{lake: {{{key}: null}}}}",
            )


def _zones(plan: Plan) -> tuple[str, ...]:
    return (*(ZONES if places.keeps_lake(plan) else ()), places.ARTIFACTS)


def _accounts(plan: Plan) -> Iterator[Call]:
    """Made before all that they are granted, or that runs as them."""
    for account, purpose in made(plan).items():
        arguments = access.account(plan, account, purpose)
        if account != places.reader_account(plan):  # nothing here runs as Looker
            arguments["users"] = {"apply": places.member(plan, places.ci_account(plan, "apply"))}
        yield Call("account", label("account", account), arguments, purpose)


def made(plan: Plan) -> dict[str, str]:
    """Account → purpose, of those that this stack makes."""
    found = {places.account_id(plan, step): step.name for step in places.steps(plan)}
    if plan.serve.get("looker") and plan.warehouse["kind"] == "bigquery":
        found[places.reader_account(plan)] = "Looker reads the warehouse"
    return {account: purpose for account, purpose in found.items() if account not in places.bootstrapped(plan)}


def _member(plan: Plan, account: str) -> Value:
    if account in made(plan):
        return Raw(f"module.{label('account', account)}.member")
    return places.member(plan, account)


def _buckets(plan: Plan) -> Iterator[Call]:
    accounts = {places.member(plan, account): account for account in access.held(plan)}
    for zone in _zones(plan):
        grants: dict[str, Value] = {}
        for title, grant in access.bucket(plan, zone).items():
            grants[title] = {**grant, "member": _member(plan, accounts[str(grant["member"])])}
        arguments: dict[str, Value] = {
            "name": places.bucket(plan, zone),
            "location": places.region(plan),
            "access": grants,
        }
        if zone == places.ARTIFACTS and places.steps(plan, "dataflow"):
            arguments["scratch"] = ["tmp/"]
        yield Call("bucket", zone, arguments, ZONES.get(zone, "Archives of functions, templates of jobs"))


def _configuration(plan: Plan) -> Call:
    wanted = {"_config/plan.json": "plan.json"} | {f"_config/files/{p}": f"files/{p}" for p in plan.schema_files}
    arguments: dict[str, Value] = {
        "bucket": Raw(f"module.{places.config_zone(plan)}.name"),
        "files": {key: Raw(f'"${{path.module}}/{file}"') for key, file in wanted.items()},
    }
    return Call("objects", "configuration", arguments, "The plan that handlers follow, and the schemas that it names")


def _secrets(plan: Plan) -> Iterator[Call]:
    for called in access.secrets(plan):
        arguments: dict[str, Value] = {
            "name": places.secret(plan, called),
            "location": places.region(plan),
            "readers": {account: _member(plan, account) for account in access.readers(plan, called)},
        }
        why = "Its value is put there by hand: gcloud secrets versions add"
        yield Call("secret", label("secret", called), arguments, why)
