"""The replication slot: what the server keeps for this pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay.printable import visible
from afterbay.upstream import Upstream
from afterbay_nodes.sources.postgres.connection import ConnectionLost, Server, TookTooLong
from afterbay_nodes.sources.postgres.lsn import lsn_number, lsn_text

_FOUND = """\
SELECT plugin::text, slot_type::text, database::text, active_pid, restart_lsn::text, confirmed_flush_lsn::text,
       wal_status::text, safe_wal_size, two_phase
FROM pg_catalog.pg_replication_slots WHERE slot_name = %s
"""

_STATE = """\
SELECT active, COALESCE(wal_status, ''), pg_catalog.pg_current_wal_lsn() - confirmed_flush_lsn
FROM pg_catalog.pg_replication_slots WHERE slot_name = %s
"""
# Who has a number, by the locks: other roles' activity is hidden from a role that is not privileged.
_OPEN = """\
SELECT l.pid, a.usename::text, a.state,
  pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
ORDER BY a.xact_start
"""
MOST_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as the server has it. `confirmed`: what ends at or below it the server may have discarded."""

    name: str
    plugin: str
    kind: str
    database: str
    active_pid: int | None
    confirmed: int
    wal_status: str
    safe_bytes: int | None
    two_phase: bool


def find(server: Server, name: str) -> Slot | None:
    """The slot, None if there is none."""
    for plugin, kind, database, pid, _, confirmed, status, safe, two_phase in server.rows(_FOUND, [name]):
        return Slot(
            name,
            plugin or "",
            kind,
            database or "",
            pid,
            lsn_number(confirmed) if confirmed else 0,
            status or "",
            safe,
            bool(two_phase),
        )
    return None


def upstream(server: Server, name: str) -> Upstream:
    """How the slot is."""
    found = server.rows(_STATE, [name])
    if not found:
        return Upstream(f"slot {name}", "there is none")
    ((active, status, behind),) = found
    return Upstream(f"slot {name}", f"{'active' if active else 'idle'}, wal_status {status}", int(behind))


def create(server: Server, name: str) -> int:
    """Makes the slot; gives the position where its stream begins. Raises as `in_time` does."""
    with in_time(server):
        made = server.value("SELECT lsn::text FROM pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    return lsn_number(made)


@contextmanager
def in_time(server: Server) -> Iterator[None]:
    """Around the making of a slot, which waits for all transactions that are open, and has a deadline.

    Raises EnvironmentRefused `postgres.slot_waits`, which names them.
    """
    try:
        yield
    except TookTooLong as late:
        found = server.rows(_OPEN)
        if not found:
            raise
        told = "; ".join(
            f"process {pid or '(prepared)'}"
            + (f" of {visible(role)}" if role else "")
            + (f", {visible(state)}" if state else "")
            + (f", for {age}" if age else "")
            for pid, role, state, age in found[:MOST_TOLD]
        )
        more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
        raise EnvironmentRefused(
            "postgres.slot_waits",
            f"a replication slot waits for the transactions that are open, and they do not end: {told}{more}",
            hint="run again when they are over, or end them: SELECT pg_terminate_backend(process)",
        ) from late


def require(server: Server, name: str, resume: int) -> Slot:
    """The slot, from which a run resumes at `resume`. Raises RunFailed if it cannot, ConnectionLost if it is in use."""
    found = find(server, name)
    if found is None:
        raise RunFailed(
            "postgres.slot_gone",
            f"the replication slot '{name}' is gone, and with it what was committed behind {lsn_text(resume)}",
            hint="start afresh: a new state, an empty root, and a snapshot",
        )
    if found.wal_status == "lost":
        raise RunFailed(
            "postgres.slot_lost",
            f"the server has removed log that the replication slot '{name}' needs (max_slot_wal_keep_size)",
            hint=f"start afresh: SELECT pg_drop_replication_slot('{name}'), a new state, an empty root, and a snapshot",
        )
    if found.confirmed > resume:
        raise RunFailed(
            "postgres.slot_ahead",
            f"the replication slot '{name}' is at {lsn_text(found.confirmed)}, and the checkpoint at "
            f"{lsn_text(resume)}: what was committed between them is lost to this pipeline",
            hint="another pipeline uses the slot, or the state is an old copy; start afresh with a slot of its own",
        )
    if found.active_pid is not None:
        raise ConnectionLost(f"the replication slot '{name}' is in use by the server's process {found.active_pid}")
    return found
