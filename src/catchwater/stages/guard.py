"""Grants around ports: a step that touches what no edge gives it is refused here as it would be in the cloud.

It proves the graph; it is no sandbox.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from catchwater.errors import GrantMissing
from catchwater.lake.read import url_of
from catchwater.plan.plan import Grant, Model
from catchwater.ports import (
    Beside,
    Extraction,
    Held,
    LoadBatch,
    Loaded,
    Reading,
    Secrets,
    Source,
    Store,
    Stored,
    Topic,
    Version,
    Warehouse,
    WarehouseSession,
)
from catchwater.project.tables import TableSchema


class Grants:
    """The grants of one step; `need` raises GrantMissing by step, action and resource."""

    def __init__(self, step: str, grants: Iterable[Grant]) -> None:
        self.step = step
        self._exact = {(grant.action, grant.resource) for grant in grants if not grant.resource.endswith("*")}
        self._prefixes = tuple((grant.action, grant.resource[:-1]) for grant in grants if grant.resource.endswith("*"))

    def need(self, action: str, resource: str) -> None:
        if (action, resource) in self._exact:
            return
        if any(action == may and resource.startswith(prefix) for may, prefix in self._prefixes):
            return
        raise GrantMissing(self.step, action, resource)


class GuardedStore:
    def __init__(self, store: Store, zone: str, grants: Grants) -> None:
        self._store, self._zone, self._grants = store, zone, grants

    def _need(self, action: str, key: str) -> None:
        self._grants.need(action, f"{self._zone}/{key}")

    def head(self, key: str) -> int | None:
        self._need("read", key)
        return self._store.head(key)

    def read(self, key: str) -> bytes:
        self._need("read", key)
        return self._store.read(key)

    def create(self, key: str, data: bytes) -> None:
        self._need("create", key)
        self._store.create(key, data)

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        self._need("create", key)
        self._store.upload(key, path, ours=ours)

    def fetch(self, key: str) -> Path:
        self._need("read", key)
        return self._store.fetch(key)

    def list(self, prefix: str) -> Iterator[Stored]:
        self._need("list", prefix)
        return self._store.list(prefix)

    def url(self, key: str) -> str:
        """Where other machines read or write an object; LakeError for a store that only this machine sees."""
        self._need("read", key)
        return url_of(self._store, key)


class GuardedSource:
    """`action` is `read`, or `consume` where taking a message ends its delivery."""

    def __init__(self, source: Source, name: str, action: str, grants: Grants) -> None:
        self._source, self._name, self._action, self._grants = source, name, action, grants

    def describe(self) -> tuple[TableSchema, ...]:
        return self._source.describe()

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        for table in tables:
            self._grants.need(self._action, f"{self._name}.{table}")
        return self._source.capture(tables, held, work)


class GuardedSession:
    def __init__(self, session: WarehouseSession, grants: Grants) -> None:
        self._session, self._grants = session, grants

    def _need(self, models: Iterable[Model]) -> None:
        for model in models:
            self._grants.need("apply", f"warehouse/{model.name}")

    def markers(self) -> dict[str, tuple[int, str]]:
        return self._session.markers()

    def prepare(self, models: Sequence[Model]) -> None:
        self._need(models)
        self._session.prepare(models)

    def retire(self, keep: Collection[str]) -> None:
        self._session.retire(keep)

    @property
    def front(self) -> Version | None:
        """Of a session that is Beside; AttributeError for others."""
        return cast(Beside, self._session).front

    def reset(self, model: Model) -> None:
        self._need([model])
        self._session.reset(model)

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        self._need(batch.model for batch in batches)
        return self._session.apply(batches)


class GuardedWarehouse:
    def __init__(self, warehouse: Warehouse, grants: Grants) -> None:
        self._warehouse, self._grants = warehouse, grants

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator[WarehouseSession]:
        for log in cut:
            self._grants.need("apply", f"warehouse/{log.split('/', 1)[1]}")
        with self._warehouse.load(cut) as session:
            yield GuardedSession(session, self._grants)

    def version(self) -> Version | None:
        return self._warehouse.version()

    @contextmanager
    def read(self) -> Iterator[Reading]:
        self._grants.need("read", "warehouse/*")
        with self._warehouse.read() as reading:
            yield reading

    def close(self) -> None:
        self._warehouse.close()


class GuardedSecrets:
    def __init__(self, secrets: Secrets, grants: Grants) -> None:
        self._secrets, self._grants = secrets, grants

    def read(self, name: str) -> str:
        self._grants.need("read", f"secret/{name}")
        return self._secrets.read(name)


class GuardedTopic:
    def __init__(self, topic: Topic, name: str, grants: Grants) -> None:
        self._topic, self._name, self._grants = topic, name, grants

    def publish(self, messages: Iterable[bytes], ids: Iterable[str] | None = None) -> int:
        self._grants.need("publish", f"topic/{self._name}")
        return self._topic.publish(messages, ids)
