"""Reading tables as of one position: through the snapshot that a temporary slot exports, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.connection import LOCK_SECONDS, Access, ConnectionLost
from afterbay_nodes.sources.postgres.copy_wire import Piece, copied
from afterbay_nodes.sources.postgres.lsn import lsn_number
from afterbay_nodes.sources.postgres.names import literal, quoted
from afterbay_nodes.sources.postgres.pgoutput import Relation, RelationColumn
from afterbay_nodes.sources.postgres.read_ahead import ReadAhead

if TYPE_CHECKING:
    import psycopg

SILENCE_SECONDS: Final = 60.0
"""How long a server may send nothing in the middle of a table."""

_LOOK_SECONDS = 0.25
_RELATION: Final = """\
SELECT n.nspname::text, c.relname::text, c.relreplident::text, c.relfilenode = pg_catalog.pg_relation_filenode(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""
_LOCKED: Final = """\
SELECT 1 FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND relation = %s AND granted
"""
_COLUMNS: Final = """\
SELECT a.attname::text, a.atttypid::int8, a.atttypmod,
  CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE COALESCE(a.attnum = ANY (i.indkey), false) END,
  a.attnum::int
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate WHEN 'i' THEN i.indisreplident END
WHERE c.oid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""


class Snapshot:
    """The tables as of `at`: what was committed below it is in them, and nothing else.

    Owns three connections: one holds the temporary slot and its exported snapshot, and must stay idle; one reads as of
    the snapshot; one is asked how things are now. Used by one thread.
    """

    def __init__(self, access: Access, name: str) -> None:
        """`name`: of the temporary slot, which ends with its connection. Raises as `Access.questions` does."""
        self._access = access
        self._holder: psycopg.Connection[Any] | None = None
        self._reader: psycopg.Connection[Any] | None = None
        self._now = access.questions()
        try:
            self._holder = access.replication()
            with access.guarded():
                created = f"CREATE_REPLICATION_SLOT {quoted(name)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')"
                found = self._holder.execute(created).fetchone()
            assert found is not None
            self.at = lsn_number(found[1])
            self._exported = str(found[2])
            self._reader = access.reader()
        except BaseException:
            self.close()
            raise

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """A question to the catalog, within `table`."""
        assert self._reader is not None
        with self._access.guarded():
            return self._reader.execute(sql, values or None).fetchall()

    def table(self, oid: int) -> Relation | None:
        """Turns to a table: how it looked. None if it is gone. It cannot be altered until the next one.

        Raises ConnectionLost if it was altered or rewritten since.
        """
        assert self._reader is not None
        with self._access.guarded():
            self._reader.execute("ROLLBACK")
            self._reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                self._reader.execute(f"SET TRANSACTION SNAPSHOT {literal(self._exported)}")
            except self._access.no_such_object as error:
                raise ConnectionLost("the connection that held the snapshot was ended") from error
        found = self.rows(_RELATION, [oid])
        if not found:
            return None
        ((schema, name, identity, _),) = found
        with self._access.guarded():
            try:
                self._reader.execute(f"LOCK TABLE ONLY {quoted(schema)}.{quoted(name)} IN ACCESS SHARE MODE")
            except self._access.no_such_table as error:
                raise ConnectionLost(f"the table {schema}.{name} went while the snapshot waited for it") from error
        # COPY takes names as they are now. Behind the lock nothing moves: another file, name or column than the
        # snapshot has means that the table was truncated, rewritten or altered between, and its rows of then cannot
        # be asked for by these names (I5).
        ((*_, same),) = self.rows(_RELATION, [oid])
        columns = self.rows(_COLUMNS, [oid])
        now = [row[:3] for row in self._now.rows(_RELATION, [oid])], self._now.rows(_COLUMNS, [oid])
        if not (same and self.rows(_LOCKED, [oid]) and now == ([found[0][:3]], columns)):
            raise ConnectionLost(f"the table {schema}.{name} was altered while the snapshot waited for it")
        told = (RelationColumn(str(column), int(kind), int(mod), bool(key)) for column, kind, mod, key, _ in columns)
        return Relation(oid, schema, name, identity, tuple(told))

    def pieces(self, copy: str, relation: Relation, stopping: Callable[[], bool]) -> Iterator[Piece]:
        """What comes of `copy`, the COPY of the table that was turned to.

        Ends early when `stopping`, and is not to be used again then. Raises ConnectionLost.
        """
        assert self._reader is not None
        with self._access.guarded():
            ahead = ReadAhead(copied(self._reader.pgconn, copy))
        silent = 0.0
        try:
            while not ahead.done and not stopping():
                try:
                    with self._access.guarded():
                        found = ahead.get(_LOOK_SECONDS)
                except RunFailed as error:
                    raise self._failed(relation, error) from error
                if found is not None:
                    silent = 0.0
                    yield found
                else:
                    silent += _LOOK_SECONDS
                    if silent >= SILENCE_SECONDS:
                        raise ConnectionLost(f"the server sent nothing for {SILENCE_SECONDS:.0f} s")
        finally:
            ahead.close()

    def close(self) -> None:
        """Ends the connections, and the temporary slot with them."""
        self._now.close()
        for connection in (self._reader, self._holder):
            if connection is not None:
                connection.close()

    def _failed(self, relation: Relation, error: RunFailed) -> RunFailed:
        return RunFailed(
            "postgres.snapshot",
            f"the table cannot be read: {error.diagnostics[0].message}",
            place=Place(table=visible(f"{relation.schema}.{relation.name}")),
            hint=f"the role needs SELECT on it, no row security, and a lock within {LOCK_SECONDS} s",
        )
