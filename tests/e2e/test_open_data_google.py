"""`open_data` as Google runs it: a build that ended → service on Cloud Run → Cloud Storage → function and job."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from catchwater.adapters.stores.gcs import GcsStore
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.read import create_current, create_history
from catchwater.plan.plan import Plan
from catchwater.runtimes.embedded_files import FileServer
from tests.support.examples import EXAMPLES, plan_of
from tests.support.google_cloud import Cloud, Process, cloud
from tests.support.pubsub import Pubsub, Pusher, as_object, pubsub
from tests.support.waiting import until

__all__ = ["pubsub"]

BUILT = "google.cloud.cloudbuild.build.v1.statusChanged"
COLUMNS = "iata, name, city, state, country, latitude, longitude"


def plan() -> Plan:
    """The plan of dev, that may read the file from this machine."""
    made = plan_of("open_data", "dev")
    return replace(
        made, sources=tuple(replace(each, declared={**each.declared, "private": True}) for each in made.sources)
    )


@pytest.fixture
def made(tmp_path: Path, pubsub: Pubsub) -> Iterator[Cloud]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "stations.csv").write_bytes((EXAMPLES / "open_data" / "data" / "stations.csv").read_bytes())
    with FileServer(tmp_path / "served") as files:
        told = {"CATCHWATER_SECRETS": "variables", "STATIONS_URL": files.url("stations.csv")}
        with cloud(plan(), pubsub, tmp_path, **told) as found:
            yield found


def built(status: str, structured: bool = False) -> dict[str, Any]:
    """The arguments of the request that Eventarc makes of a build."""
    data = {"id": "b-1", "status": status, "projectId": "od-dev"}
    if structured:
        event = {"specversion": "1.0", "id": "1", "source": "//cloudbuild.googleapis.com", "type": BUILT, "data": data}
        return {"content": json.dumps(event), "headers": {"Content-Type": "application/cloudevents+json"}}
    headers = {"ce-type": BUILT, "ce-id": "1", "ce-specversion": "1.0", "ce-source": "//cloudbuild.googleapis.com"}
    return {"json": data, "headers": headers}


def published() -> dict[str, list[str]]:
    """The good lines of the file by their code, read by Python alone."""
    lines = (EXAMPLES / "open_data" / "data" / "stations.csv").read_bytes().splitlines()[1:]
    found: dict[str, list[str]] = {}
    for line in lines:
        try:
            (fields,) = csv.reader([line.decode()])
            float(fields[5])
            float(fields[6])
        except (ValueError, IndexError):
            continue
        if len(fields) == 7 and fields[0] not in found:
            found[fields[0]] = fields
    return found


def current(held: Cloud, columns: str) -> list[tuple[Any, ...]]:
    """The stations now current, read off the bucket."""
    store, table = GcsStore("gs://ingestion", held.variables, held.folder / "looked-at"), "stations"
    kept = Log(store, "ingestion/stations")
    head = kept.head()
    if head is None:
        return []
    with duckdb.connect() as con:
        create_history(con, "h", store, kept.batches(None, head.seq), table)
        create_current(con, "c", "h", head.tables[table].key)
        return con.execute(f"SELECT {columns} FROM c ORDER BY ALL").fetchall()


def model(held: Cloud, name: str) -> list[str]:
    """The codes in the first batch of a model's log."""
    store = GcsStore("gs://processed", held.variables, held.folder / "looked-at")
    first = next(iter(Log(store, f"processed/{name}").batches(None)), None)
    files = [str(store.fetch(file.path)) for file in first.tables[name].files] if first else []
    if not files:
        return []
    with duckdb.connect() as con:
        return [
            row[0] for row in con.execute("SELECT iata FROM read_parquet(?) WHERE NOT _removed", [files]).fetchall()
        ]


def post(service: Process, path: str, **more: Any) -> int:
    return httpx.post(service.url + path, timeout=60, **more).status_code


def test_a_build_that_succeeded_brings_the_file_to_the_models(made: Cloud, pubsub: Pubsub) -> None:
    service = made.service("ingest:stations")
    process = made.function("process:stations")
    with Pusher(pubsub, made.objects, [process.url], as_object):
        for status in ("QUEUED", "WORKING", "FAILURE"):
            assert post(service, "events", **built(status)) == 204
        assert current(made, "iata") == []
        assert post(service, "events", **built("SUCCESS")) == 200
        wanted = published()
        found = current(made, COLUMNS)
        assert len(found) == len(wanted) == 3376
        for code, *texts, latitude, longitude in found:
            assert [code, *(text or "NA" for text in texts)] == [each or "NA" for each in wanted[code][:5]]
            assert (latitude, longitude) == (float(wanted[code][5]), float(wanted[code][6]))
        until(lambda: model(made, "stations"), "the model is made")
    assert sorted(model(made, "stations")) == sorted(wanted)
    store = GcsStore("gs://ingestion", made.variables, made.folder / "looked-at")
    head = Log(store, "ingestion/stations").head()
    assert head
    assert head.quarantine
    assert len(list(quarantine.read(store, head.quarantine))) == 5
    staged = [store.read(file.path) for file in head.raw]
    assert staged == [(EXAMPLES / "open_data" / "data" / "stations.csv").read_bytes()]  # as it came
    assert post(service, "", **built("SUCCESS", structured=True)) == 200
    assert Log(store, "ingestion/stations").head() == head  # the server said 304: nothing is committed
    assert (post(service, "push/stations"), post(service, "push/other")) == (200, 404)
    _job(made)


def _job(made: Cloud) -> None:
    """The same image as a job: one step until nothing is left to do."""
    command = [sys.executable, "-m", "catchwater.runtimes.cloud_run"]
    env = {**made.variables, "CATCHWATER_STEP": "process:station_changes", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=env, cwd=made.folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(model(made, "station_changes")) == 3376
    wrong = subprocess.run(
        command,
        env=env | {"CATCHWATER_STEP": "process:nothing"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert wrong.returncode == 2
    assert "the plan has no step 'process:nothing'" in wrong.stdout
