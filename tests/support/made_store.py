"""A store made by hand for readers: schema files, and data files of the real encoders, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afterbay.messages import ChangeBatch, EncodedBatch, Op
from afterbay.node import Transform
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.names import escape
from afterbay_nodes.storage.schema_file import SchemaFile
from tests.support.batches import batch
from tests.support.decoded import file_of
from tests.support.memory_store import MemoryStore

CSV = EncodeCsv(include_commit_ts=True)
CANAL = EncodeCanalJson()
EXTENSIONS = {EncodeCsv: "csv", EncodeParquet: "parquet", EncodeAvro: "avro"}  # the others are lines of JSON
OPS = {"I": Op.INSERT, "U": Op.UPDATE, "D": Op.DELETE}
Change = tuple[str, int, tuple[Any, ...]] | tuple[str, int, tuple[Any, ...], tuple[Any, ...]]
"""(operation, commit-ts, values[, values before])."""


class MadeStore:
    """A store that grows. `objects` are its files; every table is in the version that was begun last."""

    def __init__(self, encoder: Transform[ChangeBatch, EncodedBatch] = CSV) -> None:
        self.encoder = encoder
        self.store = MemoryStore()
        self._tables: dict[TableName, TableSchema] = {}
        self._numbers: dict[str, int] = {}

    @property
    def objects(self) -> dict[str, bytes]:
        """Key -> content."""
        return self.store.objects

    def ddl(
        self, table: str | TableName, version: int, query: str = "", type: int = 0, columns: Sequence[Column] = ()
    ) -> None:
        """A schema file: of `schema.table`, or of a database if there is no dot. No columns: those that it has."""
        name = named(table)
        if not name.table:
            file, owner = SchemaFile(name.schema, "", version, query, type), escape(name.schema)
        else:
            made = TableSchema(name, version, tuple(columns) or self._tables[name].columns)
            self._tables[name] = made
            has_ids = all(column.id for column in made.columns)
            file = SchemaFile.of(made, version, query, type, output_column_id=has_ids)
            owner = "/".join(map(escape, name))
        self.objects[Layout.schema_file(owner, version, file.checksum)] = file.to_bytes()

    def rows(self, table: str | TableName, *changes: Change, dispatcher: str = "") -> str:
        """The next data file of a table (of one dispatcher of it), indexed. Returns its key."""
        name = named(table)
        schema = self._tables[name]
        folder = f"{'/'.join(map(escape, name))}/{schema.version}"
        stem = f"CDC_{dispatcher}" if dispatcher else "CDC"
        series = f"{folder}/{stem}"
        number = self._numbers[series] = self._numbers.get(series, 0) + 1
        extension = EXTENSIONS.get(type(self.encoder), "json")
        base = f"{stem}{'_' if dispatcher else ''}{number:020d}.{extension}"
        data = b""
        if changes:
            before = [change[3] if len(change) > 3 else None for change in changes]
            data = file_of(
                self.encoder,
                batch(
                    schema,
                    [change[2] for change in changes],
                    ops=[OPS[change[0]] for change in changes],
                    before=before if any(before) else None,
                    commit_ts=[change[1] for change in changes],
                ),
            )
        self.objects[f"{folder}/{base}"] = data
        self.objects[f"{folder}/meta/{stem}.index"] = f"{base}\n".encode()
        return f"{folder}/{base}"

    def checkpoint(self, commit_ts: int) -> None:
        """The store's checkpoint."""
        self.objects["metadata"] = f'{{"checkpoint-ts":{commit_ts}}}'.encode()

    def bucket(self) -> Bucket:
        """The store, opened for reading."""
        return Bucket(self.store)

    def write(self, root: Path) -> Path:
        """All files under a folder, each as a whole, in a writer's order: the checkpoint last."""
        part = root.with_name(f"{root.name}.part")
        for key, data in sorted(self.objects.items(), key=lambda item: item[0] == "metadata"):
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        return root


def named(table: str | TableName) -> TableName:
    """A table by `schema.table`; a database by its name alone."""
    if isinstance(table, TableName):
        return table
    schema, _, bare = table.partition(".")
    return TableName(schema, bare)
