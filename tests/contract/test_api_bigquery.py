"""The API over BigQuery answers byte for byte what it answers over DuckDB from the same batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from catchwater.plan.plan import Model
from tests.support import serving
from tests.support.google import bqemulator
from tests.support.loads import Chain, House, model, opened

__all__ = ["bqemulator"]
COLUMNS = {
    "id": "INTEGER", "big": "BIGINT", "price": "DECIMAL(10,2)", "rate": "DOUBLE", "name": "VARCHAR", "on": "BOOLEAN",
    "day": "DATE", "moment": "TIMESTAMP", "at": "TIMESTAMP WITH TIME ZONE", "time": "TIME", "raw": "BLOB",
    "uid": "UUID", "body": "JSON", "kind": "ENUM('low', 'high')",
}  # fmt: skip
ROWS = """
SELECT range::INTEGER AS id, 9007199254740990 + range AS big, (range * 1.25)::DECIMAL(10,2) AS price,
    CASE range % 7 WHEN 3 THEN 'NaN' WHEN 5 THEN 'Infinity' ELSE range / 3 END::DOUBLE AS rate,
    CASE WHEN range % 5 = 0 THEN NULL ELSE 'näme "' || (range % 4) || '"' END AS name, range % 2 = 0 AS on,
    DATE '2026-01-01' + (range % 9)::INTEGER AS day, TIMESTAMP '2026-01-01 10:00:00.5' + to_hours(range) AS moment,
    TIMESTAMPTZ '2026-01-01 10:00:00+02' + to_minutes(range) AS at, TIME '10:00:00.25' AS time,
    ('x' || range)::BLOB AS raw, '00000000-0000-4000-8000-' || lpad(range::VARCHAR, 12, '0') AS uid,
    '{"a": [' || range || ', null]}' AS body, CASE WHEN range % 2 = 0 THEN 'low' ELSE 'high' END AS kind
FROM range(60)
"""


@dataclass
class Both:
    bigquery: httpx.Client
    duckdb: httpx.Client
    house: House
    log: Chain
    table: Model


@pytest.fixture
def both(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Both]:
    t, bag = model("t", COLUMNS), model("bag", {"a": "VARCHAR", "b": "INTEGER"}, key=())
    roles = {"some": {"tables": ["t"], "rows": "name LIKE 'n%' AND price > 10", "columns": {"t": ["id", "price"]}}}
    plan = serving.plan([t, bag], {"roles": roles})
    (tmp_path / "other").mkdir()
    with opened("bigquery", tmp_path, request) as house, opened("duckdb", tmp_path / "other", request) as other:
        log, loose = house.chain(t), house.chain(bag)
        log.add(ROWS)
        loose.add(
            "SELECT 'x' AS a, (range % 3)::INTEGER AS b, 'h' || range AS _version, 1 AS _occurrence FROM range(8)"
        )
        for one in (house, other):
            one.load(log, loose)
        with (
            serving.serving(plan, house.warehouse, tmp_path) as there,
            serving.serving(plan, other.warehouse, tmp_path / "other") as here,
        ):
            yield Both(there.client, here.client, house, log, t)


ASKED = (
    "t/rows", "t/rows?limit=7&order=rate.desc,id", "t/rows?order=name.desc.nullslast&limit=9", "t/rows?order=kind",
    "t/rows?rate=gt.3&select=id,rate", "t/rows?rate=eq.NaN&select=id,rate", "t/rows?price=gte.12.50&order=price.desc",
    "t/rows?name=is.null&on=is.true", "t/rows?name=like.n*1*", "t/rows?name=ilike.NÄME*", "t/rows?name=not.ilike.*2*",
    'table:t/rows?day=in.(2026-01-02,"2026-01-05")', "t/rows?at=lt.2026-01-01T09:00:00%2B01:00&select=id,at",
    "t/rows?moment=gte.2026-01-02 00:00:00&select=moment,id", "t/rows?id=in.()", "t/rows?id=eq.3000",
    "t/rows?uid=eq.00000000-0000-4000-8000-000000000007", "t/rows?time=eq.10:00:00.25&limit=2",
    "t/rows?big=gt.9007199254740992&select=id,big&limit=3", "t/rows?on=eq.false&limit=3", "t/rows?nope=eq.1",
    "t/rows?id=eq.x", "t/rows.ndjson?order=id", "t/rows.csv?order=id", "t/rows.json?order=rate.desc,id.desc&rate=not.is.null",
    "bag/rows", "bag/rows?limit=3", "bag/rows?order=b.desc&limit=5",
)  # fmt: skip


def test_the_same_answers(both: Both) -> None:
    for asked in ASKED:
        path = f"/v1/tables/{asked.removeprefix('table:')}"
        there, here = both.bigquery.get(path), both.duckdb.get(path)
        assert there.status_code == here.status_code, (asked, there.text[:300], here.text[:300])
        if here.status_code == 200 and asked != "t/rows?order=kind":  # an ENUM sorts by its text in BigQuery
            assert there.content == here.content, asked


def test_pages_follow_each_other_to_the_end(both: Both) -> None:
    for asked in (
        "t/rows?limit=25&order=rate.desc",
        "t/rows?limit=29&order=name",
        "bag/rows?limit=3",
        "t/rows?limit=21&order=kind,day.desc",
    ):
        seen: list[str] = []
        path = f"/v1/tables/{asked}"
        while path:
            answer = both.bigquery.get(path)
            assert answer.status_code == 200, answer.text
            seen += [str(row) for row in answer.json()]
            path = answer.links.get("next", {}).get("url", "")
        whole = both.bigquery.get(f"/v1/tables/{asked}".replace("limit=", "limit=all&x=").partition("&x=")[0])
        assert len(seen) == len(whole.json()) == (8 if "bag" in asked else 60), asked
        assert sorted(seen) == sorted(str(row) for row in whole.json()), asked


def test_arrow_has_the_same_types_and_rows(both: Both) -> None:
    import pyarrow as pa

    tables = []
    for client in (both.bigquery, both.duckdb):
        with pa.ipc.open_stream(client.get("/v1/tables/t/rows.arrow?order=id").content) as reader:
            tables.append(reader.read_all())
    utc = [f.with_type(pa.timestamp("us", "UTC")) if f.name == "at" else f for f in tables[0].schema]
    tables = [table.cast(pa.schema(utc)) for table in tables]  # DuckDB says what this machine calls its zone
    rates = [table.column("rate").to_pylist() for table in tables]
    assert str(rates[0]) == str(rates[1])
    assert tables[0].drop(["rate"]).equals(tables[1].drop(["rate"]))


def test_versions_tags_and_cursors(both: Both) -> None:
    first = both.bigquery.get("/v1/tables/t/rows?limit=5")
    tag, following = first.headers["etag"], first.links["next"]["url"]
    assert both.bigquery.get("/v1/tables/t/rows?limit=5", headers={"If-None-Match": tag}).status_code == 304
    listed = both.bigquery.get("/v1/tables").json()
    assert {one["name"]: one["rows"] for one in listed["tables"]} == {"t": 60, "bag": 8}
    assert str(listed["version"]) == first.headers["data-version"]
    both.log.add(ROWS.replace("range(60)", "range(60, 61)"))
    both.house.load(both.log)
    again = both.bigquery.get("/v1/tables/t/rows?limit=5", headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert int(again.headers["data-version"]) > int(first.headers["data-version"])
    gone = both.bigquery.get(following)
    assert gone.status_code == 410, gone.text
    assert both.bigquery.get("/v1/tables/t").json()["rows"] == 61
