"""Which version directory a table's rows go to, and schema files made visible."""

from __future__ import annotations

import logging

from afterbay.errors import Place, RunFailed
from afterbay.schema import RowPosition, TableSchema
from afterbay_nodes.storage.layout import Layout, parse_schema_key
from afterbay_nodes.storage.schema_file import SchemaFile, SchemaWrite
from afterbay_nodes.storage.store import AlreadyExists, ObjectStore

log = logging.getLogger("afterbay.cloud_storage")


def publish(store: ObjectStore, write: SchemaWrite) -> bool:
    """Makes a schema file visible. False: it was there already with equal bytes.

    Other bytes under its name raise RunFailed: two histories must not mix (I10).
    """
    try:
        store.put_if_absent(write.key, [write.data], len(write.data))
    except AlreadyExists:
        if store.get(write.key) == write.data:
            return False
        raise RunFailed(
            "schema_file.conflict",
            f"the schema file '{write.key}' in {store.display} has other content than the one to be written",
            hint="another pipeline writes to this root, or it holds the files of an older run: use a root of its own",
        ) from None
    return True


def choose_version(
    store: ObjectStore,
    layout: Layout,
    schema: TableSchema,
    *,
    first: RowPosition,
    last: RowPosition,
    stored: RowPosition | None,
) -> int | None:
    """The version directory for rows [first, last] of `schema`; None if they are to be discarded as stored already.

    The exact schema file exists: its version. Else, of the table's files with the same columns: one that is newer
    makes the rows stale; else the newest is the directory and nothing is written. None at all: our own file is
    written. Stale rows are discarded only at or below `stored`, the table's stored position; others raise
    RunFailed naming both files (I5). So does a schema file that does not hold what its name says: no reader could
    read the rows behind it (I10).
    """
    own = SchemaFile.of(schema, schema.version, output_column_id=layout.output_column_id)
    owner = layout.table_directory(schema)
    key = layout.schema_file(owner, own.version, own.checksum)
    newest = -1
    for item in store.list(f"{owner}/meta/schema_"):
        if item.key == key:
            _check_content(store, key, own, own.version)
            return own.version
        found = parse_schema_key(item.key)
        if found is not None and found.checksum == own.checksum:
            newest = max(newest, found.version)
    if newest < 0:
        publish(store, SchemaWrite(key, own.to_bytes()))
        return own.version
    if newest < own.version:
        _check_content(store, layout.schema_file(owner, newest, own.checksum), own, newest)
        return newest
    newer = layout.schema_file(owner, newest, own.checksum)
    if stored is not None and last <= stored:
        log.warning("rows %d-%d of '%s' are stale: '%s' is newer, and they are stored", first[0], last[0], key, newer)
        return None
    raise RunFailed(
        "version.stale",
        f"rows {first.commit_ts}-{last.commit_ts} belong to '{key}', but {store.display} has the newer '{newer}', and "
        "they are not stored",
        place=Place(table=str(schema.name)),
        hint="the root was written by a run that is further ahead: use its state, or another root",
    )


def _check_content(store: ObjectStore, key: str, own: SchemaFile, version: int) -> None:
    """Refuses a schema file that has lost the columns of `own`, or is another version's."""
    file = SchemaFile.from_bytes(store.get(key), key)
    if (file.checksum, file.version) != (own.checksum, version):
        raise RunFailed(
            "schema_file.conflict",
            f"'{key}' in {store.display} does not hold the columns and the version of its name",
            hint="it was written over: restore it",
        )
