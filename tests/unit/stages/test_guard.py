"""A step that is given no grant for a prefix, table or secret is refused by name, whatever the adapter."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import GrantMissing
from catchwater.plan.plan import Grant, Model
from catchwater.ports import Held, Version
from catchwater.stages.guard import (
    Grants,
    GuardedSecrets,
    GuardedSource,
    GuardedStore,
    GuardedTopic,
    GuardedWarehouse,
)


def grants(*pairs: tuple[str, str]) -> Grants:
    return Grants("process", [Grant("process", action, resource) for action, resource in pairs])


class Warehouse:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator[Any]:
        self.calls.append("load")
        note = self.calls.append
        yield SimpleNamespace(
            markers=dict,
            prepare=lambda models: note("prepare"),
            reset=lambda model: note("reset"),
            apply=lambda batches: note("apply"),
        )

    def version(self) -> Version:
        return Version(1)

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.calls.append("read")
        yield SimpleNamespace(version=Version(1), connection=None)

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize(
    ("call", "action", "key"),
    [
        (lambda store, path: store.head("b/x"), "read", "b/x"),
        (lambda store, path: store.read("b/x"), "read", "b/x"),
        (lambda store, path: store.fetch("b/x"), "read", "b/x"),
        (lambda store, path: store.create("b/x", b""), "create", "b/x"),
        (lambda store, path: store.upload("b/x", path), "create", "b/x"),
        (lambda store, path: list(store.list("b/")), "list", "b/"),
    ],
)
def test_a_store_refuses_a_prefix_without_a_grant(tmp_path: Path, call: Any, action: str, key: str) -> None:
    inner = LocalStore(tmp_path / "lake")
    inner.create("a/x", b"1")
    file = tmp_path / "file"
    file.write_bytes(b"2")
    allowed = [(action, "ingestion/a/*") for action in ("read", "create", "list")]
    store = GuardedStore(inner, "ingestion", grants(*allowed))
    with pytest.raises(GrantMissing, match=f"process may not {action} ingestion/{key}: no edge needs it"):
        call(store, file)
    assert store.read("a/x") == b"1"
    assert store.head("a/x") == 1
    assert store.fetch("a/x").read_bytes() == b"1"
    store.create("a/y", b"2")
    store.upload("a/z", file)
    assert [stored.key for stored in store.list("a/")] == ["a/x", "a/y", "a/z"]


def test_a_store_of_another_zone_is_another_resource(tmp_path: Path) -> None:
    store = GuardedStore(LocalStore(tmp_path), "processed", grants(("read", "ingestion/a/*")))
    with pytest.raises(GrantMissing, match="processed/a/x"):
        store.head("a/x")


def test_a_prefix_grants_nothing_beside_it(tmp_path: Path) -> None:
    store = GuardedStore(LocalStore(tmp_path), "ingestion", grants(("read", "ingestion/a/*")))
    with pytest.raises(GrantMissing, match="ingestion/ab/x"):
        store.head("ab/x")


def test_a_source_is_read_table_by_table(tmp_path: Path) -> None:
    taken: list[Sequence[str]] = []
    inner = SimpleNamespace(describe=tuple, capture=lambda tables, held, work: taken.append(tables))
    held = Held(None, {}, lambda con, table: "")
    source = GuardedSource(inner, "shop", "read", grants(("read", "shop.orders")))
    source.capture(["orders"], held, tmp_path)
    with pytest.raises(GrantMissing, match=r"process may not read shop\.customers"):
        source.capture(["orders", "customers"], held, tmp_path)
    assert taken == [["orders"]]
    assert source.describe() == ()


def test_reading_isn_t_consuming(tmp_path: Path) -> None:
    inner = SimpleNamespace(describe=tuple, capture=lambda tables, held, work: None)
    source = GuardedSource(inner, "events", "consume", grants(("read", "events.events")))
    with pytest.raises(GrantMissing, match=r"may not consume events\.events"):
        source.capture(["events"], Held(None, {}, lambda con, table: ""), tmp_path)


def test_a_warehouse_is_applied_table_by_table() -> None:
    inner = Warehouse()
    mine = Model("mine", "models/mine.sql", "", (), (), "full", "")
    other = Model("other", "models/other.sql", "", (), (), "full", "")
    warehouse = GuardedWarehouse(inner, grants(("apply", "warehouse/mine")))
    with warehouse.load({"processed/mine": (1, "h")}) as session:
        session.prepare([mine])
        session.reset(mine)
        session.apply([])
        assert session.markers() == {}
        with pytest.raises(GrantMissing, match="may not apply warehouse/other"):
            session.prepare([mine, other])
        with pytest.raises(GrantMissing, match="may not apply warehouse/other"):
            session.reset(other)
        with pytest.raises(GrantMissing, match="may not apply warehouse/other"):
            session.apply([SimpleNamespace(model=other)])
    with (
        pytest.raises(GrantMissing, match="may not apply warehouse/other"),
        warehouse.load({"processed/other": (1, "h")}),
    ):
        pass
    with pytest.raises(GrantMissing, match="may not read warehouse/"), warehouse.read():
        pass
    assert inner.calls == ["load", "prepare", "reset", "apply"]
    assert warehouse.version() == Version(1)
    warehouse.close()


def test_a_warehouse_is_read_with_a_grant() -> None:
    with GuardedWarehouse(Warehouse(), grants(("read", "warehouse/*"))).read() as reading:
        assert reading.version == Version(1)


def test_a_secret_is_read_by_name() -> None:
    inner = SimpleNamespace(read=lambda name: f"value of {name}")
    secrets = GuardedSecrets(inner, grants(("read", "secret/a")))
    assert secrets.read("a") == "value of a"
    with pytest.raises(GrantMissing, match="process may not read secret/ab: no edge needs it"):
        secrets.read("ab")


def test_a_topic_is_published_to_by_name() -> None:
    inner = SimpleNamespace(publish=lambda messages, ids=None: len(messages))
    assert GuardedTopic(inner, "events", grants(("publish", "topic/events"))).publish([b"{}"]) == 1
    with pytest.raises(GrantMissing, match="may not publish topic/other"):
        GuardedTopic(inner, "other", grants(("publish", "topic/events"))).publish([b"{}"])
