"""The API does what its own OpenAPI document says, under requests that nobody would think of."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.serving import House, Served, model, plan, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    house = House()
    house.publish(
        orders="SELECT i AS id, 'GB' AS country, i * 1.5::DECIMAL(9,2) AS price, 'NaN'::DOUBLE AS x, [i] AS list, "
        "MAP {'k': i} AS map, {'a': DATE '2024-01-01'} AS nested, i % 2 = 0 AS \"odd, name\" FROM range(20) r(i)",
    )
    made = plan([model(house, "orders", ["id"])])
    with serving(made, house, tmp_path_factory.mktemp("described")) as running:
        running.runtime.past = [{"number": 1, "state": "done"}]
        yield running


CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


def test_what_is_described_is_what_happens(served: Served) -> None:
    described = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}/openapi.json")
    tried = []
    for found in described.get_all_operations():
        operation = found.ok()
        tried.append(operation.label)

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def conforms(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        conforms()
    assert "GET /v1/tables/orders/rows" in tried
    assert len(tried) == 7


def test_the_document_names_every_table_column_and_filter(served: Served) -> None:
    document = served.client.get("/openapi.json").json()
    rows = document["paths"]["/v1/tables/orders/rows"]["get"]
    names = {parameter["name"] for parameter in rows["parameters"]}
    assert names >= {"id", "country", "price", "odd, name", "select", "order", "limit", "cursor"}
    properties = document["components"]["schemas"]["row.orders"]["properties"]
    assert properties["price"]["type"] == ["string", "null"]
    assert properties["list"]["items"]["type"] == ["integer", "string", "null"]
    assert set(rows["responses"]["200"]["content"]) == {
        "application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream",
    }  # fmt: skip
    assert "/v1/topics/events/messages" in document["paths"]
