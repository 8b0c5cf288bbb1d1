"""What a pipeline has made on its server, dropped: slot, publication, event triggers; each if it is its own.

What is there but not the pipeline's stays. Nothing depends on a state: it may be lost, and what it made is still there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from afterbay.errors import EnvironmentRefused
from afterbay.printable import visible
from afterbay.upstream import Fate, Removal
from afterbay_nodes.sources.postgres import ddl_trigger, publication, slot
from afterbay_nodes.sources.postgres.connection import Server
from afterbay_nodes.sources.postgres.names import quoted

_OTHERS: Final = """\
SELECT slot_name::text FROM pg_catalog.pg_replication_slots
WHERE database = current_database() AND plugin = 'pgoutput' AND NOT temporary AND slot_name <> %s ORDER BY 1
"""


def removed(server: Server, slot_name: str, published_as: str, *, ddl_trigger: bool) -> Iterator[Removal]:
    """Drops one thing after the other. `ddl_trigger`: the pipeline has the event triggers.

    Raises EnvironmentRefused if the slot is in use; ConnectionLost.
    """
    yield _slot(server, slot_name)
    yield _publication(server, published_as, slot_name)
    if ddl_trigger:
        yield _triggers(server, slot_name)


def _slot(server: Server, name: str) -> Removal:
    what = f"replication slot {name}"
    found = slot.find(server, name)
    if found is None:
        return Removal(what, Fate.ABSENT)
    database = server.value("SELECT current_database()::text")
    if found.plugin != "pgoutput" or found.database != database:
        kind = found.plugin or found.kind
        return Removal(what, Fate.KEPT, f"it is of {visible(kind)} in database {visible(found.database or '-')}")
    if found.active_pid is not None:
        raise EnvironmentRefused(
            "postgres.slot_in_use",
            f"the replication slot '{name}' is in use by the server's process {found.active_pid}; nothing was dropped",
            hint="stop the run that reads it; the connection of one that died ends within wal_sender_timeout",
        )
    server.run("SELECT pg_catalog.pg_drop_replication_slot(%s)", [name])
    return Removal(what, Fate.DROPPED)


def _publication(server: Server, name: str, slot_name: str) -> Removal:
    what, statement = f"publication {visible(name)}", f"DROP PUBLICATION {quoted(name)}"
    if not publication.exists(server, name):
        return Removal(what, Fate.ABSENT)
    if not publication.is_made_for(server, name, slot_name):
        return Removal(what, Fate.KEPT, f"it was not made for this slot; {visible(statement)}")
    if not publication.is_owned(server, name):
        return Removal(what, Fate.REFUSED, f"the role does not own it; as its owner: {visible(statement)}")
    server.run(statement)
    return Removal(what, Fate.DROPPED)


def _triggers(server: Server, slot_name: str) -> Removal:
    what, statements = "event triggers of schema _afterbay", "; ".join(ddl_trigger.REMOVAL)
    if not ddl_trigger.any_are_there(server):
        return Removal(what, Fate.ABSENT)
    others = [name for (name,) in server.rows(_OTHERS, [slot_name])]
    if others:
        also = visible(", ".join(others[:3]))
        return Removal(what, Fate.KEPT, f"other pipelines of the database may need them (slots: {also}); {statements}")
    if not ddl_trigger.may_create(server):
        return Removal(what, Fate.REFUSED, f"dropping them takes a superuser: {statements}")
    for statement in ddl_trigger.REMOVAL:
        server.run(statement)
    return Removal(what, Fate.DROPPED)
