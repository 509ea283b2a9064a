"""The rights that a database's owner grants to the reader: its own names, and no longer than it keeps them."""

from dataclasses import replace

from catchwater.infra.aws.sql import LONGEST, files
from catchwater.project.tables import TableSchema
from tests.support.examples import plan_of

ODD = {"order_lines": '"public"."Order Lines"', "sales_x": '"sales"."x"', "say": '"a.b"."sa""y"'}


def written(name: str, origins: dict[str, str]) -> str:
    plan = plan_of("totesys", "dev")
    (source,) = plan.sources
    tables = tuple(TableSchema(table, (), (), (), origin) for table, origin in origins.items())
    ingest = "ingest:totesys"
    grants = tuple(
        replace(grant, resource=f"totesys.{table}")
        for table in origins
        for grant in plan.granted(ingest)
        if grant.resource == "totesys.staff"
    )
    made = replace(plan, project=name, sources=(replace(source, tables=tables),), grants=grants)
    return files(made)["sql/totesys-reader.sql"].decode()


def test_tables_are_granted_by_the_names_that_the_database_has() -> None:
    sql = written("totesys", ODD)
    for origin in ODD.values():
        assert f"GRANT SELECT ON TABLE {origin} TO " in sql
    for schema in ('"public"', '"sales"', '"a.b"'):
        assert sql.count(f"GRANT USAGE ON SCHEMA {schema} TO ") == 1


def test_a_table_without_an_origin_is_in_public() -> None:
    assert 'GRANT SELECT ON TABLE "public"."staff" TO ' in written("totesys", {"staff": ""})


def test_a_role_is_as_long_as_postgres_keeps_it() -> None:
    one, two = (written("a" * 39 + end, ODD).split('CREATE ROLE "')[1].split('"')[0] for end in "xy")
    assert len(one) <= LONGEST
    assert one != two or one.endswith("_reader")
    long, other = (written("a" * 60 + end, ODD).split('CREATE ROLE "')[1].split('"')[0] for end in "xy")
    assert len(long) == len(other) == LONGEST
    assert long != other
