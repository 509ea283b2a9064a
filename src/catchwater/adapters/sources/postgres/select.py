"""How the values of each Postgres type travel: the select list there, and what is made of it here; nothing is run.

Native types come in binary through DuckDB's `postgres_query`; all others as Postgres' own text. What a native type
can't hold (NaN, infinity, years outside 1-9999, 24:00) travels as text in `_exact`, and is NULL in its column.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from catchwater.project import names

NATIVE = {
    "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "bool": "BOOLEAN", "float4": "FLOAT",
    "float8": "DOUBLE", "text": "VARCHAR", "varchar": "VARCHAR", "bpchar": "VARCHAR", "uuid": "UUID",
    "bytea": "BLOB", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip

# Where a value of the type is one that DuckDB's type can't hold exactly; {0} is the column.
GUARDS = {
    "numeric": "{0} = 'NaN'::numeric",
    "date": "{0} < '0001-01-01'::date OR {0} > '9999-12-31'::date",
    "time": "{0} >= '24:00'::time",
    "timestamp": "{0} < '0001-01-01'::timestamp OR {0} >= '10000-01-01'::timestamp",
    "timestamptz": "{0} < '0001-01-01 00:00+00'::timestamptz OR {0} >= '10000-01-01 00:00+00'::timestamptz",
}

# Functions of Postgres that hash a key column's value onto a seed; all others go through text.
HASHES = {
    "int2": "hashint8extended({0}::int8, {1})",
    "int4": "hashint8extended({0}::int8, {1})",
    "int8": "hashint8extended({0}, {1})",
    "uuid": "uuid_hash_extended({0}, {1})",
}
TEXT_HASH = 'hashtextextended({0}::text COLLATE "C", {1})'
PLAIN = ("SMALLINT", "INTEGER", "BIGINT", "UUID")

# The xmin of a row as a number: age() counts from the next xid, and takes a tenth of the time that text takes.
# 2 is what servers before 9.4 wrote over the xmin of a frozen row; its age says nothing.
XID = "CASE WHEN x.xmin = '2'::xid THEN 2 ELSE ((SELECT 3 + age('3'::xid)::int8) - age(x.xmin)) & 4294967295 END"


@dataclass(frozen=True)
class Field:
    """One column: `origin` is its pg_catalog type ('' for any other kind), `type` what it is in the lake."""

    name: str
    type: str
    nullable: bool
    origin: str = ""
    width: int = 0

    @property
    def guard(self) -> str:
        return GUARDS.get(self.origin, "") if self.native else ""

    @property
    def native(self) -> bool:
        return self.type != "VARCHAR" or self.origin in ("text", "varchar", "bpchar")

    @property
    def typed(self) -> bool:
        """Whether a value that is held can be handed back to Postgres in its own type."""
        return self.origin in NATIVE or self.origin == "numeric"

    def hashed(self, value: str, seed: str) -> str:
        """In Postgres: the hash of a key column's value onto a seed."""
        return HASHES.get(self.origin, TEXT_HASH).format(value, seed)

    @property
    def there(self) -> str:
        """The column in Postgres' own SQL, read from alias x."""
        return f"x.{names.quote(self.name)}"

    @property
    def sent(self) -> str:
        """What Postgres sends: the value itself, or its text."""
        unlimited = self.origin == "bpchar" and not self.width
        return self.there if self.native and not unlimited else self.text

    @property
    def text(self) -> str:
        """What the type's output function writes, as in COPY; a cast may write another text (bpchar, inet)."""
        # a composite with a NULL in it IS NOT NULL is false
        return f"CASE WHEN num_nulls({self.there}) = 0 THEN concat({self.there}) END"

    @property
    def received(self) -> str:
        """What DuckDB makes of it, {0} being the column that came. It cuts the blanks that fill a char(n)."""
        return f"rpad({{0}}, {self.width}, ' ')" if self.origin == "bpchar" and self.width else "{0}"


def field_of(found: dict[str, Any]) -> Field:
    """A column as the catalog query gives it: name, type, typmod, nullable."""
    origin, typmod = found["type"], int(found["typmod"])
    kind = NATIVE.get(origin, "VARCHAR")
    if origin == "numeric" and typmod >= 4:
        # the scale is a signed number of 11 bits
        precision, scale = (typmod - 4) >> 16, (((typmod - 4) & 0x7FF) ^ 1024) - 1024
        if precision <= 38 and 0 <= scale <= precision:
            kind = f"DECIMAL({precision},{scale})"
    width = typmod - 4 if origin == "bpchar" and typmod >= 4 else 0
    return Field(found["name"], kind, found["nullable"], origin, width)


def row_sum(fields: Sequence[Field]) -> str:
    """A 64-bit hash of one row's key and xmin, in Postgres; the sum of them has no order. Several workers may share it,
    which age() would forbid: each would count from another xid."""
    seed = TEXT_HASH.format("x.xmin", "0")
    for field in fields:
        seed = field.hashed(field.there if field.typed else field.text, seed)
    return seed


def checksum(fields: Sequence[Field]) -> str:
    """The order-free sum over (key, xmin) of a table's rows, in Postgres."""
    return f"COALESCE(sum({row_sum(fields)}), 0)::text"


def pairs_sum(fields: Sequence[Field], arrays: Sequence[str]) -> str:
    """The query of the same sum over pairs that are held: an array literal for each column of the key, and of xmin."""
    columns = [f"k{i}" for i in range(len(fields))]
    kinds = [f"pg_catalog.{names.quote(field.origin)}" if field.typed else "text" for field in fields]
    values = ", ".join(f"{names.literal(a)}::{kind}[]" for a, kind in zip(arrays, [*kinds, "text"], strict=True))
    seed = TEXT_HASH.format("x.v", "0")
    for field, column in zip(fields, columns, strict=True):
        seed = field.hashed(f"x.{column}", seed)
    return f"SELECT COALESCE(sum({seed}), 0)::text AS s FROM unnest({values}) AS x({', '.join([*columns, 'v'])})"


def as_array(field: Field, column: str) -> str:
    """In DuckDB: the text of a Postgres array of a column's values, none of which is NULL."""
    if field.type in PLAIN:
        return f"'{{' || COALESCE(string_agg({column}::VARCHAR, ','), '') || '}}'"
    text = f"'\\x' || hex({column})" if field.type == "BLOB" else f"{column}::VARCHAR"
    quoted = f"'\"' || replace(replace({text}, '\\', '\\\\'), '\"', '\\\"') || '\"'"
    return f"'{{' || COALESCE(string_agg({quoted}, ','), '') || '}}'"


def row_hash(fields: Sequence[Field]) -> str:
    """The version of a row without a key: a hash of all its values as Postgres writes them."""
    row = f"ROW({', '.join(field.there for field in fields)})"
    return f"encode(sha256(textsend({row}::text)), 'hex')"


def row_checksum(fields: Sequence[Field]) -> str:
    row = f"ROW({', '.join(field.there for field in fields)})"
    return f'COALESCE(sum(hashtextextended({row}::text COLLATE "C", 0)), 0)::text'


def is_odd(fields: Iterable[Field]) -> str:
    """The condition, in Postgres, that one of these columns holds a value that its type can't; '' for never."""
    return " OR ".join(field.guard.format(field.there) for field in fields if field.guard)


def select_there(fields: Sequence[Field], version: str) -> str:
    """The select list in Postgres: c0, c1, …, then v (version) and e (the odd values as `number=text`).

    Each column has its own alias, since DuckDB knows no case and Postgres lets two columns share a name.
    """
    parts = [f"{field.sent} AS c{i}" for i, field in enumerate(fields)]
    odd = [
        f"CASE WHEN {field.guard.format(field.there)} THEN '{i}=' || {field.text} END"
        for i, field in enumerate(fields)
        if field.guard
    ]
    exact = "NULL::text[]"
    if odd:
        exact = f"CASE WHEN {is_odd(fields)} THEN array_remove(ARRAY[{', '.join(odd)}], NULL) END"
    return ", ".join([*parts, f"{version} AS v", f"{exact} AS e"])


def columns_here(fields: Sequence[Field]) -> str:
    """The select list in DuckDB over what `select_there` gave: the table's columns by name."""
    parts = []
    for i, field in enumerate(fields):
        value = field.received.format(f"c{i}")
        if field.guard:
            number = "list_transform(e, lambda p: split_part(p, '=', 1))"
            value = f"CASE WHEN e IS NULL THEN {value} WHEN list_contains({number}, '{i}') THEN NULL ELSE {value} END"
        parts.append(f"{value} AS {names.quote(field.name)}")
    return ", ".join(parts)


def select_here(fields: Sequence[Field]) -> str:
    """The same, then `_exact`."""
    if not any(field.guard for field in fields):
        return f"{columns_here(fields)}, NULL::MAP(VARCHAR, VARCHAR) AS _exact"
    known = ", ".join(names.literal(field.name) for field in fields)
    entries = (
        f"list_transform(e, lambda p: {{'key': [{known}][split_part(p, '=', 1)::INT + 1], "
        "'value': p[instr(p, '=') + 1:]})"
    )
    return f"{columns_here(fields)}, CASE WHEN e IS NOT NULL THEN map_from_entries({entries}) END AS _exact"
