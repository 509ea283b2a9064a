"""Google's services under test: emulators started for real, with what each test keeps to itself."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from catchwater.adapters.stores.gcs import GcsStore
from tests.support.emulators import emulator

PROJECT = "catchwater-tests"


def storage_variables(answer: Mapping[str, str]) -> dict[str, str]:
    return {"STORAGE_EMULATOR_HOST": answer["endpoint"], "GOOGLE_CLOUD_PROJECT": PROJECT}


def bigquery_variables(answer: Mapping[str, str]) -> dict[str, str]:
    return {
        "BIGQUERY_EMULATOR_HOST": answer["endpoint"],
        "GOOGLE_CLOUD_PROJECT": PROJECT,
    }


def make_gcs_bucket(answer: Mapping[str, str], name: str) -> None:
    options = {"api_endpoint": answer["endpoint"]}
    client = storage.Client(PROJECT, AnonymousCredentials(), client_options=options)
    client.create_bucket(name)
    client.close()


def bigquery_client(answer: Mapping[str, str]) -> Any:
    options = {"api_endpoint": answer["endpoint"]}
    return bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options)


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gives a fresh GCS zone, in a folder of a bucket of its own (the server reads through the whole bucket at every call),
    each time it is called; `answer` is where the server is."""
    cache = tmp_path_factory.mktemp("fake-gcs")
    with emulator("fake-gcs") as answer:

        def zone() -> GcsStore:
            name = uuid4().hex
            make_gcs_bucket(answer, name)
            return GcsStore(f"gs://{name}/lake/zone", storage_variables(answer), cache / name)

        zone.answer = answer  # type: ignore[attr-defined]
        yield zone


@pytest.fixture(scope="session")
def bqemulator() -> Iterator[dict[str, str]]:
    """Where a BigQuery is."""
    with emulator("bqemulator") as answer:
        yield answer


def make_dataset(answer: Mapping[str, str]) -> str:
    """A new dataset of the test's own; its name."""
    name = f"d_{uuid4().hex[:12]}"
    client = bigquery_client(answer)
    client.create_dataset(name)
    client.close()
    return name
