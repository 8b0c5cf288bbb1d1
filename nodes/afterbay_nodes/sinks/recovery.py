r"""Recovery: what a dead run left open is settled by looking at the store (I6).

::

    open intent -> file there, size and CRC match ------> index written again -> finish
                -> file absent, no late writers --------> withdraw (the number is free again)
                -> file absent, a late put may come ----> fence: an empty file under the name -> number used, no rows
                                                     \-> refused: the late file came -> look again
                -> an empty file ------------------------> a fence of an earlier recovery -> number used, no rows
                -> anything else ------------------------> error that names the file

An intent at or below the checkpoint is never withdrawn: the state refuses it (I1).
"""

from __future__ import annotations

import logging

from afterbay.checksum import crc32
from afterbay.errors import RunFailed
from afterbay.state.store import Intent, OpenIntent, State
from afterbay_nodes.sinks.writer import plain_directory
from afterbay_nodes.storage.advance import UNSEEN
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.numbering import write_index
from afterbay_nodes.storage.store import AlreadyExists, ObjectStore

log = logging.getLogger("afterbay.cloud_storage")


def settle_open_intents(store: ObjectStore, layout: Layout, state: State, sink: str) -> None:
    """Settles each open intent of `sink`. Blocks on the store; raises RunFailed for a file that fits no case."""
    for open_intent in state.restart.intents:
        if open_intent.intent.sink == sink:
            _settle(store, layout, state, open_intent)


def _settle(store: ObjectStore, layout: Layout, state: State, open_intent: OpenIntent) -> None:
    intent = open_intent.intent
    found = store.head(intent.path)
    if found is None:
        if not store.late_writers:
            log.info("recovery: %s was never written, its number is free again", intent.path)
            state.withdraw(open_intent.id)
            return
        try:
            store.put_if_absent(intent.path, [], 0)
        except AlreadyExists:
            log.info("recovery: %s arrived late", intent.path)
            found = store.head(intent.path)
        else:
            _fenced(store, layout, state, open_intent)
            return
    if found is not None and found.size == 0 and intent.size > 0:
        _fenced(store, layout, state, open_intent)
        return
    if found is None or found.size != intent.size or _crc(store, intent.path) != intent.crc:
        raise RunFailed(
            "recovery.mismatch",
            f"'{intent.path}' in {store.display} is not the file that was being written (expected {intent.size} bytes "
            f"with CRC-32 {intent.crc:08x}, found {'none' if found is None else found.size})",
            hint="another writer works in this root, or the file was changed: restore it, or remove it and run again",
        )
    _write_index(store, layout, intent)
    state.finish(open_intent.id, ())
    log.info("recovery: %s is whole, its %d rows are stored", intent.path, intent.rows)


def _fenced(store: ObjectStore, layout: Layout, state: State, open_intent: OpenIntent) -> None:
    """An empty file has the name: its number is used, its rows come again under a later one."""
    _write_index(store, layout, open_intent.intent)
    state.fence(open_intent.id)
    log.info("recovery: %s is fenced by an empty file", open_intent.intent.path)


def _write_index(store: ObjectStore, layout: Layout, intent: Intent) -> None:
    stem = intent.directory.partition("|")[2] or "CDC"
    extension = intent.path.rpartition(".")[2]
    write_index(store, layout, plain_directory(intent.directory), stem, intent.number, extension, UNSEEN)


def _crc(store: ObjectStore, key: str) -> int:
    crc = 0
    for chunk in store.open_read(key):
        crc = crc32(chunk, crc)
    return crc
