"""What the HTTP API promises, asked of a real server over a real DuckDB."""

import csv
import io
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.serving import House, Runtime, Served, model, plan, serving

ODD = ("Ünï cödé", "select", "a b", 'quo"te', "com,ma", "dot.desc", "(paren)")
BIG = 400_000
ORDERS = """SELECT i::BIGINT AS id, CASE WHEN i % 5 = 0 THEN NULL ELSE i % 3 END::INTEGER AS grade,
    ['', 'GB', 'a,b', 'qu"ote', 'back\\slash', '(x)', 'null', 'é'][(i % 8 + 1)::INTEGER] AS country,
    CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 0.25 - 5)::DECIMAL(10,2) END AS price,
    TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL (i) HOUR AS at, DATE '2024-01-01' + (i % 9)::INTEGER AS day,
    i % 2 = 0 AS paid FROM range(60) r(i)"""
VALUES = """SELECT 1 AS id, 9007199254740991::BIGINT AS safe, 9007199254740993::BIGINT AS large,
    (-170141183460469231731687303715884105727)::HUGEINT AS huge, 1234567890123456789.123456789::DECIMAL(38,9) AS dec,
    'NaN'::DOUBLE AS nan, '-Infinity'::FLOAT AS minus, 0.1::DOUBLE AS tenth, '\\x00\\xFF'::BLOB AS raw,
    TIMESTAMPTZ '2024-03-31 01:30:00.000001+02' AS zoned, TIMESTAMP '2024-03-31 01:30:00' AS plain,
    'infinity'::TIMESTAMPTZ AS forever, DATE '0001-01-01' AS day, TIME '23:59:59.999999' AS clock,
    {'d': 1.10::DECIMAL(4,2), 'in ner': [1::HUGEINT << 100, NULL]} AS nested, MAP {'k': 'NaN'::DOUBLE} AS mapped,
    '{"a": [1, 2.50]}'::JSON AS doc, 'line\nfeed, "quoted" \u2028' AS text, NULL::VARCHAR AS nothing, '' AS empty,
    NULL::STRUCT(a INTEGER) AS no_struct, [{'x': 'y'::ENUM('y', 'z')}] AS listed, INTERVAL 3 MONTH AS span,
    '5e1f0e0a-0000-4000-8000-000000000001'::UUID AS ident"""


def tables(house: House) -> None:
    odd = ", ".join(f"i + {n} AS " + '"' + name.replace('"', '""') + '"' for n, name in enumerate(ODD))
    house.publish(
        **{
            "orders": ORDERS,
            "orders_current": f"SELECT *, 'upsert' AS _op FROM ({ORDERS}) WHERE id >= 30",
            "exact": VALUES,
            "odd Näme%": f"SELECT {odd} FROM range(5) r(i)",
            "empty": "SELECT 1 AS id, 'x' AS name WHERE FALSE",
            "keyless": "SELECT i % 3 AS a, CASE WHEN i % 2 = 0 THEN NULL ELSE 'x' END AS b FROM range(25) r(i)",
            "big": f"SELECT i AS id, 'row number ' || i AS name, i * 1.5 AS x FROM range({BIG}) r(i)",
            "breaks": "SELECT i AS id FROM range(200000) r(i)",
        }
    )


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    made = House()
    tables(made)
    # a column that can be read for a long while, and then not
    made.root.execute("ALTER TABLE v1.breaks RENAME TO breaks_rows")
    made.root.execute(
        "CREATE VIEW v1.breaks AS SELECT CASE WHEN id < 190000 THEN id ELSE error('page is torn')::BIGINT END AS id "
        "FROM v1.breaks_rows"
    )
    yield made
    made.close()


ROLES = {
    "sales": {"tables": ["orders"], "columns": {"orders": ["id", "country", "paid"]}, "rows": "country = 'GB' -- only"},
    "keyless": {"tables": ["orders"], "columns": {"orders": ["country", "paid"]}},
}


@pytest.fixture(scope="module")
def served(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = [
        model(house, "orders", ["id"], entity=("id",), history=True, description="Orders."),
        *[model(house, name, ["id"]) for name in ("exact", "empty", "big")],
        model(house, "breaks", ["id"], materialized="view"),
        model(house, "odd Näme%", [ODD[0]]),
        model(house, "keyless"),
    ]
    # the tail of a history model is in both of its tables
    for table in ("orders", "orders_current"):
        for column in ("_op VARCHAR", "_at TIMESTAMPTZ"):
            house.root.execute(f"ALTER TABLE v1.{table} ADD COLUMN IF NOT EXISTS {column}")
    with serving(plan(models, {"roles": ROLES}), house, tmp_path_factory.mktemp("api")) as running:
        yield running


def rows(served: Served, table: str = "orders", **params: Any) -> list[dict[str, Any]]:
    answer = served.client.get(f"/v1/tables/{table}/rows", params={"limit": "1000", **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def pages(served: Served, url: str, **params: Any) -> list[dict[str, Any]]:
    answer = served.client.get(url, params=params)
    found = []
    while True:
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if "next" not in answer.links:
            return found
        answer = served.client.get(answer.links["next"]["url"])


def problem(answer: httpx.Response, status: int, parameter: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    if parameter is not None:
        assert body["parameter"] == parameter
    return body


# ---- tables


def test_tables_are_listed_with_columns_key_rows_and_version(served: Served) -> None:
    answer = served.client.get("/v1/tables")
    found = {table["name"]: table for table in answer.json()["tables"]}
    assert answer.headers["data-version"] == "1"
    assert found["orders"]["rows"] == 60
    assert found["orders_current"]["rows"] == 30
    assert found["orders"]["key"] == ["id"]
    assert found["orders"]["columns"][0] == {"name": "id", "type": "BIGINT", "nullable": True, "description": ""}
    assert found["orders"]["description"] == "Orders."
    assert found["empty"]["rows"] == 0
    assert served.client.get(found["odd Näme%"]["href"]).status_code == 200
    assert served.client.get("/v1/tables/orders").json() == found["orders"]
    problem(served.client.get("/v1/tables/nothing"), 404)
    problem(served.client.get("/v1/tables/nothing/rows"), 404)


def test_a_table_that_is_planned_but_not_loaded_is_said(tmp_path: Path) -> None:
    made = House()
    later = model_of_nothing()
    with serving(plan([later]), made, tmp_path) as running:
        problem(running.client.get("/v1/tables/later/rows"), 503)
        problem(running.client.get("/readyz"), 503)
        assert running.client.get("/v1/tables").json()["version"] is None
        made.publish(other="SELECT 1 AS id")
        assert running.client.get("/readyz").status_code == 200
        assert running.client.get("/v1/tables").json()["tables"][0]["rows"] is None
        for url in ("/v1/tables/later/rows", "/v1/tables/later/rows.csv"):
            assert "catchwater run" in problem(running.client.get(url), 503)["detail"]


def model_of_nothing() -> Any:
    from catchwater.project.tables import Column

    return model(House(), "later", ["id"], columns=(Column("id", "BIGINT"),))


# ---- values and forms


def test_every_digit_arrives(served: Served) -> None:
    found = rows(served, "exact")[0]
    assert found["safe"] == 2**53 - 1
    assert found["large"] == "9007199254740993"
    assert found["huge"] == "-170141183460469231731687303715884105727"
    assert found["dec"] == "1234567890123456789.123456789"
    assert (found["nan"], found["minus"], found["tenth"]) == ("NaN", "-Infinity", 0.1)
    assert found["raw"] == "AP8="
    assert found["zoned"] == "2024-03-30T23:30:00.000001Z"
    assert found["plain"] == "2024-03-31T01:30:00"
    assert (found["forever"], found["day"], found["clock"]) == ("infinity", "0001-01-01", "23:59:59.999999")
    assert found["nested"] == {"d": "1.10", "in ner": [str(1 << 100), None]}
    assert found["mapped"] == {"k": "NaN"}
    assert found["doc"] == {"a": [1, 2.5]}
    assert (found["text"], found["nothing"], found["empty"]) == ('line\nfeed, "quoted" \u2028', None, "")
    assert (found["no_struct"], found["listed"], found["span"]) == (None, [{"x": "y"}], "3 months")


def test_csv_tells_null_from_empty_and_keeps_every_digit(served: Served) -> None:
    text = served.client.get("/v1/tables/exact/rows.csv").text
    found = next(csv.DictReader(io.StringIO(text)))
    assert found["dec"] == "1234567890123456789.123456789"
    assert (found["large"], found["nan"], found["zoned"]) == ("9007199254740993", "NaN", "2024-03-30T23:30:00.000001Z")
    assert json.loads(found["nested"]) == {"d": "1.10", "in ner": [str(1 << 100), None]}
    assert found["text"] == 'line\nfeed, "quoted" \u2028'
    short = served.client.get("/v1/tables/exact/rows.csv", params={"select": "nothing,empty,no_struct"}).text
    assert short == '"nothing","empty","no_struct"\n,"",\n'


def test_arrow_and_ndjson_hold_the_same_rows(served: Served) -> None:
    lines = served.client.get("/v1/tables/exact/rows.ndjson").text.split("\n")
    assert [json.loads(line) for line in lines[:-1]] == rows(served, "exact")
    data = served.client.get("/v1/tables/exact/rows.arrow?select=dec,huge,nested").content
    found = pa.ipc.open_stream(data).read_all().to_pylist()[0]
    assert str(found["dec"]) == "1234567890123456789.123456789"
    assert found["huge"] == "-170141183460469231731687303715884105727"
    assert found["nested"]["in ner"] == [str(1 << 100), None]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/csv", "text/csv"),
        ("application/json;q=0.2, text/*;q=0.9", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/*;q=0.5, text/csv;q=0", "application/json"),
    ],
)
def test_the_form_follows_accept(served: Served, accept: str, kind: str) -> None:
    answer = served.client.get("/v1/tables/orders/rows", headers={"Accept": accept})
    assert answer.headers["content-type"].split(";")[0] == kind


def test_other_forms_are_refused(served: Served) -> None:
    for accept in ("image/png", "application/json;q=0", "text/csv;q=odd"):
        problem(served.client.get("/v1/tables/orders/rows", headers={"Accept": accept}), 406)
    problem(served.client.get("/v1/tables/orders/rows.xlsx"), 404)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
def test_an_empty_table_is_whole_in_every_form(served: Served, form: str) -> None:
    for url in (f"/v1/tables/empty/rows.{form}", f"/v1/tables/empty/rows.{form}?limit=5"):
        data = served.client.get(url).content
        if form == "arrow":
            found = pa.ipc.open_stream(data).read_all()
            assert (found.num_rows, found.column_names) == (0, ["id", "name"])
        else:
            assert data == {"json": b"[]\n", "ndjson": b"", "csv": b'"id","name"\n'}[form]


# ---- filters


OPERATORS = {
    "eq": lambda a, b: a == b, "neq": lambda a, b: a != b, "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b,
}  # fmt: skip


def as_value(column: str, text: str) -> Any:
    from decimal import Decimal

    return {"id": int, "grade": int, "price": Decimal}.get(column, str)(text)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    column=st.sampled_from(["id", "grade", "price", "country"]),
    operator=st.sampled_from(sorted(OPERATORS)),
    number=st.integers(-3, 62),
    text=st.sampled_from(["", "GB", "a,b", 'qu"ote', "back\\slash", "(x)", "null", "é", "'; DROP TABLE orders; --"]),
    negated=st.booleans(),
)
def test_filters_do_what_python_does(
    served: Served, column: str, operator: str, number: int, text: str, negated: bool
) -> None:
    value = text if column == "country" else str(number)
    said = f"{'not.' if negated else ''}{operator}.{value}"
    found = {row["id"] for row in rows(served, **{column: said})}
    want = set()
    for row in rows(served):
        if row[column] is None:
            continue
        holds = OPERATORS[operator](as_value(column, str(row[column])), as_value(column, value))
        if holds != negated:
            want.add(row["id"])
    assert found == want


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4))
def test_lists_take_any_text_in_quotes(served: Served, texts: list[str]) -> None:
    texts = [*texts, "a,b", 'qu"ote']
    quoted = ",".join('"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"' for t in texts)
    found = {row["country"] for row in rows(served, country=f"in.({quoted})")}
    assert found == {row["country"] for row in rows(served)} & set(texts)


def test_nulls_lists_and_patterns(served: Served) -> None:
    everything = rows(served)
    assert {r["id"] for r in rows(served, grade="is.null")} == {r["id"] for r in everything if r["grade"] is None}
    assert len(rows(served, grade="not.is.null")) == len(rows(served, grade="is.not_null")) == 48
    assert len(rows(served, paid="is.true")) == 30
    assert rows(served, country="in.()") == []
    assert len(rows(served, country="not.in.()")) == 60
    assert {r["country"] for r in rows(served, country="like.qu*")} == {'qu"ote'}
    assert {r["country"] for r in rows(served, country="ilike.gb")} == {"GB"}
    assert {r["country"] for r in rows(served, country="like._,_")} == {"a,b"}
    assert rows(served, country="like.\\*") == []
    assert {r["country"] for r in rows(served, country="like.back\\\\*")} == {"back\\slash"}
    assert len(rows(served, at="lt.2024-01-01T02:00:00")) == len(rows(served, at="lt.2024-01-01T04:00:00+02:00")) == 2
    both = served.client.get("/v1/tables/orders/rows", params=[("id", "gte.3"), ("id", "lt.5")]).json()
    assert [row["id"] for row in both] == [3, 4]


def test_odd_names_are_only_names(served: Served) -> None:
    url = "/v1/tables/odd%20N%C3%A4me%25/rows"
    found = served.client.get(url).json()
    assert list(found[0]) == list(ODD)
    for number, name in enumerate(ODD):
        quoted = '"' + name.replace('"', '\\"') + '"'
        answer = served.client.get(url, params={quoted: f"eq.{number + 2}", "select": quoted})
        assert answer.json() == [{name: number + 2}], name
        ordered = served.client.get(url, params={"order": f"{quoted}.desc", "limit": 2})
        assert [row[name] for row in ordered.json()] == [number + 4, number + 3]
        following = served.client.get(ordered.links["next"]["url"])
        assert [row[name] for row in following.json()] == [number + 2, number + 1]
    assert served.client.get(url, params={"a b": "eq.3"}).json()[0]["a b"] == 3
    assert served.client.get(url, params={"order": "dot.desc.desc", "limit": 1}).json()[0]["dot.desc"] == 9


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"nope": "eq.1"}, "nope"),
        ({"id": "1"}, "id"),
        ({"id": "like.1"}, "id"),
        ({"id": "eq.1.5"}, "id"),
        ({"id": "eq."}, "id"),
        ({"id": "eq.99999999999999999999"}, "id"),
        ({"id": "in.1,2"}, "id"),
        ({"id": "in.(1,x)"}, "id"),
        ({"id": "near.1"}, "id"),
        ({"id": "is.maybe"}, "id"),
        ({"price": "eq.1.005"}, "price"),
        ({"price": "eq.1e1"}, "price"),
        ({"paid": "eq.yes"}, "paid"),
        ({"day": "gt.yesterday"}, "day"),
        ({"day": "gt.2024-02-31"}, "day"),
        ({"at": "gt.noon"}, "at"),
        ({"country": 'in.("open)'}, "country"),
        ({"country": "in.(a(b)"}, "country"),
        ({"country": "like.x\\"}, "country"),
        ({'"id': "eq.1"}, '"id'),
        ({'"id"x': "eq.1"}, '"id"x'),
        ({"select": "id,nope"}, "select"),
        ({"select": "id,id"}, "select"),
        ({"select": ""}, "select"),
        ({"select": '"id"x'}, "select"),
        ({"order": "nope"}, "order"),
        ({"order": "id.up"}, "order"),
        ({"order": "id,id.desc"}, "order"),
        ({"order": '"id"x'}, "order"),
        ({"order": "id; DROP TABLE orders"}, "order"),
        ({"limit": "0"}, "limit"),
        ({"limit": "10001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "all", "cursor": "x"}, "cursor"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"offset": "3"}, "offset"),
    ],
)
def test_what_is_wrong_is_named(served: Served, params: dict[str, str], parameter: str) -> None:
    problem(served.client.get("/v1/tables/orders/rows", params=params), 400, parameter)


def test_wrong_is_wrong_whatever_the_rows(served: Served) -> None:
    problem(served.client.get("/v1/tables/empty/rows", params={"id": "eq.99999999999"}), 400, "id")
    problem(served.client.get("/v1/tables/exact/rows", params={"nested": "eq.1"}), 400, "nested")
    problem(served.client.get("/v1/tables/exact/rows", params={"order": "nested"}), 400, "order")
    problem(served.client.get("/v1/tables/orders/rows", params=[("limit", "1"), ("limit", "2")]), 400, "limit")
    assert rows(served, "exact", nested="not.is.null")[0]["id"] == 1


# ---- pages


@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61])
@pytest.mark.parametrize(
    "order", ["", "grade", "grade.desc", "grade.asc.nullsfirst,country.desc", "price.desc.nullslast", "at.desc"]
)
def test_pages_give_each_row_once_and_in_order(served: Served, order: str, limit: int) -> None:
    asked = {"order": order} if order else {}
    if limit == 1 and order not in ("", "grade.asc.nullsfirst,country.desc"):
        return
    found = pages(served, "/v1/tables/orders/rows", limit=limit, **asked)
    assert found == rows(served, **asked)
    assert sorted(row["id"] for row in found) == list(range(60))


@pytest.mark.parametrize("limit", [1, 4, 25])
def test_a_table_without_a_key_has_pages_too(served: Served, limit: int) -> None:
    found = pages(served, "/v1/tables/keyless/rows", limit=limit, order="b.desc")
    want = sorted(served.client.get("/v1/tables/keyless/rows.json").json(), key=str)
    assert sorted(found, key=str) == want
    assert len(found) == 25


def test_a_cursor_belongs_to_its_request(served: Served) -> None:
    first = served.client.get("/v1/tables/orders/rows", params={"limit": 5})
    cursor = httpx.URL(first.links["next"]["url"]).params["cursor"]
    for params in ({"order": "grade"}, {"id": "gt.3"}, {"select": "id"}):
        problem(served.client.get("/v1/tables/orders/rows", params={"cursor": cursor, **params}), 400, "cursor")
    problem(served.client.get("/v1/tables/keyless/rows", params={"cursor": cursor}), 400, "cursor")
    assert served.client.get("/v1/tables/orders/rows", params={"cursor": cursor, "limit": 1}).json()[0]["id"] == 5


def test_a_cursor_of_a_version_that_is_gone_is_gone(tmp_path: Path) -> None:
    made = House()
    made.publish(t="SELECT i AS id FROM range(9) r(i)")
    with serving(plan([model(made, "t", ["id"])]), made, tmp_path) as running:
        first = running.client.get("/v1/tables/t/rows", params={"limit": 5})
        made.publish(t="SELECT i + 100 AS id FROM range(9) r(i)")
        body = problem(running.client.get(first.links["next"]["url"]), 410, "cursor")
        assert "limit=all" in body["detail"]


# ---- versions


def test_etag_and_head(served: Served) -> None:
    first = served.client.get("/v1/tables/orders/rows")
    tag = first.headers["etag"]
    assert tag.startswith('W/"1-')
    for said in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = served.client.get("/v1/tables/orders/rows", headers={"If-None-Match": said})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert served.client.get("/v1/tables/orders/rows", headers={"If-None-Match": 'W/"0-x"'}).status_code == 200
    assert served.client.get("/v1/tables/orders/rows.csv").headers["etag"] != tag
    listed = served.client.get("/v1/tables").headers["etag"]
    assert served.client.get("/v1/tables", headers={"If-None-Match": listed}).status_code == 304
    for url in ("/v1/tables/orders/rows", "/v1/tables/orders/rows.csv", "/v1/tables"):
        head = served.client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == served.client.get(url).headers["etag"]


def test_no_answer_mixes_two_versions(tmp_path: Path) -> None:
    made = House()
    made.publish(t="SELECT 1 AS v, i AS id FROM range(3000) r(i)")
    with serving(plan([model(made, "t", ["id"])]), made, tmp_path) as running:
        stop, wrong, seen = threading.Event(), [], set()

        def read(url: str) -> None:
            with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=30) as client:
                while not stop.is_set():
                    answer = client.get(url)
                    versions = {row["v"] for row in answer.json()}
                    seen.update(versions)
                    if answer.status_code != 200 or {str(v) for v in versions} != {answer.headers["data-version"]}:
                        wrong.append((answer.status_code, answer.headers.get("data-version"), versions))

        urls = ["/v1/tables/t/rows?limit=1000", "/v1/tables/t/rows.json", "/v1/tables/t/rows?id=gt.10"]
        threads = [threading.Thread(target=read, args=[url]) for url in urls]
        for thread in threads:
            thread.start()
        for number in range(2, 12):
            made.publish(t=f"SELECT {number} AS v, i AS id FROM range(3000) r(i)")
            deadline = time.monotonic() + 10
            while number not in seen and time.monotonic() < deadline:
                time.sleep(0.005)
        stop.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert {10, 11} <= seen
        assert made.readers == 0


def test_the_warehouse_of_two_files_loads_while_it_is_read(tmp_path: Path) -> None:
    import duckdb

    from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
    from catchwater.ports import LoadBatch, Settings
    from catchwater.project.tables import Column

    columns = (Column("id", "BIGINT"), Column("v", "INTEGER"), Column("at", "TIMESTAMP WITH TIME ZONE"))
    made = model(House(), "t", ["id"], columns=columns)
    warehouse = DuckdbWarehouse("w", None, Settings(tmp_path, tmp_path, "local", str), patience=10)

    batches: list[LoadBatch] = []

    def load(number: int) -> None:
        path = tmp_path / f"{number}.parquet"
        select = f"SELECT i AS id, {number} AS v, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS at, FALSE AS _removed"
        duckdb.execute(f"COPY ({select} FROM range(50000) r(i)) TO '{path}'")
        batches.append(LoadBatch(made, number, f"h{number}", f"h{number - 1}" if number else None, (path,)))
        with warehouse.load({"processed/t": (number, f"h{number}")}) as session:
            session.prepare([made])
            session.apply(batches)

    with serving(plan([made]), warehouse, tmp_path) as running:
        problem(running.client.get("/v1/tables/t/rows"), 503)
        load(0)
        first = running.client.get("/v1/tables/t/rows", params={"limit": 2, "at": "eq.2024-01-01T00:00:00"})
        assert first.json()[1] == {"id": 1, "v": 0, "at": "2024-01-01T00:00:00Z"}
        with running.client.stream("GET", "/v1/tables/t/rows.ndjson") as answer:
            lines = answer.iter_lines()
            next(lines)
            load(1)
            assert {json.loads(line)["v"] for line in lines} == {0}
        second = running.client.get("/v1/tables/t/rows", params={"limit": 2})
        assert {row["v"] for row in second.json()} == {1}
        assert int(second.headers["data-version"]) == int(first.headers["data-version"]) + 1
        problem(running.client.get(first.links["next"]["url"]), 410, "cursor")
        assert running.client.get("/v1/tables").json()["tables"][0]["rows"] == 50_000
    warehouse.close()


# ---- whole tables


def test_a_whole_table_streams(served: Served) -> None:
    began = time.monotonic()
    with served.client.stream("GET", "/v1/tables/big/rows.ndjson") as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["id"] == 0
        first = time.monotonic() - began
        count = 1 + sum(1 for _ in lines)
    whole = time.monotonic() - began
    assert count == BIG
    assert first < whole / 3
    assert len(served.client.get("/v1/tables/big/rows?limit=all&select=id").json()) == BIG
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
def test_an_error_on_the_way_cuts_the_answer(served: Served, form: str) -> None:
    data = bytearray()

    def take() -> None:
        with served.client.stream("GET", f"/v1/tables/breaks/rows.{form}") as answer:
            assert answer.status_code == 200
            for chunk in answer.iter_bytes():
                data.extend(chunk)

    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        take()
    assert len(data) > 10_000


def test_who_leaves_stops_the_query(served: Served, house: House) -> None:
    with served.client.stream("GET", "/v1/tables/big/rows.ndjson") as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        assert house.readers == 1
        answer.close()
    slow = socket.create_connection(("127.0.0.1", served.port))
    slow.sendall(b"GET /v1/tables/big/rows.csv HTTP/1.1\r\nHost: localhost\r\n\r\n")
    slow.recv(1000)
    slow.close()
    deadline = time.monotonic() + 10
    while house.readers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert house.readers == 0


# ---- access


@pytest.fixture(scope="module")
def locked(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = [model(house, "orders", ["id"], entity=("id",), history=True), model(house, "keyless")]
    with serving(plan(models, {"roles": ROLES}), house, tmp_path_factory.mktemp("locked"), free=False) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(locked: Served) -> dict[str, str]:
    made = {scope: locked.keys.create(scope, [scope]) for scope in ("read", "publish", "operate", "metrics")}
    made["sales"] = locked.keys.create("sales", ["read"], "sales")
    made["narrow"] = locked.keys.create("narrow", ["read"], "keyless")
    made["lost"] = locked.keys.create("lost", ["read"], "gone")
    return made


ASKED = [
    ("GET", "/v1/tables", "read"),
    ("GET", "/v1/tables/orders", "read"),
    ("GET", "/v1/tables/orders/rows", "read"),
    ("GET", "/v1/tables/orders/rows.csv", "read"),
    ("GET", "/openapi.json", "read"),
    ("GET", "/", "read"),
    ("GET", "/console.json", "read"),
    ("GET", "/v1/runs", "operate"),
    ("GET", "/v1/runs/1", "operate"),
    ("POST", "/v1/runs", "operate"),
    ("POST", "/v1/topics/events/messages", "publish"),
    ("GET", "/metrics", "metrics"),
]


@pytest.mark.parametrize(("method", "url", "scope"), ASKED)
def test_each_path_wants_its_scope(locked: Served, tokens: dict[str, str], method: str, url: str, scope: str) -> None:
    def ask(headers: dict[str, Any]) -> httpx.Response:
        body = b"{}" if method == "POST" else None
        return locked.client.request(method, url, content=body, headers={"Content-Type": "application/json", **headers})

    assert problem(ask({}), 401)
    assert "bearer" in ask({}).headers["www-authenticate"].lower()
    for wrong in ("Bearer cw_wrong", "Bearer", "Basic !!", "Digest x", b"Bearer \xff"):
        assert ask({"Authorization": wrong}).status_code == 401
    for name in ("read", "publish", "operate", "metrics"):
        answer = ask({"Authorization": f"Bearer {tokens[name]}"})
        assert (answer.status_code == 403) == (name != scope), (name, answer.text)
        assert answer.status_code < 500
    assert ask({"X-API-Key": tokens[scope]}).status_code < 400 or url == "/v1/runs/1"
    assert ask({"Authorization": httpx.BasicAuth("any", tokens[scope])._auth_header}).status_code != 401


def test_a_role_sees_its_tables_columns_and_rows_only(locked: Served, tokens: dict[str, str]) -> None:
    mine = {"Authorization": f"Bearer {tokens['sales']}"}
    listed = locked.client.get("/v1/tables", headers=mine).json()["tables"]
    assert {table["name"]: table["rows"] for table in listed} == {"orders": 8, "orders_current": 4}
    for table, count in (("orders", 8), ("orders_current", 4)):
        found = locked.client.get(f"/v1/tables/{table}/rows", headers=mine).json()
        assert len(found) == count
        assert {tuple(row) for row in found} == {("id", "country", "paid")}
        assert {row["country"] for row in found} == {"GB"}
        whole = locked.client.get(f"/v1/tables/{table}/rows.ndjson", headers=mine).text.splitlines()
        assert [json.loads(line) for line in whole] == found
    problem(locked.client.get("/v1/tables/orders/rows?price=gt.1", headers=mine), 400, "price")
    problem(locked.client.get("/v1/tables/orders/rows?order=price", headers=mine), 400, "order")
    problem(locked.client.get("/v1/tables/orders/rows?select=price", headers=mine), 400, "select")
    problem(locked.client.get("/v1/tables/keyless/rows", headers=mine), 404)
    problem(locked.client.get("/", headers=mine), 403)
    described = locked.client.get("/openapi.json", headers=mine).json()
    assert "/v1/tables/keyless" not in described["paths"]
    assert set(described["components"]["schemas"]["row.orders"]["properties"]) == {"id", "country", "paid"}
    problem(locked.client.get("/v1/tables", headers={"Authorization": f"Bearer {tokens['lost']}"}), 403)


def test_a_hidden_key_is_not_in_the_cursor(locked: Served, tokens: dict[str, str]) -> None:
    import base64

    narrow = {"Authorization": f"Bearer {tokens['narrow']}"}
    answer = locked.client.get("/v1/tables/orders/rows?limit=7", headers=narrow)
    found = answer.json()
    while "next" in answer.links:
        cursor = httpx.URL(answer.links["next"]["url"]).params["cursor"]
        state = json.loads(base64.urlsafe_b64decode(cursor + "=="))[2]
        assert isinstance(state, int)
        answer = locked.client.get(answer.links["next"]["url"], headers=narrow)
        found += answer.json()
    assert len(found) == 60
    other = {"Authorization": f"Bearer {tokens['sales']}"}
    first = locked.client.get("/v1/tables/orders/rows?limit=2&select=paid", headers=other)
    stolen = first.links["next"]["url"]
    problem(locked.client.get(stolen, headers=narrow), 400, "cursor")


def test_revoked_is_refused_at_once(locked: Served) -> None:
    token = locked.keys.create("short", ["read"])
    headers = {"Authorization": f"Bearer {token}"}
    assert locked.client.get("/v1/tables", headers=headers).status_code == 200
    locked.keys.revoke("short")
    problem(locked.client.get("/v1/tables", headers=headers), 401)


def test_health_needs_no_key(locked: Served) -> None:
    assert locked.client.get("/healthz").json() == {"status": "ok"}
    assert locked.client.get("/readyz").json() == {"status": "ready", "version": 1}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80", "[::"])
def test_a_name_pointed_here_opens_nothing(served: Served, host: str) -> None:
    headers = {"Host": host, "Content-Type": "application/json"}
    problem(served.client.post("/v1/runs", headers=headers, content=b"{}"), 403)
    problem(served.client.get("/v1/tables", headers={"Host": host}), 401)
    assert served.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_pages_of_other_sites_send_nothing(served: Served) -> None:
    json_type = {"Content-Type": "application/json"}
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        problem(served.client.post("/v1/runs", headers={**json_type, "Origin": origin}), 403)
    own = f"http://127.0.0.1:{served.port}"
    assert served.client.post("/v1/runs", headers={**json_type, "Origin": own}).status_code == 202
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for url in ("/v1/runs", "/v1/topics/events/messages"):
            problem(served.client.post(url, headers={"Content-Type": kind}, content=b"{}"), 415)


# ---- operations


def test_runs_are_started_once_per_key(served: Served) -> None:
    first = served.client.post("/v1/runs", headers={"Idempotency-Key": "k1"})
    assert first.status_code == 202
    assert first.headers["location"] == f"/v1/runs/{first.json()['number']}"
    again = served.client.post("/v1/runs", headers={"Idempotency-Key": "k1"})
    assert again.json() == first.json()
    assert served.client.post("/v1/runs").json()["number"] > first.json()["number"]
    problem(served.client.post("/v1/runs", headers={"Idempotency-Key": "x" * 256}), 400, "Idempotency-Key")
    problem(served.client.post("/v1/runs", headers={"Idempotency-Key": "elsewhere"}), 409)
    problem(served.client.post("/v1/runs", json={"full": True}), 422)
    problem(served.client.post("/v1/runs", content=b"{", headers={"Content-Type": "application/json"}), 400)
    served.runtime.past = [{"number": 7, "state": "done"}]
    assert served.client.get("/v1/runs").json() == {"runs": [{"number": 7, "state": "done"}]}
    assert served.client.get("/v1/runs/7").json()["state"] == "done"
    for number in ("8", "-1", "x", "9" * 30):
        problem(served.client.get(f"/v1/runs/{number}"), 404)
    problem(served.client.get("/v1/runs?limit=0"), 400, "limit")
    problem(served.client.get("/v1/runs?state=done"), 400, "state")
    assert set(served.client.delete("/v1/runs").headers["allow"].split(", ")) == {"HEAD", "GET", "POST"}
    problem(served.client.delete("/v1/runs"), 405)


def test_messages_are_kept_to_the_byte(served: Served) -> None:
    def send(body: bytes, kind: str = "application/json") -> httpx.Response:
        return served.client.post("/v1/topics/events/messages", content=body, headers={"Content-Type": kind})

    one, two = b'{ "id": 1.50,\t"x": "\\u00e9" }', b'{"big":123456789012345678901234567890}'
    assert send(b" \n" + one + b"\n").json() == {"topic": "events", "accepted": 1}
    assert served.runtime.published[-1] == ("events", [one])
    assert send(b"[" + one + b" ,\n" + two + b"]").json()["accepted"] == 2
    assert served.runtime.published[-1][1] == [one, two]
    assert send(one + b"\r\n\n" + two, "application/x-ndjson").status_code == 202
    assert served.runtime.published[-1][1] == [one, two]
    assert send(b" [ ] ").json()["accepted"] == 0
    before = len(served.runtime.published)
    for wrong in (
        b"",
        b"{",
        b"[{},]",
        b"[{} {}]",
        b"[{}] x",
        b"{} {}",
        b'{"a":NaN}',
        b"\xff",
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
    ):
        problem(send(wrong), 400)
    for wrong in (b"1", b"[1]", b"[{},null]", b'"x"'):
        problem(send(wrong), 422)
    problem(send(b"{}\n{} {}\n", "application/x-ndjson"), 422)
    problem(send(b"{}\n{\n", "application/x-ndjson"), 400)
    problem(send(b"{}", "text/plain"), 415)
    problem(send(b'{"a":"' + b"x" * (8 << 20) + b'"}'), 413)
    problem(send(b"[" + b",".join([b"{}"] * 10_001) + b"]"), 413)
    assert len(served.runtime.published) == before
    headers = {"Content-Type": "application/json"}
    problem(served.client.post("/v1/topics/nope/messages", content=b"{}", headers=headers), 404)


def test_a_body_without_a_length_is_cut_off_too(served: Served) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"a":"'
        yield from itertools.repeat(b"x" * (1 << 20), 9)

    answer = served.client.post(
        "/v1/topics/events/messages", content=parts(), headers={"Content-Type": "application/json"}
    )
    problem(answer, 413)


def test_webhooks_are_signed(locked: Served) -> None:
    import hashlib
    import hmac

    from tests.support.serving import SECRET

    body = b'{"zen":  "Keep it logically awesome."}'
    right = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-GitHub-Delivery": "d1", "X-Hub-Signature-256": right}
    answer = locked.client.post("/v1/webhooks/live", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"delivery": "d1"})
    assert locked.runtime.delivered[-1][1] == body
    problem(locked.client.post("/v1/webhooks/live", content=body + b" ", headers=headers), 401)
    problem(locked.client.post("/v1/webhooks/other", content=body, headers=headers), 404)
    problem(locked.client.post("/v1/webhooks/live", content=body, headers={"Content-Type": "text/xml"}), 415)


def test_faults_are_problems_too(tmp_path: Path) -> None:
    from catchwater.errors import GrantMissing, UseError, WarehouseBusy

    runtime = Runtime()
    with serving(plan([]), House(), tmp_path, runtime=runtime) as running:
        for error, status in (
            (GrantMissing("serve:api", "read", "secret/x"), 500),
            (WarehouseBusy("held by process 7"), 503),
            (UseError("not so"), 400),
            (ZeroDivisionError("with a secret in it"), 500),
        ):
            runtime.fault = error
            body = problem(running.client.get("/v1/runs"), status)
            assert "secret in it" not in body["detail"]


def test_metrics_are_the_runtimes_own(served: Served) -> None:
    answer = served.client.get("/metrics")
    assert answer.text == "catchwater_rows_total 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_every_answer_carries_its_guards(served: Served) -> None:
    for url in ("/", "/v1/tables", "/nothing", "/healthz", "/v1/tables/orders/rows.csv"):
        headers = served.client.get(url).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
