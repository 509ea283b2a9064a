"""What DuckDB's functions are, asked of DuckDB itself once: which aggregate, vary, or make many rows of one."""

import re
from dataclasses import dataclass
from functools import cache

_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "repeat", "json_each", "json_tree"})
_MANY = frozenset({"unnest", "generate_subscripts", "regexp_split_to_table"})
_WORDS = frozenset(
    {
        "getvariable",
        "current_setting",
        "current_date",
        "current_timestamp",
        "current_time",
        "localtime",
        "localtimestamp",
    }
)
CLOCK = frozenset(
    {"now", "today", "age", "current_date", "current_timestamp", "current_time", "current_localtime",
     "current_localtimestamp", "localtime", "localtimestamp", "get_current_timestamp", "get_current_time",
     "transaction_timestamp"}
)  # fmt: skip
_READERS = (
    "read_", "postgres_", "mysql_", "sqlite_", "iceberg_", "delta_", "parquet_", "duckdb_", "pragma_", "st_read",
)  # fmt: skip
_READER_ENDS = ("_scan", "_query", "_attach", "_execute")


@dataclass(frozen=True)
class Functions:
    """Names in lower case; `plain` give one value per row and the same value every time."""

    aggregates: frozenset[str]
    varying: frozenset[str]
    plain: frozenset[str]
    tables: frozenset[str]
    known: frozenset[str]

    def reads_outside(self, name: str) -> bool:
        """Whether a function reads files, networks or DuckDB's own insides, and so may not stand in a model."""
        name = name.lower()
        if name in _TABLE_FUNCTIONS or name in self.plain or name in self.aggregates:
            return False
        return name in self.tables or name.startswith(_READERS) or name.endswith(_READER_ENDS)


@cache
def functions() -> Functions:
    import duckdb

    with duckdb.connect(":memory:") as con:
        rows = con.execute(
            "SELECT DISTINCT lower(function_name), function_type, stability, macro_definition FROM duckdb_functions()"
        ).fetchall()
    aggregates = {name for name, kind, _, _ in rows if kind == "aggregate"}
    varying = {name for name, kind, stability, _ in rows if kind == "scalar" and stability != "CONSISTENT"} | _WORDS
    loose = aggregates | varying | _MANY
    macros = {name: _words(text) for name, kind, _, text in rows if kind == "macro"}
    while more := {name for name, words in macros.items() if name not in loose and loose & words}:
        loose |= more  # a macro of a macro of an aggregate
    scalars = {name for name, kind, _, _ in rows if kind == "scalar"}
    scalars |= set(macros)
    return Functions(
        aggregates=frozenset(aggregates),
        varying=frozenset(varying | {name for name, kind, _, text in rows if varying & _words(text)}),
        plain=frozenset(scalars - loose),
        tables=frozenset(name for name, kind, _, _ in rows if kind in ("table", "table_macro", "pragma")),
        known=frozenset(name for name, _, _, _ in rows),
    )


def _words(text: str | None) -> set[str]:
    return set(re.findall(r"[a-z_]\w*", (text or "").lower()))
