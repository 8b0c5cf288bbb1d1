"""Everything that must be so before a run begins, looked at together: one list of what is wrong, each with the SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from afterbay.errors import Diagnostic, EnvironmentRefused, Place
from afterbay.printable import visible
from afterbay.schema import TableName
from afterbay_nodes.sources.postgres import ddl_trigger, publication, slot
from afterbay_nodes.sources.postgres.connection import Server
from afterbay_nodes.sources.postgres.names import quoted
from afterbay_nodes.sources.postgres.publication import sql_name

if TYPE_CHECKING:
    from afterbay_nodes.sources.postgres.declaration import Postgres

OLDEST: Final = 140_000
"""Logical messages are part of the stream from PostgreSQL 14 on."""

_TABLES: Final = """\
SELECT n.nspname::text, c.relname::text, c.oid::int8, c.relreplident::text,
  EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate),
  EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident),
  c.reltoastrelid <> 0, pg_catalog.has_table_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
"""
_SERVER: Final = """\
SELECT current_setting('wal_level'), pg_is_in_recovery(), current_user::text,
  (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user),
  current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_catalog.pg_replication_slots),
  current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_catalog.pg_stat_replication),
  current_database()::text, current_setting('server_encoding')
"""
_PUBLISHED: Final = """\
SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_catalog.pg_publication WHERE pubname = %s
"""
_BY_ROOT: Final = "SELECT pubviaroot FROM pg_catalog.pg_publication WHERE pubname = %s"
_CUT_DOWN: Final = """\
SELECT r.prrelid::int8 FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
WHERE p.pubname = %s AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table that is to be copied, as the catalog has it now."""

    name: TableName
    oid: int
    identity: str
    has_key: bool
    has_identity_index: bool
    has_toast: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a pipeline needs of a server. `streams`: changes are to come; `reads`: tables are to be read."""

    includes: Callable[[TableName], bool]
    slot: str
    publication: str
    streams: bool
    reads: bool
    whole_rows: bool
    ddl_trigger: bool
    node: str

    @classmethod
    def of(cls, declared: Postgres, node: str, *, reads: bool) -> Wanted:
        """What a declaration says."""
        return cls(
            declared.rules.matches,
            declared.slot,
            declared.published_as,
            streams=declared.snapshot != "only",
            reads=reads,
            ddl_trigger=declared.ddl_trigger,
            whole_rows=declared.large_values == "whole_rows",
            node=node,
        )


def find_tables(server: Server, includes: Callable[[TableName], bool]) -> list[FoundTable]:
    """The tables that are wanted and there, by name."""
    found = (FoundTable(TableName(schema, table), *rest) for schema, table, *rest in server.rows(_TABLES))
    return [table for table in found if includes(table.name)]


def check(server: Server, wanted: Wanted) -> list[FoundTable]:
    """The tables. Raises EnvironmentRefused with everything that is wrong; ConnectionLost."""
    tables, findings = look(server, wanted)
    if findings:
        raise EnvironmentRefused(
            findings[0].code, f"{len(findings)} finding(s)", place=findings[0].place, diagnostics=findings
        )
    return tables


def look(server: Server, wanted: Wanted) -> tuple[list[FoundTable], list[Diagnostic]]:
    """The tables, and everything that is wrong. Raises ConnectionLost."""
    tables = find_tables(server, wanted.includes)
    findings = [*_of_server(server, wanted), *_of_tables(tables, wanted)]
    if wanted.ddl_trigger and not ddl_trigger.are_there(server) and not ddl_trigger.may_create(server):
        findings.append(
            Diagnostic(
                "postgres.ddl_trigger",
                "the event triggers are not there, and the role may not make them",
                Place(node=wanted.node),
                "as a superuser: " + "; ".join(ddl_trigger.CREATION),
                field="ddl_trigger",
            )
        )
    elif wanted.ddl_trigger and ddl_trigger.are_there(server) and not ddl_trigger.may_read(server):
        findings.append(
            Diagnostic(
                "postgres.ddl_trigger",
                "the event triggers are there, and the role may not read the number that their messages are known by",
                Place(node=wanted.node),
                "GRANT USAGE ON SCHEMA _afterbay TO the pipeline's role; GRANT SELECT ON SEQUENCE _afterbay.seal TO it",
                field="ddl_trigger",
            )
        )
    if server.version >= OLDEST and wanted.streams:
        findings += _of_publication(server, tables, wanted)
    return tables, findings


def _of_server(server: Server, wanted: Wanted) -> Iterator[Diagnostic]:
    at = Place(node=wanted.node)
    ((level, standby, user, replicates, most_slots, slots, most_senders, senders, database, _),) = server.rows(_SERVER)
    if server.version < OLDEST:
        yield Diagnostic("postgres.version", f"the server is of version {server.version // 10000}", at, "14 or later")
        return
    if standby:
        yield Diagnostic(
            "postgres.standby", "the server is a standby, which cannot make what is needed", at, "use the primary"
        )
    if level != "logical":
        yield Diagnostic(
            "postgres.wal_level",
            f"wal_level is {level}: the server's log has not what a stream is made of",
            at,
            "ALTER SYSTEM SET wal_level = logical; then restart the server",
        )
    if not replicates:
        yield Diagnostic(
            "postgres.role", f"the role {visible(user)} may not replicate", at, f"ALTER ROLE {quoted(user)} REPLICATION"
        )
    found = slot.find(server, wanted.slot)
    if slots + (wanted.streams and found is None) + wanted.reads > most_slots:
        yield Diagnostic(
            "postgres.slots",
            f"{slots} of {most_slots} replication slots are taken: there is no room for this pipeline's",
            at,
            f"ALTER SYSTEM SET max_replication_slots = {most_slots + 2}; then restart, or drop one that nobody uses",
        )
    if senders + wanted.streams + wanted.reads > most_senders:
        yield Diagnostic(
            "postgres.senders",
            f"{senders} of {most_senders} WAL senders are taken: there is no room for this pipeline's",
            at,
            f"ALTER SYSTEM SET max_wal_senders = {most_senders + 2}; then restart the server",
        )
    if found is not None and (found.plugin != "pgoutput" or found.database != database or found.two_phase):
        what = f"of {found.plugin or found.kind} in database {visible(found.database)}"
        yield Diagnostic(
            "postgres.slot_other",
            f"the replication slot '{wanted.slot}' is {what}{', two-phase' if found.two_phase else ''}",
            at,
            "name another `slot`; one of pgoutput in this database, without two_phase, is made if there is none",
        )


def _of_tables(tables: Sequence[FoundTable], wanted: Wanted) -> Iterator[Diagnostic]:
    if not tables:
        yield Diagnostic(
            "postgres.tables", "no table of the database is meant by `tables`", Place(node=wanted.node), field="tables"
        )
    for table in tables:
        at = Place(node=wanted.node, table=visible(str(table.name)))
        name = visible(sql_name(table.name))
        identified = {"d": table.has_key, "i": table.has_identity_index, "f": True, "n": False}[table.identity]
        if wanted.streams and not identified:
            yield Diagnostic(
                "postgres.identity",
                "nothing identifies its rows in the log (no primary key that is checked at once, no replica identity)",
                at,
                f"ALTER TABLE {name} REPLICA IDENTITY FULL, or give it a primary key",
            )
        elif wanted.streams and table.has_toast and table.identity != "f" and wanted.whole_rows:
            yield Diagnostic(
                "postgres.whole_rows",
                "it may hold large values, which an update that leaves them as they are does not send",
                at,
                f"ALTER TABLE {name} REPLICA IDENTITY FULL; `large_values: risk` runs on until such an update comes",
            )
        if wanted.reads and not table.readable:
            yield Diagnostic(
                "postgres.select", "the role may not read it", at, f"GRANT SELECT ON {name} TO the pipeline's role"
            )


def _of_publication(server: Server, tables: Sequence[FoundTable], wanted: Wanted) -> Iterator[Diagnostic]:
    whole = server.value(_PUBLISHED, [wanted.publication])
    if whole is None:
        return  # it will be made
    at, name = Place(node=wanted.node), quoted(wanted.publication)
    if not whole:
        yield Diagnostic(
            "postgres.publication",
            f"the publication {visible(name)} leaves kinds of changes out",
            at,
            f"ALTER PUBLICATION {visible(name)} SET (publish = 'insert, update, delete, truncate')",
        )
    if server.value(_BY_ROOT, [wanted.publication]):
        yield Diagnostic(
            "postgres.publication",
            f"the publication {visible(name)} tells changes of partitions as those of their root, and each is copied",
            at,
            f"ALTER PUBLICATION {visible(name)} SET (publish_via_partition_root = false)",
        )
    sent = publication.tables(server, wanted.publication)
    missing = [table.name for table in tables if table.name not in sent]
    if missing and not publication.is_owned(server, wanted.publication):
        yield Diagnostic(
            "postgres.publication",
            f"the publication {visible(name)} leaves tables out: {len(missing)}, {visible(str(missing[0]))} first",
            at,
            visible(publication.addition(wanted.publication, missing)),
        )
    cut_down = {oid for (oid,) in server.rows(_CUT_DOWN, [wanted.publication])} if server.version >= 150_000 else set()
    for table in tables:
        if table.oid in cut_down:
            yield Diagnostic(
                "postgres.publication",
                f"the publication {visible(name)} sends only some of its rows or columns",
                Place(node=wanted.node, table=visible(str(table.name))),
                f"ALTER PUBLICATION {visible(name)} DROP TABLE and ADD TABLE {visible(sql_name(table.name))}",
            )
