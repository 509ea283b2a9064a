"""A table that was taken out of the project while it was being read for the first time, and put back."""

from pathlib import Path

import pytest

from catchwater.adapters.sources.postgres import capture, parts
from catchwater.errors import SourceBusy
from catchwater.stages import ingest
from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18  # noqa: F401

FILE = "project: shop\nsources: {{shop: {{kind: postgres, url: '{url}', tables: [{tables}]}}}}\n"


def written(folder: Path, url: str, *tables: str) -> None:
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "catchwater.yml").write_text(FILE.format(url=url, tables=", ".join(tables)))
    for table in ("large", "small"):
        (folder / "models" / f"{table}.sql").unlink(missing_ok=True)
    for table in tables:
        (folder / "models" / f"{table}.sql").write_text(f"/*---\nkey: [id]\n---*/\nSELECT * FROM shop.{table}\n")


def counted(folder: Path, table: str) -> int:
    return int(catchwater("query", f"SELECT count(*) AS n FROM {table}", folder, "--json").json[0]["n"])


def test_its_models_wait_until_it_is_read_whole(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of other tables are complete meanwhile, and hold half of it."""
    db.run("CREATE TABLE large (id int PRIMARY KEY, v text)", "CREATE TABLE small (id int PRIMARY KEY)")
    db.run(
        "INSERT INTO large SELECT i, repeat('x', 500) FROM generate_series(1, 200) i", "INSERT INTO small VALUES (1)"
    )
    monkeypatch.setattr(parts, "PART_BLOCKS", 3)
    monkeypatch.setattr(ingest, "ATTEMPTS", 1)
    folder, right = tmp_path / "shop", parts.part
    written(folder, db.url(), "large", "small")

    def ending(*arguments: object) -> object:
        if arguments[2].next:  # type: ignore[attr-defined]
            raise SourceBusy("no more for now")
        return right(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(capture.parts, "part", ending)
    assert catchwater("run", folder).exit == 1
    written(folder, db.url(), "small")
    assert catchwater("run", folder).exit == 0
    assert counted(folder, "small") == 1
    written(folder, db.url(), "large", "small")
    assert catchwater("run", folder).exit == 1
    assert counted(folder, "large") == 0, "half of it was published"
    said = {one["name"]: one["state"] for one in catchwater("verify", folder, "--json").json["sources"]}
    assert said == {"shop.large": "not compared", "shop.small": "equal"}
    monkeypatch.setattr(capture.parts, "part", right)
    assert catchwater("run", folder).exit == 0
    assert (counted(folder, "large"), counted(folder, "small")) == (200, 1)
