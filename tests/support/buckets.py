"""Stores for readers: made of schema files and rows in memory, and one whose writer is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.bucket.snapshot import Snapshot
from afterbay_nodes.bucket.steps import FileStep, SchemaStep, Step
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.names import escape
from afterbay_nodes.storage.schema_file import SchemaFile
from afterbay_nodes.storage.store import ObjectInfo
from tests.support.memory_store import MemoryStore

ID = Column("id", "int", nullable=False, primary_key=True)
COLUMNS = (ID, Column("name", "varchar", length=20))


def schema_file(
    name: str,
    version: int,
    query: str = "",
    type: int = 0,
    *,
    owner: str | None = None,
    columns: tuple[Column, ...] = COLUMNS,
) -> dict[str, bytes]:
    """The schema file of `schema.table`, or of a database if there is no dot: key -> content."""
    schema, _, table = name.partition(".")
    if table:
        file = SchemaFile.of(TableSchema(TableName(schema, table), version, columns), version, query, type)
    else:
        file = SchemaFile(schema, "", version, query, type)
    place = owner or "/".join(map(escape, filter(None, (schema, table))))
    return {Layout.schema_file(place, version, file.checksum): file.to_bytes()}


def series(
    directory: str, count: int, *, index: int | None = None, stem: str = "CDC", joint: str = ""
) -> dict[str, bytes]:
    """`count` data files of one directory and their index, which names the last one (0: no index)."""
    names = [f"{stem}{joint}{number:06d}.csv" for number in range(1, count + 1)]
    files = {f"{directory}/{name}": b"x\r\n" for name in names}
    newest = count if index is None else index
    if newest:
        files[f"{directory}/meta/{stem}.index"] = f"{stem}{joint}{newest:06d}.csv\n".encode()
    return files


def snapshot_of(*parts: Mapping[str, bytes]) -> Snapshot:
    """What a reader sees of the objects."""
    return Bucket(memory(*parts)).snapshot()


def memory(*parts: Mapping[str, bytes]) -> MemoryStore:
    """A store of the objects."""
    return MemoryStore(**{key: data for part in parts for key, data in part.items()})


def told(step: Step) -> str:
    """A step in a few words: `zoo.pets@1000 rename` or `zoo/pets/1000/CDC #2`."""
    if isinstance(step, FileStep):
        return f"{step.series} #{step.number}"
    return f"{step.table or step.database}@{step.version}" + (f" from {step.renamed_from}" if step.renamed_from else "")


def schema_steps(snapshot: Snapshot) -> list[SchemaStep]:
    """The schema steps, in order."""
    return [step for step in snapshot.steps if isinstance(step, SchemaStep)]


class BusyStore(MemoryStore):
    """A store whose writer is at work: before the n-th operation of a kind it does what `writes[kind, n]` says."""

    def __init__(self, *parts: Mapping[str, bytes]) -> None:
        super().__init__(**{key: data for part in parts for key, data in part.items()})
        self.writes: dict[tuple[str, int], Callable[[], None]] = {}

    def get(self, key: str, limit: int = 1 << 26) -> bytes:
        self._write("get", self.count("get") + 1)
        return super().get(key, limit)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._write("list", self.count("list") + 1)
        return super().list(prefix)

    def adds(self, *parts: Mapping[str, bytes]) -> Callable[[], None]:
        """Writes these objects."""

        def write() -> None:
            for part in parts:
                self.objects |= part

        return write

    def _write(self, kind: str, number: int) -> None:
        self.writes.pop((kind, number), lambda: None)()
