"""The BigQuery warehouse: staged by load jobs, moved by one transaction, read by queries that BigQuery runs."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from catchwater.adapters.warehouses.bigquery_place import Place, place
from catchwater.adapters.warehouses.bigquery_reading import BigqueryReading
from catchwater.adapters.warehouses.bigquery_session import BigquerySession, version
from catchwater.errors import WarehouseError
from catchwater.ports import Settings, Version
from catchwater.project.schema import BigqueryWarehouse as Spec

FRESH = 1.0


class BigqueryWarehouse:
    """Tables in one dataset; those that exist with the declared columns are adopted.

    GOOGLE_CLOUD_PROJECT, CATCHWATER_GOOGLE_FEDERATION and BIGQUERY_EMULATOR_HOST are read from the settings'
    variables. `patience`: how long a load whose end nobody told is asked for, in seconds. What `version` says may be
    FRESH seconds old; what `read` says is not.
    """

    def __init__(self, name: str, spec: Spec, settings: Settings, *, patience: float = 30.0) -> None:
        self.name, self.spec, self.settings, self.patience = name, spec, settings, patience
        self.folder = settings.state / "warehouse"
        self._at: Place | None = None
        self._known: tuple[float, Version | None] | None = None
        self._opening = threading.Lock()

    def version(self) -> Version | None:
        """What is loaded; None before the first load."""
        known = self._known
        if known and time.monotonic() - known[0] < FRESH:
            return known[1]
        return self._now()[0]

    @contextmanager
    def read(self) -> Iterator[BigqueryReading]:
        """Whatever is asked inside the block is of one version: a query that a load overtook is refused."""
        found, columns = self._now()
        if found is None:
            raise WarehouseError("nothing is loaded yet", where=self._place().where, next_step="catchwater run")
        reading = BigqueryReading(self._place(), found, columns, self.folder)
        try:
            yield reading
        finally:
            reading.close()

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator[BigquerySession]:
        """Readers see all of a load or nothing. What is published is what the session's markers say at its end."""
        session = BigquerySession(self._place(), self.folder / "stage", self.patience)
        yield session
        session.finish()
        self._known = None

    def close(self) -> None:
        with self._opening:
            if self._at is not None:
                self._at.client.close()  # type: ignore[no-untyped-call]
            self._at = self._known = None

    def _now(self) -> tuple[Version | None, dict[str, dict[str, str]]]:
        """The version, and by table the columns' DuckDB types."""
        found = version(self._place())
        if found is None:
            self._known = (time.monotonic(), None)
            return None, {}
        now = Version(found.number, found.cut, {name: told["shape"] for name, told in found.models.items()})
        self._known = (time.monotonic(), now)
        columns: dict[str, dict[str, str]] = {}
        for name, told in found.models.items():
            for table in (name, told["current"]):
                if table:
                    columns[table] = dict(told["columns"])
        return now, columns

    def _place(self) -> Place:
        with self._opening:
            self._at = self._at or place(self.spec.dataset, self.settings)
            return self._at
