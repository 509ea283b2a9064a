"""What a database has to grant: exact statements for whoever owns it, since no cloud's IAM reaches into a database."""

import hashlib
import re

from catchwater.plan.plan import Plan, SourcePlan
from catchwater.project.names import literal, quote

LONGEST = 63
_SCHEMA = re.compile(r'"(?:[^"]|"")*"(?=\.)')


def files(plan: Plan) -> dict[str, bytes]:
    """`sql/<source>-reader.sql` for each database that a step on AWS reads."""
    found = {}
    for step in plan.steps:
        if step.place != "aws" or step.stage != "ingest" or plan.source(step.source).kind != "postgres":
            continue
        tables = [
            grant.resource.removeprefix(f"{step.source}.")
            for grant in plan.granted(step.name)
            if grant.action == "read" and grant.resource.startswith(f"{step.source}.")
        ]
        found[f"sql/{step.source}-reader.sql"] = reader(plan, plan.source(step.source), tables).encode()
    return found


def reader(plan: Plan, source: SourcePlan, tables: list[str]) -> str:
    """A role that may SELECT from these tables and nothing else; run it again whenever it changes."""
    role = _role(f"{plan.project}_{plan.environment}_{source.name}_reader")
    origins = sorted(_origin(source, table) for table in tables)
    schemas = sorted({_SCHEMA.match(origin)[0] for origin in origins})  # type: ignore[index]
    lines = [
        f"-- What ingest:{source.name} reads, and nothing else. For the database's owner; safe to run again.",
        "DO $$ BEGIN",
        f"  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)}) THEN",
        f"    CREATE ROLE {quote(role)} NOLOGIN;",
        "  END IF;",
        "END $$;",
        *(f"GRANT USAGE ON SCHEMA {schema} TO {quote(role)};" for schema in schemas),
        *(f"GRANT SELECT ON TABLE {origin} TO {quote(role)};" for origin in origins),
    ]
    user = source.declared.get("user")
    if user and source.declared.get("auth") == "rds_iam":
        lines += [
            "DO $$ BEGIN",
            f"  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(str(user))}) THEN",
            f"    CREATE ROLE {quote(str(user))} LOGIN;",
            "  END IF;",
            "END $$;",
            f"GRANT rds_iam TO {quote(str(user))};",
        ]
    lines.append(
        f"GRANT {quote(role)} TO {quote(str(user))};"
        if user
        else f"-- Then, for the user that the URL names: GRANT {quote(role)} TO …;"
    )
    return "\n".join(lines) + "\n"


def _origin(source: SourcePlan, table: str) -> str:
    """What the database itself calls a table, schema and all, as its catalog said when it was described."""
    found = next(each for each in source.tables if each.name == table)
    return found.origin or f'"public".{quote(table)}'


def _role(name: str) -> str:
    """Postgres cuts a name after 63 bytes without a word; a hash keeps two long ones apart."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 8]}_{hashlib.sha256(name.encode()).hexdigest()[:7]}"
