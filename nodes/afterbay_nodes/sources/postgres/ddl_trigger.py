"""The event triggers that put schema changes into the stream, in order, and what they say.

pgoutput carries no DDL. With the triggers each one is a logical message within its transaction, which describes the
table as it is behind it; without them a change is seen at the table's next row, and a drop or a rename without rows
never. They serve all pipelines of a database.

Anybody may run `pg_logical_emit_message`. So the prefix of what the triggers say ends in a number that nobody else can
read (docs/adr/0109): the seal, kept in a sequence, which is not part of any stream. Of other messages not even the
content is looked at. A drop is believed only of a table that is not there any more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from afterbay_nodes.sources.postgres.connection import Server
from afterbay_nodes.sources.postgres.pgoutput import Relation, RelationColumn, fault

PREFIX: Final = "afterbay.ddl."
"""Behind it stands the seal."""

# With its owner's rights: `pg_temp` comes last in the path, where a stranger's tables hide none of the catalog's.
_FUNCTION: Final = """\
CREATE OR REPLACE FUNCTION _afterbay.told_ddl() RETURNS event_trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres'
SET timezone = 'UTC' SET extra_float_digits = '3' SET bytea_output = 'hex' AS $body$
DECLARE
  said json;
BEGIN
  IF tg_event = 'sql_drop' THEN
    SELECT json_build_object('tag', tg_tag, 'dropped', json_agg(objid::int8)) INTO said
    FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table' AND NOT is_temporary HAVING count(*) > 0;
  ELSE
    SELECT json_build_object('tag', tg_tag, 'tables', json_agg(json_build_object(
        'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'identity', c.relreplident,
        'columns', (
          SELECT COALESCE(json_agg(json_build_array(a.attname, a.atttypid::int8, a.atttypmod, a.attnum,
              CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE a.attnum = ANY (i.indkey) END,
              COALESCE(a.attnum = ANY (p.indkey), false),
              CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END) ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          LEFT JOIN pg_index i ON i.indrelid = c.oid
            AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate WHEN 'i' THEN i.indisreplident END
          LEFT JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary AND p.indimmediate
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''))
        ORDER BY c.oid)) INTO said
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid IN (
      SELECT objid FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_class'::regclass)
    HAVING count(*) > 0;
  END IF;
  IF said IS NOT NULL THEN
    PERFORM pg_logical_emit_message(true, 'afterbay.ddl.' || last_value, said::text) FROM _afterbay.seal;
  END IF;
END $body$
"""
CREATION: Final = (
    "CREATE SCHEMA IF NOT EXISTS _afterbay",
    "CREATE SEQUENCE IF NOT EXISTS _afterbay.seal",
    "SELECT setval('_afterbay.seal', ('x' || left(md5(gen_random_uuid()::text), 15))::bit(60)::bigint + 1) "
    "FROM _afterbay.seal WHERE NOT is_called",
    _FUNCTION,
    "CREATE EVENT TRIGGER afterbay_ddl ON ddl_command_end EXECUTE FUNCTION _afterbay.told_ddl()",
    "CREATE EVENT TRIGGER afterbay_drop ON sql_drop EXECUTE FUNCTION _afterbay.told_ddl()",
)
REMOVAL: Final = (
    "DROP EVENT TRIGGER IF EXISTS afterbay_ddl",
    "DROP EVENT TRIGGER IF EXISTS afterbay_drop",
    "DROP SCHEMA IF EXISTS _afterbay CASCADE",
)
_THERE: Final = """\
SELECT count(*) = 2 AND EXISTS (
  SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = '_afterbay' AND c.relname = 'seal' AND c.relkind = 'S')
FROM pg_catalog.pg_event_trigger
WHERE evtname IN ('afterbay_ddl', 'afterbay_drop') AND evtenabled IN ('O', 'A')
"""
_SEAL: Final = "SELECT last_value FROM _afterbay.seal"
_READABLE: Final = """\
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '_afterbay' AND c.relname = 'seal' AND c.relkind = 'S'
"""
_ANY: Final = """\
SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtname IN ('afterbay_ddl', 'afterbay_drop'))
  OR EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '_afterbay')
"""
_SUPERUSER: Final = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"


@dataclass(frozen=True, slots=True)
class ToldColumn:
    """What a relation message has not of a column.

    `number` is `pg_attribute.attnum`, `key` whether the primary key has it, `fill` what the rows have that were there
    when it was added (None: null), as the server writes it.
    """

    number: int
    key: bool
    fill: str | None = None


@dataclass(frozen=True, slots=True)
class ToldTable:
    """A table behind a DDL."""

    relation: Relation
    columns: dict[str, ToldColumn]


@dataclass(frozen=True, slots=True)
class ToldDdl:
    """One DDL: the tables as they are behind it, and the relations that it dropped."""

    tag: str
    tables: tuple[ToldTable, ...] = ()
    dropped: tuple[int, ...] = ()


def are_there(server: Server) -> bool:
    """True if both triggers are there and enabled, and their seal."""
    return bool(server.value(_THERE))


def prefix(server: Server) -> str | None:
    """What the triggers' messages begin with; None if there are none, or the role may not read their seal."""
    return f"{PREFIX}{server.value(_SEAL)}" if may_read(server) else None


def may_read(server: Server) -> bool:
    """True if the seal is there and the role may read it."""
    return bool(server.value(_READABLE))


def any_are_there(server: Server) -> bool:
    """True if something of them is there, enabled or not."""
    return bool(server.value(_ANY))


def may_create(server: Server) -> bool:
    """True if the role may make event triggers, and drop them, which takes a superuser."""
    return bool(server.value(_SUPERUSER))


def create(server: Server) -> None:
    """Makes them, or what is missing of them."""
    server.run("DROP EVENT TRIGGER IF EXISTS afterbay_ddl")
    server.run("DROP EVENT TRIGGER IF EXISTS afterbay_drop")
    for statement in CREATION:
        server.run(statement)


def parse(content: bytes, lsn: int) -> ToldDdl:
    """What a message of `PREFIX` says. Raises RunFailed `postgres.protocol` if the triggers did not write it."""
    try:
        said = json.loads(content)
        return ToldDdl(
            str(said["tag"]),
            tuple(_table(item) for item in said.get("tables") or ()),
            tuple(int(oid) for oid in said.get("dropped") or ()),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise fault(f"a message {PREFIX + '…'!r} is not what the event triggers write", lsn) from error


def _table(item: dict[str, object]) -> ToldTable:
    columns = item["columns"]
    assert isinstance(columns, Sequence)
    relation = Relation(
        int(str(item["oid"])),
        str(item["schema"]),
        str(item["name"]),
        str(item["identity"]),
        tuple(
            RelationColumn(str(name), int(kind), int(typmod), bool(identity))
            for name, kind, typmod, _, identity, _, _ in columns
        ),
    )
    told = {
        str(name): ToldColumn(int(number), bool(key), None if fill is None else str(fill))
        for name, _, _, number, _, key, fill in columns
    }
    return ToldTable(relation, told)
