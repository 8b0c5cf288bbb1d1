"""Reads a whole store as a consumer would (§10), and checks every rule that a consumer relies on.

A store that is being written, or whose writer was killed, may hold one thing that a settled one may not: in each
directory one complete data file whose index entry is still to come (`Bucket.unindexed`), and a writer's unfinished
files in a hidden folder at the root (`Bucket.temporary`), which no reader looks at. Anything else that is wrong is in
`Bucket.findings`. Imports nothing of the writer: written from the protocol page alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reader import canal_rows, csv_rows, described_rows, schema_file
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect
from tests.reader.described_rows import AvroForm, ParquetForm
from tests.reader.findings import Damage, Finding
from tests.reader.paths import (
    DataPath,
    IndexPath,
    MetadataPath,
    SchemaPath,
    StoreShape,
    StreamPath,
    TablePath,
    data_name,
    parse,
)
from tests.reader.rows import Row
from tests.reader.schema_file import SchemaFile

Form = CsvDialect | CanalForm | ParquetForm | AvroForm

_READERS: Mapping[type[Form], Callable[[bytes, Any, SchemaFile, str], Iterator[Row]]] = {
    CsvDialect: csv_rows.rows,
    CanalForm: canal_rows.rows,
    ParquetForm: described_rows.parquet_rows,
    AvroForm: described_rows.avro_rows,
}
_METADATA = re.compile(rb'\{"checkpoint-ts":(0|[1-9]\d*)\}')
_TAKING = re.compile(rb'\{"checkpoint-ts":0,"owner":"[0-9a-f]{32}"\}')  # for the moment in which a root is taken


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One version of a table: its schema file, and its indexed rows in the order of the index."""

    schema: SchemaFile
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a consumer sees. `tables` maps (schema, table) to versions, oldest first; `ddls` are in version order."""

    tables: Mapping[tuple[str, str], tuple[TableVersion, ...]]
    databases: Mapping[str, tuple[SchemaFile, ...]]
    checkpoint: int | None
    unindexed: tuple[str, ...]
    temporary: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ddls(self) -> tuple[SchemaFile, ...]:
        """Every schema file with a Query, oldest first. Steps of one statement have one version."""
        files = [version.schema for versions in self.tables.values() for version in versions]
        files += [file for versions in self.databases.values() for file in versions]
        return tuple(sorted((file for file in files if file.query), key=lambda file: file.version))

    def rows(self, schema: str, table: str) -> list[Row]:
        """All rows of one table: every file of an older version before a newer one."""
        return [row for version in self.tables.get((schema, table), ()) for row in version.rows]

    def missing(self, commit_ts: int | None, stored_at: Mapping[tuple[str, str], Iterable[int]]) -> list[str]:
        """Tables that hold fewer rows at or below `commit_ts` than `stored_at` (commit-ts per table) says (I1)."""
        short = []
        for (schema, table), every in stored_at.items():
            wanted = sum(one <= (commit_ts or 0) for one in every)
            found = sum((row.commit_ts or 0) <= (commit_ts or 0) for row in self.rows(schema, table))
            if found < wanted:
                short.append(f"{schema}.{table} holds {found} of {wanted} rows at or below {commit_ts}")
        return short


def read_bucket(root: Path, shape: StoreShape, form: Form) -> Bucket:
    """Reads everything under `root`. Damage becomes findings; only an unreadable disk raises."""
    return _Reading(root, shape, form).bucket()


class _Reading:
    """One pass over one root. Collects findings as it goes."""

    def __init__(self, root: Path, shape: StoreShape, form: Form) -> None:
        self._root = root
        self._shape = shape
        self._form = form
        self._findings: list[Finding] = []
        self._unindexed: list[str] = []
        self._temporary: list[str] = []
        self._checkpoint: int | None = None
        self._schemas: dict[TablePath, dict[int, SchemaFile]] = defaultdict(dict)
        self._files: dict[StreamPath, dict[int, str]] = defaultdict(dict)
        self._indexes: dict[StreamPath, str] = {}

    def bucket(self) -> Bucket:
        for path in self._walk():
            self._sort_in(path)
        per_version: dict[tuple[TablePath, int], list[Row]] = defaultdict(list)
        last: dict[StreamPath, Row] = {}
        for stream in sorted(self._files.keys() | self._indexes.keys()):
            rows = self._stream(stream)
            per_version[stream.table, stream.version] += rows
            self._order(stream, rows, last)
        tables: dict[tuple[str, str], tuple[TableVersion, ...]] = {}
        databases: dict[str, tuple[SchemaFile, ...]] = {}
        for owner, versions in self._schemas.items():
            files = tuple(versions[number] for number in sorted(versions))
            if owner.table == "":
                databases[files[0].schema] = files
                continue
            held = tuple(TableVersion(file, tuple(per_version.pop((owner, file.version), ()))) for file in files)
            self._bounds(owner, held)
            if self._shape.table_id_paths:
                self._by_name(held, tables)
                continue
            name = (files[0].schema, files[0].table)
            if name in tables:
                self._find("schema.names", f"{owner.schema}/{owner.table}", f"a second directory of {name}")
            tables[name] = held
        for table, version in per_version:
            self._find("schema.missing", f"{table.schema}/{table.table}/{version}", "rows without a schema file")
        left = tuple(self._unindexed), tuple(self._temporary)
        return Bucket(tables, databases, self._checkpoint, *left, tuple(self._findings))

    @staticmethod
    def _by_name(held: tuple[TableVersion, ...], tables: dict[tuple[str, str], tuple[TableVersion, ...]]) -> None:
        """A directory by id holds whatever table has the id; a table has a directory for each id and partition."""
        for version in held:
            name = (version.schema.schema, version.schema.table)
            others = {other.schema.version: other for other in tables.get(name, ())}
            number = version.schema.version
            if number in others:
                version = TableVersion(version.schema, others[number].rows + version.rows)
            others[number] = version
            tables[name] = tuple(others[number] for number in sorted(others))

    def _find(self, rule: str, path: str, message: str) -> None:
        self._findings.append(Finding(rule, path, message))

    def _walk(self) -> Iterator[str]:
        for path in sorted(self._root.rglob("*")):
            if path.is_symlink() or not path.is_dir():
                yield path.relative_to(self._root).as_posix()

    def _sort_in(self, path: str) -> None:
        match parse(path, self._shape):
            case MetadataPath():
                self._metadata(path)
            case SchemaPath() as found:
                self._schema(found, path)
            case DataPath(stream, number):
                self._files[stream][number] = path
            case IndexPath(stream):
                self._indexes[stream] = path
            case None if path.startswith(".") and "/" in path:
                self._temporary.append(path)
            case None:
                self._find("name.unknown", path, "no rule of the protocol gives such a name")

    def _metadata(self, path: str) -> None:
        data = (self._root / path).read_bytes()
        found = _METADATA.fullmatch(data)
        if _TAKING.fullmatch(data):
            self._checkpoint = 0
        elif found is None or int(found[1]) >= 2**64:
            self._find("metadata.form", path, f"{data[:80]!r} is not a checkpoint")
        else:
            self._checkpoint = int(found[1])

    def _schema(self, named: SchemaPath, path: str) -> None:
        try:
            file = schema_file.parse((self._root / path).read_bytes())
        except Damage as damage:
            self._find(damage.rule, path, damage.message)
            return
        if file.checksum != named.checksum:
            self._find("schema.checksum", path, f"the content's checksum is {file.checksum:010d}")
        if file.version != named.version:
            self._find("schema.version", path, f"TableVersion is {file.version}")
        if bool(file.columns) != (named.table.table != "") or not named.table.names(file.schema, file.table):
            self._find("schema.names", path, f"is of {file.schema}.{file.table} with {len(file.columns)} columns")
        if named.version in self._schemas[named.table]:
            self._find("schema.twice", path, "a second schema file of this version")
        self._schemas[named.table][named.version] = file

    def _stream(self, stream: StreamPath) -> list[Row]:
        """The rows of one directory, up to its index."""
        files = self._files.get(stream, {})
        newest = self._newest(stream)
        for number in range(1, max(files, default=0) + 1):
            if number not in files:
                self._find("number.gap", "/".join(_where(stream)), f"file {number} is not there")
        if newest > max(files, default=0):
            self._find("index.ahead", self._indexes[stream], f"names file {newest}, which is not there")
        beyond = [files[number] for number in sorted(files) if number > newest]
        self._unindexed += beyond[:1]
        for path in beyond[1:]:
            self._find("index.behind", path, "a second file that is not in the index")
        schema = self._schemas.get(stream.table, {}).get(stream.version)
        if schema is None:
            if files:
                self._find("schema.missing", files[min(files)], "a data file without its version's schema file")
            return []
        return [row for number in sorted(files) if number <= newest for row in self._rows(files[number], schema)]

    def _newest(self, stream: StreamPath) -> int:
        path = self._indexes.get(stream)
        if path is None:
            return 0
        text = (self._root / path).read_bytes().decode(errors="replace")
        found = parse("/".join([*_where(stream), text.removesuffix("\n")]), self._shape)
        if not isinstance(found, DataPath) or text != data_name(found.number, self._shape, stream.dispatcher) + "\n":
            self._find("index.form", path, f"{text[:80]!r} is not the base name of a data file and a line feed")
            return 0
        return found.number

    def _rows(self, path: str, schema: SchemaFile) -> list[Row]:
        data = (self._root / path).read_bytes()
        rows: list[Row] = []
        try:
            rows.extend(_READERS[type(self._form)](data, self._form, schema, path))
        except Damage as damage:
            self._find(damage.rule, path, damage.message)
        return rows

    def _order(self, stream: StreamPath, rows: list[Row], last: dict[StreamPath, Row]) -> None:
        """commit-ts never falls along the index, dates included, and no transaction is in two files."""
        if self._shape.shared_partitions:
            return  # each partition is in order, but a row does not say of which it is
        undated = StreamPath(stream.table, stream.version, stream.partition, stream.dispatcher, "")
        before = last.get(undated)
        for row in rows:
            if before is not None and before.commit_ts is not None and row.commit_ts is not None:
                if row.commit_ts < before.commit_ts:
                    self._find("commit.falls", row.place, f"{row.commit_ts} comes after {before.commit_ts}")
                if row.commit_ts == before.commit_ts and _file(row) != _file(before):
                    self._find("transaction.split", row.place, f"{row.commit_ts} began in {_file(before)}")
            before = row
        if before is not None:
            last[undated] = before

    def _bounds(self, owner: TablePath, versions: tuple[TableVersion, ...]) -> None:
        """A row's version is the one in force at its commit."""
        ends = [version.schema.version for version in versions[1:]] + [2**64]
        for version, end in zip(versions, ends, strict=True):
            for row in version.rows:
                if row.commit_ts is not None and not version.schema.version <= row.commit_ts < end:
                    self._find(
                        "version.bounds", row.place, f"{row.commit_ts} is not of {version.schema.version}..{end}"
                    )
        names = {(version.schema.schema, version.schema.table) for version in versions}
        if len(names) > 1 and not self._shape.table_id_paths:
            self._find(
                "schema.names", f"{owner.schema}/{owner.table}", "schema files of several tables in one directory"
            )


def _where(stream: StreamPath) -> list[str]:
    table = [stream.table.schema, stream.table.table] if stream.table.schema else [stream.table.table]
    return [*table, str(stream.version), *filter(None, (stream.partition, stream.date))]


def _file(row: Row) -> str:
    return row.place.rpartition(":")[0]
