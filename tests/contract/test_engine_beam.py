"""Beam against the embedded engine: the same warehouse, value by value, and nothing taken in silence."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.engines import beam
from catchwater.adapters.engines.beam import BeamEngine, rewritten
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.errors import UseError, WarehouseError
from catchwater.lake.parquet import read_back, written
from catchwater.plan.plan import Plan
from catchwater.ports import Ports, Rewrite, Settings
from catchwater.project.names import literal
from catchwater.project.schema import DuckdbWarehouse as Spec
from catchwater.project.tables import Column
from catchwater.runtimes import dataflow
from catchwater.runtimes.demo import Demo
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.planning import applied_plan
from catchwater.stages.load import load
from catchwater.wiring import ADAPTERS, SystemClock
from tests.support.postgres import Database, db, postgres18
from tests.support.zones import STORE, deploy

__all__ = ["db", "postgres18"]

ODD = {
    "k": "1::INTEGER", "h": "-170141183460469231731687303715884105727::HUGEINT // 10", "u": "2::UBIGINT ** 63",
    "i": "INTERVAL '-1 month 2 days 3 microseconds'", "z": "'10:11:12+05:30'::TIMETZ", "t": "'24:00:00'::TIME",
    "n": "'NaN'::DOUBLE", "m": "-0.0::DOUBLE", "d": "1.10::DECIMAL(20,2)", "s": "'2021-01-01 00:00:00+00'::TIMESTAMPTZ",
    "x": "'\\x00'::BLOB", "l": "[1, NULL]", "p": "MAP {'a': 'b'}", "r": "{'a': 1, 'b': 'x'}", "o": "NULL::VARCHAR",
    "g": "'123e4567-e89b-12d3-a456-426614174000'::UUID", "e": "''",
}  # fmt: skip


def engine(folder: Path) -> BeamEngine:
    return BeamEngine("beam", None, Settings(folder, folder / ".catchwater", "local", str))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    folder = tmp_path_factory.mktemp("demo") / "open_data"
    with Demo("open_data", folder) as shown:
        shown.once(Runtime(shown.wiring))
        shown.wiring.close()
    plan = applied_plan(folder / ".catchwater")
    assert plan is not None
    return folder, plan


def file_of(folder: Path, select: str) -> tuple[Path, tuple[Column, ...]]:
    path = folder / "given.parquet"
    with duckdb.connect() as con:
        columns = tuple(Column(row[0], row[1]) for row in con.execute(f"DESCRIBE {select}").fetchall())
        items = ", ".join(map(written, columns))
        con.execute(
            f"COPY (SELECT {items}, false AS _removed FROM ({select})) TO {literal(str(path))} (FORMAT parquet)"
        )
    return path, columns


def texts(path: Path, columns: tuple[Column, ...]) -> list[tuple[str, ...]]:
    with duckdb.connect() as con:
        back = ", ".join(map(read_back, columns))
        return con.execute(f"SELECT columns(*)::VARCHAR FROM (SELECT {back} FROM {literal(str(path))})").fetchall()


def rewrite(path: Path, columns: tuple[Column, ...], key: tuple[str, ...] = ("k",)) -> Rewrite:
    return Rewrite(str(path), str(path.with_name("made.parquet")), columns, key, "processed/m batch 3")


def test_values_of_every_type_stay_as_they_are(tmp_path: Path) -> None:
    path, columns = file_of(tmp_path, f"SELECT {', '.join(f'{value} AS {name}' for name, value in ODD.items())}")
    before = texts(path, columns)
    assert texts(Path(rewritten(rewrite(path, columns))), columns) == before


def test_a_column_that_an_older_file_lacks_is_null(tmp_path: Path) -> None:
    path, columns = file_of(tmp_path, "SELECT 1 AS k")
    wider = (*columns, Column("new", "DECIMAL(10,2)"))
    assert list(map(str, texts(Path(rewritten(rewrite(path, wider))), wider))) == ["('1', None)"]


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize(
    ("select", "kind", "said"),
    [
        ("SELECT NULL::INTEGER AS k", "INTEGER", "1 rows have no value of k"),
        ("SELECT 'x' AS k", "INTEGER", "Could not"),
    ],
)
def test_what_doesnt_fit_stops_the_load(tmp_path: Path, files: int, select: str, kind: str, said: str) -> None:
    path, _ = file_of(tmp_path, select)
    good, _ = file_of(tmp_path / "..", "SELECT 1 AS k")
    items = [rewrite(path, (Column("k", kind),)), rewrite(good, (Column("k", kind),))]
    with pytest.raises(WarehouseError, match=rf"(?s)processed/m batch 3.*{said}|{said}"):
        engine(tmp_path).rewrite(items[:files])


def warehouse(folder: Path) -> DuckdbWarehouse:
    return DuckdbWarehouse("duckdb", Spec(kind="duckdb"), Settings(folder, folder / ".catchwater", "local", str))


def rows(folder: Path, plan: Plan) -> dict[str, list[tuple[str, ...]]]:
    house = warehouse(folder)
    try:
        with house.read() as reading:
            names = [m.name for m in plan.models] + [f"{m.name}_current" for m in plan.models if m.history]
            return {
                name: reading.connection.execute(
                    f'SELECT columns(*)::VARCHAR FROM (SELECT * FROM "{name}") ORDER BY ALL'
                ).fetchall()
                for name in names
            }
    finally:
        house.close()


def loaded_with_beam(demo: tuple[Path, Plan], folder: Path) -> tuple[int, Plan]:
    from catchwater.adapters.stores.local import LocalStore

    project, plan = demo
    step = next(one for one in plan.steps if one.stage == "load")
    house = warehouse(folder)
    try:
        stores = {"processed": LocalStore(project / ".catchwater" / "lake" / "processed")}
        ports = Ports(stores, engine(folder), SystemClock(), warehouse=house)
        outcome = load(ports, plan, step, "run")
        again = load(ports, plan, step, "run")
    finally:
        house.close()
    assert not outcome.failures
    assert not again.batches
    return outcome.rows_out, plan


def test_open_data_is_loaded_as_the_embedded_engine_loads_it(demo: tuple[Path, Plan], tmp_path: Path) -> None:
    count, plan = loaded_with_beam(demo, tmp_path)
    assert count > 3000
    assert rows(tmp_path, plan) == rows(demo[0], plan)


def test_a_cast_that_is_left_out_is_told(
    demo: tuple[Path, Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nulls(con: duckdb.DuckDBPyConnection, file: Rewrite) -> str:
        names = ", ".join(
            f'"{c.name}"' if c.type != "DOUBLE" else f'round("{c.name}", 3) AS "{c.name}"' for c in file.columns
        )
        return f"SELECT {names}, _removed FROM {literal(file.source)}"

    monkeypatch.setattr(beam, "_select", nulls)
    _, plan = loaded_with_beam(demo, tmp_path)
    assert rows(tmp_path, plan) != rows(demo[0], plan)


@pytest.fixture
def deployed(
    demo: tuple[Path, Plan], tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, str], Plan]:
    """open_data as a Dataflow job would have it, its warehouse a Postgres."""
    monkeypatch.setitem(ADAPTERS, ("store", "s3"), STORE)
    project, plan = demo
    shutil.copytree(project / ".catchwater" / "lake" / "processed", tmp_path / "zones" / "processed")
    held = replace(plan, warehouse={"kind": "postgres", "url": db.url()})
    step = next(one for one in plan.steps if one.stage == "load").name
    return deploy(held, tmp_path, step, "beam", "dataflow"), plan


def arguments(environ: dict[str, str]) -> list[str]:
    return [*(f"--{name}={value}" for name, value in environ.items()), "--runner=DirectRunner"]


def plain(row: Sequence[str | None]) -> str:
    """A row's texts, whole DOUBLEs as Postgres writes them."""
    return str([value.removesuffix(".0") if value else value for value in row])


def test_the_job_prepares_on_its_machines_and_loads_once(
    deployed: tuple[dict[str, str], Plan], db: Database, demo: tuple[Path, Plan], tmp_path: Path
) -> None:
    environ, plan = deployed
    assert dataflow.main(arguments(environ), {}) == 0
    expected = rows(demo[0], plan)
    for name in ("stations", "stations_by_country", "station_changes_current"):
        names = [column.name for column in plan.model(name.removesuffix("_current")).columns]
        found = db.run(f"SELECT {', '.join(f'{one}::text' for one in names)} FROM {name}")
        assert sorted(map(plain, found)) == sorted(plain(row[: len(names)]) for row in expected[name])
    staged = list((tmp_path / "zones" / "processed").glob("*/_staged/*/*.parquet"))
    assert staged
    assert dataflow.main(arguments(environ), {}) == 0
    assert sorted(staged) == sorted((tmp_path / "zones" / "processed").glob("*/_staged/*/*.parquet"))


def test_a_file_that_is_corrupt_fails_the_job(
    deployed: tuple[dict[str, str], Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = next((tmp_path / "zones" / "processed" / "stations" / "data").glob("*.parquet"))
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    assert dataflow.main(arguments(deployed[0]), {}) == 1
    assert "SHA-256" in capsys.readouterr().out


def test_settings_are_told_from_the_options_of_beam() -> None:
    argv = ["--CATCHWATER_STEP=load:x", "--runner", "DirectRunner", "--ZONES", "/z", "--temp_location=gs://b/t"]
    given, options = dataflow.divided(argv)
    assert given == {"CATCHWATER_STEP": "load:x", "ZONES": "/z"}
    assert options == ["--runner", "DirectRunner", "--temp_location=gs://b/t"]
    with pytest.raises(UseError, match="no value"):
        dataflow.divided(["--CATCHWATER_STEP"])


def test_the_template_says_which_variables_it_takes() -> None:
    told = dataflow.metadata(["CATCHWATER_STEP", "CATCHWATER_INGESTION"])
    assert [one["name"] for one in told["parameters"]] == ["CATCHWATER_INGESTION", "CATCHWATER_STEP"]
    assert json.dumps(told)
