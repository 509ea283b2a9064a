"""`init`: the project it writes loads, its models read, and it overwrites nothing."""

import stat
from pathlib import Path

import pytest

from catchwater.errors import SourceRefused, SourceUnreachable, UseError
from catchwater.ports import Survey
from catchwater.project import variables
from catchwater.project.load import load
from catchwater.project.models import read_models
from catchwater.project.tables import Column, Reference, TableSchema
from catchwater.runtimes.init import init
from tests.support.postgres import Database, db, postgres18, source  # noqa: F401

URL = "postgresql://app:p'w\"$x#y@127.0.0.1/shop"


def table(name: str, *columns: str, key: tuple[str, ...] = (), references: tuple[Reference, ...] = ()) -> TableSchema:
    return TableSchema(name, tuple(Column(column, "INTEGER") for column in columns), key, references)


ORDERS = table(
    "orders",
    "id",
    "customer",
    "ship_to",
    "Region",
    "customers",
    key=("id",),
    references=(
        Reference(("customer",), "customers", ("id",)),
        Reference(("customers",), "customers", ("id",)),
        Reference(("ship_to", "Region"), "Places", ("place", "Region")),
        Reference(("Region",), "customers", ("code",)),
        Reference(("id",), "elsewhere", ("id",)),
    ),
)
CUSTOMERS = table("customers", "id", "code", key=("id",))
PLACES = table("Places", "place", "Region", key=("place", "Region"))


def test_a_project_that_loads_with_the_url_kept_out_of_it(tmp_path: Path) -> None:
    written, _ = init(
        "shop",
        URL,
        tmp_path,
        lambda: Survey(
            (
                ORDERS,
                CUSTOMERS,
                PLACES,
            )
        ),
    )
    found = [str(path.relative_to(tmp_path)) for path in written]
    models = ["models/places.sql", "models/customers.sql", "models/orders.sql"]
    assert found == ["catchwater.yml", ".env", ".gitignore", *models]
    loaded = load(tmp_path, variables={})
    assert variables.resolver(loaded)(str(loaded.project.model_dump()["sources"]["shop"]["url"])) == URL
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert {".env", ".catchwater/"} <= set((tmp_path / ".gitignore").read_text().splitlines())
    assert all("p'w" not in path.read_text() for path in written if path.name != ".env")


def test_keys_and_references_are_those_of_the_database(tmp_path: Path) -> None:
    init(
        "shop",
        URL,
        tmp_path,
        lambda: Survey(
            (
                ORDERS,
                CUSTOMERS,
                PLACES,
            )
        ),
    )
    text = (tmp_path / "models" / "orders.sql").read_text()
    assert text.endswith("---*/\nSELECT * FROM shop.orders\n")
    models, _, problems = read_models(tmp_path, {})
    assert problems == []
    assert {model.name: model.head.key for model in models}["places"] == ("place", "Region")
    assert "key: [id]" in text
    assert "  customer: customers\n" in text
    assert "  places: {ship_to: place, Region: Region}\n" in text
    assert "  customers: [{customers: id}, {Region: code}]\n" in text
    assert "elsewhere" not in text


@pytest.mark.parametrize(
    ("name", "file", "select"),
    [
        ("order", "order.sql", 'SELECT * FROM shop."order"'),
        ("Sales Order", "sales_order.sql", 'SELECT * FROM shop."Sales Order"'),
        ('odd "name"', "odd_name.sql", 'SELECT * FROM shop."odd ""name"""'),
        ("2024", "_2024.sql", 'SELECT * FROM shop."2024"'),
        ("Größe", "grosse.sql", 'SELECT * FROM shop."Größe"'),
        ("a */ b", "a_b.sql", 'SELECT * FROM shop."a */ b"'),
    ],
)
def test_odd_names_are_quoted_and_files_are_plain(tmp_path: Path, name: str, file: str, select: str) -> None:
    init("shop", URL, tmp_path, lambda: Survey((table(name, "a", "null", "x: y", key=("null", "x: y")),)))
    text = (tmp_path / "models" / file).read_text()
    assert text.endswith(f"---*/\n{select}\n")
    assert text.split(select)[0].count("*/") == 1
    models, _, problems = read_models(tmp_path, {})
    assert problems == []
    assert [model.head.key for model in models] == [("null", "x: y")]


def test_a_table_without_a_key_says_so_in_its_model(tmp_path: Path) -> None:
    init("shop", URL, tmp_path, lambda: Survey((table("logs", "a"),)))
    assert "# key: none" in (tmp_path / "models" / "logs.sql").read_text()


def test_nothing_is_overwritten_and_every_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "orders.sql").write_text("SELECT 1")
    (tmp_path / "models" / "customers.sql").write_text("SELECT 2")
    with pytest.raises(UseError) as refused:
        init(
            "shop",
            URL,
            tmp_path,
            lambda: Survey(
                (
                    ORDERS,
                    CUSTOMERS,
                )
            ),
        )
    assert "orders.sql" in str(refused.value)
    assert "customers.sql" in str(refused.value)
    assert not (tmp_path / "catchwater.yml").exists()
    assert (tmp_path / "models" / "orders.sql").read_text() == "SELECT 1"


def test_a_project_that_is_there_is_refused_before_the_database_is_asked(tmp_path: Path) -> None:
    (tmp_path / "catchwater.yml").write_text("project: x")
    (tmp_path / ".env").write_text("A=1")
    with pytest.raises(UseError, match=r"\.env.*catchwater\.yml"):
        init("shop", URL, tmp_path, lambda: pytest.fail("asked"))


def test_lines_of_a_gitignore_stay(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.pyc\n.env")
    init("shop", URL, tmp_path, lambda: Survey((CUSTOMERS,)))
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n.env\n.catchwater/\n"


@pytest.mark.parametrize("name", ["", "Shop", "my shop", "2shop", "_shop", "a" * 41, "sh\u00f6p"])
def test_a_name_must_be_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(UseError, match="can't be a project's name"):
        init(name, URL, tmp_path, lambda: Survey((CUSTOMERS,)))


@pytest.mark.parametrize("url", ["", " ", "a\nB=2"])
def test_a_url_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(UseError, match="one line"):
        init("shop", url, tmp_path, lambda: Survey((CUSTOMERS,)))


def test_names_that_fold_to_one_are_refused_together(tmp_path: Path) -> None:
    tables = [table("Orders", "a"), table("orders", "a"), table("x y", "a"), table("x-y", "a"), table("z", "a")]
    with pytest.raises(UseError, match=r"Orders and orders \(orders\); x y and x-y \(x_y\)|x-y and x y"):
        init("shop", URL, tmp_path, lambda: Survey(tuple(tables)))
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="GRANT SELECT"):
        init("shop", URL, tmp_path, lambda: Survey(()))
    assert list(tmp_path.iterdir()) == []


def test_a_real_database_is_asked_when_nothing_else_describes_it(tmp_path: Path, db: Database) -> None:
    db.run(
        'CREATE TABLE "Sales Staff" (id int PRIMARY KEY, name text)',
        'CREATE TABLE "order" (a int NOT NULL, b int NOT NULL UNIQUE, staff int REFERENCES "Sales Staff")',
        "CREATE TABLE logs (said text)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.logs (id int PRIMARY KEY)",
    )
    written, left_out = init("shop", db.url(), tmp_path)
    models, _, problems = read_models(tmp_path, {})
    assert problems == []
    assert len(written) == 3 + 4
    assert left_out == ()
    found = {model.name: model for model in models}
    assert {name: model.head.key for name, model in found.items()} == {
        "sales_staff": ("id",),
        "order": ("b",),
        "logs": (),
        "other_logs": ("id",),
    }
    assert [(one.columns, one.table) for one in found["order"].head.references] == [(("staff",), "sales_staff")]


def test_a_database_that_cant_be_reached_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable) as refused:
        init("shop", "postgresql://app:hunter2@127.0.0.1:1/shop", tmp_path)
    assert "hunter2" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_read_is_left_out_with_the_reason(tmp_path: Path, db: Database) -> None:
    db.run(
        "CREATE TABLE open (id int PRIMARY KEY)",
        'CREATE TABLE "Shut" (id int PRIMARY KEY)',
        "CREATE SCHEMA shop",
        'CREATE TABLE shop."open: #1" (id int PRIMARY KEY)',
        "CREATE TABLE guarded (id int PRIMARY KEY)",
        "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
        "CREATE ROLE asker LOGIN",
        "GRANT USAGE ON SCHEMA shop TO asker",
        'GRANT SELECT ON open, guarded, shop."open: #1" TO asker',
    )
    written, left_out = init("shop", db.url("asker"), tmp_path)
    assert left_out == (
        'no SELECT on public.Shut (GRANT SELECT ON "public"."Shut" TO "asker";)',
        'row security hides rows of public.guarded (ALTER ROLE "asker" BYPASSRLS; or leave the table out)',
    )
    text = written[0].read_text()
    assert all(f"# left out: {said}\n" in text for said in left_out)
    loaded = load(tmp_path)
    tables = loaded.project.model_dump()["sources"]["shop"]["tables"]
    assert tables == ["open", "shop.open: #1"]
    assert [t.name for t in source(db.url("asker"), tables).describe()] == ["open", "shop_open_1"]
