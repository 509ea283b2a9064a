"""From a kind to the class that does it, and from a step to its guarded ports; the only room that names adapters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from catchwater.errors import UseError
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Engine, Inbox, Notifier, Ports, Secrets, Settings, Source, Store, Topic, Warehouse
from catchwater.project.loaded import Loaded, listens
from catchwater.stages.guard import (
    Grants,
    GuardedSecrets,
    GuardedSource,
    GuardedStore,
    GuardedTopic,
    GuardedWarehouse,
)

ADAPTERS = {
    ("store", "local"): "catchwater.adapters.stores.local:LocalStore",
    ("store", "s3"): "catchwater.adapters.stores.s3:S3Store",
    ("source", "postgres"): "catchwater.adapters.sources.postgres.source:PostgresSource",
    ("source", "topic"): "catchwater.adapters.sources.topic:TopicSource",
    ("source", "http_files"): "catchwater.adapters.sources.http_files:HttpFilesSource",
    ("source", "github"): "catchwater.adapters.sources.github:GithubSource",
    ("topic", "embedded"): "catchwater.adapters.sources.topic:EmbeddedTopic",
    ("warehouse", "duckdb"): "catchwater.adapters.warehouses.duckdb:DuckdbWarehouse",
    ("warehouse", "postgres"): "catchwater.adapters.warehouses.postgres:PostgresWarehouse",
    ("engine", "duckdb"): "catchwater.adapters.engines.duckdb:DuckdbEngine",
    ("secrets", "variables"): "catchwater.adapters.secrets.variables:VariableSecrets",
    ("notifier", "email"): "catchwater.adapters.notifiers.email:Email",
    ("notifier", "webhook"): "catchwater.adapters.notifiers.webhook:Webhook",
    ("notifier", "sns"): "catchwater.adapters.notifiers.sns:Sns",
    ("store", "gcs"): "catchwater.adapters.stores.gcs:GcsStore",
    ("source", "sqs"): "catchwater.adapters.sources.sqs:SqsSource",
    ("source", "pubsub"): "catchwater.adapters.sources.pubsub:PubsubSource",
    ("topic", "sqs"): "catchwater.adapters.sources.sqs:SqsTopic",
    ("topic", "pubsub"): "catchwater.adapters.sources.pubsub:PubsubTopic",
    ("warehouse", "bigquery"): "catchwater.adapters.warehouses.bigquery:BigqueryWarehouse",
    ("engine", "spark"): "catchwater.adapters.engines.spark:SparkEngine",
    ("engine", "beam"): "catchwater.adapters.engines.beam:BeamEngine",
    ("secrets", "secrets_manager"): "catchwater.adapters.secrets.secrets_manager:SecretsManager",
    ("secrets", "secret_manager"): "catchwater.adapters.secrets.secret_manager:SecretManager",
    ("metrics", "emf"): "catchwater.adapters.metrics.emf:Emf",
    ("metrics", "cloud_logging"): "catchwater.adapters.metrics.cloud_logging:CloudLogging",
}


def adapter(port: str, kind: str) -> Any:
    """The class; raises UseError for a kind that this version doesn't run."""
    target = ADAPTERS.get((port, kind))
    if target is None:
        known = ", ".join(sorted(k for p, k in ADAPTERS if p == port))
        raise UseError(f"this version runs no {port} of kind {kind}", next_step=f"use one of: {known}")
    module, name = target.split(":")
    return getattr(import_module(module), name)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Places:
    """Where the parts of a deployed project are. `zones`: zone → s3://bucket or gs://bucket; `secrets`: the kind of
    the secret store; `queues`: source → its queue (an SQS URL, or a Pub/Sub topic or subscription path); `topics`:
    the kind of those queues (sqs | pubsub); `state`: a folder of this process's own; `engines`: stage → engine;
    `inbox`: the messages that requests brought."""

    zones: Mapping[str, str]
    secrets: str
    state: Path
    topics: str = ""
    queues: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    prepared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inbox: Inbox | None = None


@dataclass
class Wiring:
    """Builds what one project in one environment needs; `resolve` reads variables and secrets; `places` (None: this
    machine) says where a deployed one keeps its parts."""

    loaded: Loaded
    resolve: Callable[[str, Callable[[str], str]], str]
    places: Places | None = None
    enough: Callable[[], bool] = lambda: False
    _warehouse: Warehouse | None = field(default=None, init=False)
    _topics: dict[str, Any] = field(default_factory=dict, init=False)
    _stores: dict[str, Store] = field(default_factory=dict, init=False)

    @property
    def state(self) -> Path:
        return self.places.state if self.places else self.loaded.folder / ".catchwater"

    def settings(self, secrets: Secrets | None = None) -> Settings:
        held = secrets or self.secrets()
        return self._settings(held.read)

    def _settings(self, read: Callable[[str], str]) -> Settings:
        return Settings(
            self.loaded.folder,
            self.state,
            self.loaded.environment,
            lambda text: self.resolve(text, read),
            self.loaded.project.project,
            self.loaded.variables,
            self.places.queues if self.places else {},
            self.places.inbox if self.places else None,
            self.loaded.lines,
        )

    def secrets(self) -> Secrets:
        def nothing(name: str) -> str:
            raise UseError(f"a secret may not be read from a secret: {name}")

        kind = self.places.secrets if self.places else "variables"
        return adapter("secrets", kind)(kind, None, self._settings(nothing))  # type: ignore[no-any-return]

    def store(self, zone: str) -> Store:
        """The store of `ingestion` or `processed`."""
        if zone not in self._stores:
            self._stores[zone] = self.uncached(zone, self.state / "cache" / zone)
        return self._stores[zone]

    def uncached(self, zone: str, copies: Path) -> Store:
        """The store of a zone with another place for its copies; raises UseError for a lake that isn't on S3."""
        lake = self.loaded.project.lake
        name: str = getattr(lake, zone)
        if self.places:
            return self._remote(self.places.zones[zone], copies)
        if not lake.url:
            return adapter("store", "local")(self.state / "lake" / name)  # type: ignore[no-any-return]
        return self._remote(f"{self.settings().resolve(lake.url).rstrip('/')}/{name}", copies)

    def _remote(self, url: str, copies: Path) -> Store:
        kind = {"s3": "s3", "gs": "gcs"}.get(url.partition("://")[0])
        if kind is None:
            raise UseError(
                "lake.url is neither on S3 nor on GCS", next_step="write s3://bucket/prefix, or leave it out"
            )
        return adapter("store", kind)(url, self.loaded.variables, copies)  # type: ignore[no-any-return]

    def engine(self, kind: str = "duckdb") -> Engine:
        return adapter("engine", kind)(kind, None, self.settings())  # type: ignore[no-any-return]

    def source(self, name: str, secrets: Secrets | None = None) -> Source:
        spec = self.loaded.project.sources[name]
        kind = self.places.topics if self.places and name in self.places.queues else spec.kind
        return adapter("source", kind)(name, spec, self.settings(secrets))  # type: ignore[no-any-return]

    def warehouse(self) -> Warehouse:
        """One per process: it holds the readers of the published version."""
        if self._warehouse is None:
            spec = self.loaded.project.warehouse
            self._warehouse = adapter("warehouse", spec.kind)(spec.kind, spec, self.settings())
        return self._warehouse

    def _granted_warehouse(self, grants: Grants) -> Warehouse:
        """The one warehouse, for a step that may also read the secret that opens it."""
        secret = getattr(self.loaded.project.warehouse, "secret", None)
        if secret:
            grants.need("read", f"secret/{secret}")
        return GuardedWarehouse(self.warehouse(), grants)

    def topic(self, name: str) -> Any:
        if name not in self._topics:
            queues = self.places.queues if self.places else {}
            if self.places and name in queues:
                self._topics[name] = adapter("topic", self.places.topics)(queues[name], self.loaded.variables)
            else:
                self._topics[name] = adapter("topic", "embedded")(self.state, name)
        return self._topics[name]

    def notifier(self, kind: str) -> Notifier:
        return adapter("notifier", kind)(kind, None, self.settings())  # type: ignore[no-any-return]

    def close(self) -> None:
        if self._warehouse is not None:
            self._warehouse.close()
            self._warehouse = None

    def grants(self, plan: Plan, step: str) -> Grants:
        return Grants(step, plan.granted(step))

    def open(self, plan: Plan, step: Step) -> Ports:
        """The ports of one step, every one guarded by its grants."""
        grants = self.grants(plan, step.name)
        secrets = GuardedSecrets(self.secrets(), grants)
        stores: dict[str, Store] = {
            zone: GuardedStore(self.store(zone), zone, grants) for zone in ("ingestion", "processed")
        }
        source: Source | None = None
        warehouse: Warehouse | None = None
        if step.stage == "ingest":
            spec = self.loaded.project.sources[step.source]
            opened = self.source(step.source, secrets)
            source = GuardedSource(opened, step.source, "consume" if listens(spec) else "read", grants)
        if step.stage in ("load", "serve"):
            warehouse = self._granted_warehouse(grants)
        engine = self.engine(self._engine(step))
        prepared = self.places.prepared if self.places else {}
        return Ports(stores, engine, SystemClock(), source, warehouse, secrets, self.enough, prepared)

    def _engine(self, step: Step) -> str:
        """On one machine DuckDB computes whatever is declared; where the project is deployed, the step's engine."""
        return self.places.engines.get(step.stage, step.engine) if self.places else "duckdb"

    def receiver(self, plan: Plan, source: str) -> Any:
        """What takes the signed deliveries of a webhook source, with the API's grants."""
        grants = self.grants(plan, "serve:api")
        grants.need("publish", f"topic/{source}")
        return self.source(source, GuardedSecrets(self.secrets(), grants))

    def open_topic(self, plan: Plan, step: str, name: str) -> Topic:
        """A topic that a step may publish to."""
        return GuardedTopic(self.topic(name), name, self.grants(plan, step))


def kinds(port: str) -> Sequence[str]:
    return sorted(kind for of, kind in ADAPTERS if of == port)
