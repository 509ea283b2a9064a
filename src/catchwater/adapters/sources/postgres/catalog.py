"""What a Postgres database holds, read from its catalog in one query; nothing here reads a row of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources.postgres.select import Field, field_of
from catchwater.project import names
from catchwater.project.tables import Column, Reference, TableSchema

if TYPE_CHECKING:
    from catchwater.project.captures import TableCapture

# What the snapshot's xmin waits for, as far as a plain user sees it: begun when is NULL for another user's transaction,
# and on a standby nothing is seen. Slots and readers hold back vacuum, never this number.
PIN = """CASE WHEN NOT pg_is_in_recovery() THEN COALESCE(
    (SELECT json_build_object('kind', 'transaction', 'pid', a.pid, 'name', a.usename,
        'seconds', extract(epoch FROM statement_timestamp() - a.xact_start)::int8)
      FROM pg_stat_activity a WHERE a.backend_xid = pg_snapshot_xmin(pg_current_snapshot())::xid LIMIT 1),
    (SELECT json_build_object('kind', 'prepared', 'pid', NULL, 'name', p.gid,
        'seconds', extract(epoch FROM statement_timestamp() - p.prepared)::int8)
      FROM pg_prepared_xacts p WHERE p.transaction = pg_snapshot_xmin(pg_current_snapshot())::xid LIMIT 1)) END"""

SNAPSHOT = f"""json_build_object(
  'pin', {PIN},
  'system', (SELECT system_identifier FROM pg_control_system())::text,
  'started', to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'timeline', CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())::int8
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 END,
  'xmin', pg_snapshot_xmin(pg_current_snapshot())::text,
  'xmax', pg_snapshot_xmax(pg_current_snapshot())::text,
  'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn,
  'at', to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))"""

# A column's fingerprint holds all that changes its values without touching a row: labels of enums, attributes of
# composites, expressions of generated columns.
COLUMNS = """(SELECT json_agg(json_build_object(
    'name', a.attname, 'number', a.attnum, 'nullable', NOT a.attnotnull, 'typmod', a.atttypmod,
    'type', CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' THEN t.typname ELSE '' END,
    'mark', md5(concat_ws('|', a.atttypid, a.atttypmod, a.attgenerated,
      CASE WHEN a.attgenerated <> '' THEN (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END,
      CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace OR t.typtype <> 'b' THEN concat_ws('|',
        t.typbasetype, t.typtypmod,
        (SELECT string_agg(format('%s %L', e.enumtypid, e.enumlabel), ' ' ORDER BY e.enumtypid, e.enumsortorder)
          FROM pg_enum e WHERE e.enumtypid IN (t.oid, t.typelem, t.typbasetype)),
        (SELECT string_agg(format('%s %s %s', b.attnum, b.atttypid, b.attisdropped), ' ' ORDER BY b.attnum)
          FROM pg_attribute b WHERE b.attnum > 0 AND b.attrelid IN (SELECT y.typrelid FROM pg_type y
            WHERE y.oid IN (t.oid, t.typelem, t.typbasetype) AND y.typrelid <> 0))) END)))
  ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped)"""

# Only an index that makes rows unique at every moment of every snapshot: whole, valid, over NOT NULL columns.
KEYS = """(SELECT json_agg(json_build_object('primary', i.indisprimary, 'index', x.relname, 'columns', k.names))
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid,
  LATERAL (SELECT json_agg(a.attname ORDER BY u.place) AS names,
      bool_and(a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid
        AND n.contype = 'n' AND NOT n.convalidated AND n.conkey = ARRAY[a.attnum])) AS filled
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u(number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
    WHERE u.place <= i.indnkeyatts) k
  WHERE i.indrelid = r.oid AND i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL
    AND (i.indisprimary OR i.indimmediate) AND k.filled)"""

REFERENCES = """(SELECT json_agg(json_build_object('schema', fn.nspname, 'table', f.relname,
    'columns', (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(c.conkey) WITH ORDINALITY u(number, place)
      JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.number),
    'to', (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(c.confkey) WITH ORDINALITY u(number, place)
      JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = u.number)) ORDER BY c.conname)
  FROM pg_constraint c JOIN pg_class f ON f.oid = c.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
  WHERE c.conrelid = r.oid AND c.contype = 'f' AND c.conparentid = 0)"""

LEAVES = """CASE WHEN r.relkind = 'p' THEN (WITH RECURSIVE tree AS (
    SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = r.oid
    UNION ALL SELECT h.inhrelid FROM pg_inherits h JOIN tree ON h.inhparent = tree.inhrelid)
  SELECT json_agg(json_build_object('oid', l.oid, 'kind', CASE WHEN l.relkind <> 'r' OR EXISTS (SELECT FROM pg_am m
      WHERE m.oid = l.relam AND m.amname = 'heap') THEN l.relkind ELSE 'o' END, 'locked', EXISTS (SELECT FROM pg_locks k
      WHERE k.pid = pg_backend_pid() AND k.relation = l.oid AND k.mode = 'AccessShareLock')) ORDER BY l.oid)
    FROM tree JOIN pg_class l ON l.oid = tree.inhrelid WHERE l.relkind <> 'p') END"""

QUERY = """SELECT json_build_object('snapshot', {snapshot}, 'tables', (SELECT COALESCE(json_agg(json_build_object(
    'oid', r.oid, 'schema', n.nspname, 'table', r.relname, 'kind', r.relkind, 'partition', r.relispartition,
    'method', (SELECT amname FROM pg_am WHERE pg_am.oid = r.relam),
    'usage', has_schema_privilege(n.oid, 'USAGE'), 'select', has_table_privilege(r.oid, 'SELECT'),
    'hidden', row_security_active(r.oid), 'absent', r.relpersistence = 'u' AND pg_is_in_recovery(),
    'extension', EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype = 'e'),
    'leaves', {leaves}, 'columns', {columns}, 'keys', {keys},
    'references', {references}) ORDER BY n.nspname, r.relname), '[]')
  FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
  WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f') AND r.relpersistence <> 't' AND {which}))::text AS document"""

EVERYTHING = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"


@dataclass(frozen=True)
class Relation:
    """One table, view or partition as the catalog has it; `name` is what the lake and the warehouse call it.

    `leaves` are the partitions that hold rows, as (oid, kind, whether our transaction has locked it); their kind is
    `r` for a heap. `absent`: unlogged, and this server is a standby. `how` is the capture that is declared, None for
    `snapshot`; `declared` means that its `key` is too.
    """

    oid: int
    schema: str
    table: str
    kind: str
    partition: bool
    method: str
    usage: bool
    select: bool
    hidden: bool
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    leaves: tuple[tuple[int, str, bool], ...]
    links: tuple[dict[str, Any], ...]
    mark: str
    absent: bool = False
    extension: bool = False
    how: "TableCapture | None" = None
    declared: bool = False

    @property
    def name(self) -> str:
        return folded(self.schema, self.table)

    @property
    def full(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        return f"{names.quote(self.schema)}.{names.quote(self.table)}"

    @property
    def heap(self) -> bool:
        """Whether its rows have an xmin that says who wrote them; a foreign table's is 0, without an error."""
        return (self.kind == "r" and self.method == "heap") or (
            self.kind == "p" and all(k == "r" for _, k, _ in self.leaves)
        )

    @property
    def versioned(self) -> bool:
        """Whether a version is (key, xmin); else it is what the row holds."""
        return self.heap and bool(self.key) and not self.declared and not (self.how and self.how.full)

    @property
    def rows_of(self) -> str:
        """As it stands after FROM or LOCK TABLE: with its partitions, without tables that inherit from it."""
        return self.quoted if self.kind == "p" else f"ONLY {self.quoted}"

    def to_schema(self, others: Iterable["Relation"]) -> TableSchema:
        """Its shape in the lake, with references to those of `others` that it has foreign keys to."""
        linked = {(link["schema"], link["table"]) for link in self.links}
        known = {(o.schema, o.table): o.name for o in others if (o.schema, o.table) in linked}
        return TableSchema(
            self.name,
            tuple(Column(field.name, field.type, field.nullable) for field in self.fields),
            self.key,
            tuple(
                Reference(tuple(link["columns"]), known[link["schema"], link["table"]], tuple(link["to"]))
                for link in self.links
                if (link["schema"], link["table"]) in known
            ),
            self.quoted,
        )


def folded(schema: str, table: str) -> str:
    return names.fold(table if schema == "public" else f"{schema}_{table}")


def query(only: Sequence[tuple[str, str]] | None = None) -> str:
    """The catalog query, for all tables of the user or for (schema, table) pairs."""
    which = EVERYTHING
    if only is not None:
        pairs = ", ".join(f"({names.literal(schema)}, {names.literal(table)})" for schema, table in only)
        which = f"(n.nspname, r.relname) IN ({pairs})" if pairs else "false"
    return QUERY.format(
        snapshot=SNAPSHOT, leaves=LEAVES, columns=COLUMNS, keys=KEYS, references=REFERENCES, which=which
    )


def relations(document: dict[str, Any]) -> tuple[Relation, ...]:
    """The tables in the answer to `query`."""
    return tuple(_relation(found) for found in document["tables"])


def _relation(found: dict[str, Any]) -> Relation:
    import hashlib

    columns = found["columns"] or []
    marks = [f"{column['number']} {column['name']} {column['mark']}" for column in columns]
    fields = tuple(field_of(column) for column in columns)
    return Relation(
        oid=int(found["oid"]),
        schema=found["schema"],
        table=found["table"],
        kind=found["kind"],
        partition=found["partition"],
        method=found["method"] or "",
        usage=found["usage"],
        select=found["select"],
        hidden=found["hidden"],
        fields=fields,
        key=_key(found["keys"] or []),
        leaves=tuple((int(leaf["oid"]), leaf["kind"], leaf["locked"]) for leaf in found["leaves"] or []),
        links=tuple(found["references"] or []),
        mark=hashlib.sha256("\n".join(marks).encode()).hexdigest()[:32],
        absent=found["absent"],
        extension=found["extension"],
    )


def _key(candidates: list[dict[str, Any]]) -> tuple[str, ...]:
    """The primary key, else the unique index of the fewest columns; equal ones by the index's name."""
    best = min(candidates, key=lambda c: (not c["primary"], len(c["columns"]), c["index"]), default={"columns": ()})
    return tuple(best["columns"])
