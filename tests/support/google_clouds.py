"""Plans for Google Cloud that no example has, and what compiled roots give to whom, read back from their calls."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catchwater.infra.hcl import Raw
from catchwater.infra.roots import Call, Root
from catchwater.plan.graph import make
from catchwater.plan.plan import Plan
from catchwater.project.load import load
from catchwater.project.tables import Column, TableSchema

GOOGLE = [("events", "dev"), ("open_data", "dev"), ("open_data", "prod"), ("shop", "prod")]
Given = tuple[str, str, str, str]  # account, role, resource, condition

SALES = """
project: sales
sources: {till: {kind: postgres, url: "${TILL_URL}", every: 10 minutes}}
promise: {freshness: 1 hour}
serve: {api: {tables: all}}
alerts: [{notify: email, to: a@example.org}]
environments: {dev: {google: {project: sales-dev, region: europe-west2}, warehouse: {kind: bigquery, dataset: sales}}}
"""


def planned(folder: Path, text: str = SALES, environment: str = "dev") -> Plan:
    """The plan of a project of one database with one table, and no models."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catchwater.yml").write_text(text)
    project = load(folder, environment, {"TILL_URL": "postgresql://nobody@127.0.0.1/x"}).project
    table = TableSchema("sale", (Column("id", "INTEGER", False), Column("at", "TIMESTAMP")), ("id",))
    return make(project, environment, dict.fromkeys(project.sources, (table,)), ())


def calls(roots: Iterable[Root], entity: str) -> list[Call]:
    return [call for root in roots for call in root.calls if call.entity == entity]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, Raw):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from (key, *strings(one))
    elif isinstance(value, Sequence):
        for one in value:
            yield from strings(one)


class Reader:
    """Who is given what by the calls of an environment's roots, without CI's own accounts."""

    def __init__(self, roots: Sequence[Root], project: str, region: str) -> None:
        self._roots, self._whole, self._region = roots, f"projects/{project}", region
        self._labels = {
            f"module.{call.name}.member": str(call.arguments["name"])
            for call in calls(roots, "account")
            if not call.name.startswith("ci_")
        }

    def given(self) -> set[Given]:
        readers = (
            self._accounts,
            self._buckets,
            self._datasets,
            self._secrets,
            self._topics,
            self._invoked,
            self._images,
        )
        return {one for read in readers for one in read()}

    def _who(self, member: Any) -> str:
        if isinstance(member, Raw):
            return self._labels.get(member.text, "")
        return str(member).removeprefix("serviceAccount:").partition("@")[0]

    def _accounts(self) -> Iterator[Given]:
        for call in calls(self._roots, "account"):
            if call.name.startswith("ci_"):
                continue
            roles: Any = call.arguments["roles"]
            for role, condition in roles.items():
                yield str(call.arguments["name"]), role, self._whole, condition
            users: Any = call.arguments.get("users", {})
            path = f"{self._whole}/serviceAccounts/{call.arguments['name']}@{self._whole[9:]}.iam.gserviceaccount.com"
            for user in [one for label, one in users.items() if label != "apply"]:
                yield self._who(user), "roles/iam.serviceAccountUser", path, ""

    def _buckets(self) -> Iterator[Given]:
        for call in calls(self._roots, "bucket"):
            access: Any = call.arguments["access"]
            for grant in access.values():
                for prefix in grant["prefixes"]:
                    yield self._who(grant["member"]), grant["action"], f"buckets/{call.arguments['name']}", prefix

    def _datasets(self) -> Iterator[Given]:
        for call in calls(self._roots, "dataset"):
            access: Any = call.arguments["access"]
            for grant in access.values():
                yield self._who(grant["member"]), grant["role"], f"{self._whole}/datasets/{call.arguments['name']}", ""

    def _secrets(self) -> Iterator[Given]:
        for call in calls(self._roots, "secret"):
            readers: Any = call.arguments["readers"]
            for member in readers.values():
                path = f"{self._whole}/secrets/{call.arguments['name']}"
                yield self._who(member), "roles/secretmanager.secretAccessor", path, ""

    def _topics(self) -> Iterator[Given]:
        for call in calls(self._roots, "topic"):
            called, consumer = call.arguments["name"], self._who(call.arguments["consumer"])
            publishers: Any = call.arguments["publishers"]
            for member in publishers.values():
                yield self._who(member), "roles/pubsub.publisher", f"{self._whole}/topics/{called}", ""
            yield consumer, "roles/pubsub.subscriber", f"{self._whole}/subscriptions/{called}", ""
            yield consumer, "roles/pubsub.publisher", f"{self._whole}/topics/{called}-dead", ""

    def _invoked(self) -> Iterator[Given]:
        for call in [*calls(self._roots, "function"), *calls(self._roots, "service")]:
            invokers: Any = call.arguments["invokers"]
            if isinstance(invokers, Raw):
                continue  # whoever applies says who calls the API
            for member in invokers.values():
                path = f"{self._whole}/locations/{self._region}/services/{call.arguments['name']}"
                yield self._who(member), "roles/run.invoker", path, ""

    def _images(self) -> Iterator[Given]:
        for call in calls(self._roots, "repository"):
            path = f"{self._whole}/locations/{self._region}/repositories/{call.arguments['name']}"
            for argument, role in (("writers", "writer"), ("readers", "reader")):
                members: Any = call.arguments.get(argument, {})
                for member in members.values():
                    if self._who(member):
                        yield self._who(member), f"roles/artifactregistry.{role}", path, ""
