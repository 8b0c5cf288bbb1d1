"""The server as the doctor looks at it: what a run would find wrong, and how the slot is. Nothing is changed there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from afterbay.doctor.finding import Finding, fail, ok, warn
from afterbay.printable import visible
from afterbay.units import format_bytes
from afterbay_nodes.sources.postgres import slot, start_checks
from afterbay_nodes.sources.postgres.connection import Server
from afterbay_nodes.sources.postgres.start_checks import Wanted

if TYPE_CHECKING:
    from afterbay_nodes.sources.postgres.declaration import Postgres

_SERVER: Final = "SELECT current_setting('server_version'), current_setting('wal_level'), current_database()::text"
_KEPT: Final = """\
SELECT pg_catalog.pg_current_wal_lsn() - restart_lsn, pg_catalog.pg_current_wal_lsn() - confirmed_flush_lsn
FROM pg_catalog.pg_replication_slots WHERE slot_name = %s
"""


def examine(node: Postgres, name: str, server: Server) -> Iterator[Finding]:
    """See `afterbay.doctor.finding.Examines`. Raises ConnectionLost, EnvironmentRefused or RunFailed."""
    subject = f"server of '{name}'"
    ((version, level, database),) = server.rows(_SERVER)
    found = slot.find(server, node.slot)
    wanted = Wanted.of(node, name, reads=found is None and node.snapshot != "never")
    tables, wrong = start_checks.look(server, wanted)
    yield ok(subject, f"PostgreSQL {version}, wal_level {level}, database {visible(database)}")
    for item in wrong:
        where = item.place.table if item.place is not None else None
        what = f"{subject} ({where})" if where else subject
        yield fail(what, item.message, item.hint)
    if not wrong:
        yield ok(f"tables of '{name}'", f"{len(tables)}, each with what a run needs")
    if wanted.streams:
        yield from _slot(server, found, node.slot, f"slot of '{name}'")


def _slot(server: Server, found: slot.Slot | None, name: str, subject: str) -> Iterator[Finding]:
    if found is None:
        yield ok(subject, f"'{name}' is not there yet: a first run makes it")
        return
    ((kept, behind),) = server.rows(_KEPT, [name])
    by = "nobody reads it" if found.active_pid is None else f"read by the server's process {found.active_pid}"
    text = f"'{name}', {by}, wal_status {found.wal_status}"
    if behind is not None:
        text += f", {format_bytes(int(behind))} behind"
    if kept is not None:
        text += f"; the server keeps {format_bytes(int(kept))} of its log for it"
    if found.wal_status == "lost":
        yield fail(
            subject, text, f"start afresh: SELECT pg_drop_replication_slot('{name}'), a new state, an empty root"
        )
    elif found.wal_status == "unreserved":
        yield warn(subject, text, "run soon: the server is about to remove log that it needs (max_slot_wal_keep_size)")
    elif found.wal_status == "extended":
        yield warn(
            subject, text, "more log is kept than max_wal_size: run, or `afterbay state drop-slot` if that is over"
        )
    else:
        yield ok(subject, text)
