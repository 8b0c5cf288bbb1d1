"""Holds what a store gives against what the nasty log wants. Uses the independent reader, nothing of afterbay."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from tests.reader import bucket
from tests.reader.bucket import Bucket, TableVersion, read_bucket
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect
from tests.reader.described_rows import AvroForm, ParquetForm
from tests.reader.paths import StoreShape
from tests.reader.rows import Row
from tests.support.nasty_log import NastyLog, WantedRow, WantedVersion

CSV = (StoreShape("csv"), CsvDialect(commit_ts=True))
CANAL = (StoreShape("json"), CanalForm())
PARQUET = (StoreShape("parquet"), ParquetForm())
AVRO = (StoreShape("avro"), AvroForm())
Form = tuple[StoreShape, bucket.Form]
Plain = tuple[str, int | None, tuple[str | None, ...], tuple[str | None, ...] | None]


def read(root: Path, form: Form) -> Bucket:
    """The store as a consumer sees it."""
    return read_bucket(root, *form)


def differences(bucket: Bucket, log: NastyLog, form: Form) -> list[str]:
    """Everything that a settled store has wrong: empty when the log arrived complete, in order, exactly once."""
    return [
        *(str(finding) for finding in bucket.findings),
        *(f"{path} is not in the index" for path in bucket.unindexed),
        *(f"{path} is a temporary file" for path in bucket.temporary),
        *_names(bucket, log),
        *(text for name, versions in log.tables.items() for text in _table(str(name), bucket, name, versions, form)),
        *([] if bucket.checkpoint == log.last_commit_ts else [f"metadata says {bucket.checkpoint}"]),
    ]


def broken_promises(bucket: Bucket, log: NastyLog, form: Form, checkpoint: int) -> list[str]:
    """What may never be so, however the writer died: damage, a wrong or repeated row, a checkpoint ahead of files.

    `checkpoint` is what the state says; the store's own, in `metadata`, may only be behind it.
    """
    ahead = (
        [f"metadata says {bucket.checkpoint}, the state {checkpoint}"] if (bucket.checkpoint or 0) > checkpoint else []
    )
    return [
        *(str(finding) for finding in bucket.findings),
        *ahead,
        *bucket.missing(checkpoint, log.commit_ts()),
        *_missing_ddls(bucket, log, checkpoint),
        *_not_prefixes(bucket, log, form),
    ]


def _missing_ddls(bucket: Bucket, log: NastyLog, checkpoint: int) -> list[str]:
    found = {(file.version, file.query) for file in bucket.ddls}
    wanted = {(v.version, v.query) for versions in log.tables.values() for v in versions if v.version is not None}
    wanted |= {(version, query) for _, version, query, _ in log.databases}
    lost = sorted((version, query) for version, query in wanted - found if version <= checkpoint)
    return [f"the schema file of {query!r} at {version} is not there" for version, query in lost]


def _names(bucket: Bucket, log: NastyLog) -> Iterator[str]:
    if bucket.tables.keys() != log.tables.keys():
        yield f"tables are {sorted(bucket.tables)}, not {sorted(log.tables)}"
    found = [(f.schema, f.version, f.query, f.type) for files in bucket.databases.values() for f in files]
    if found != list(log.databases):
        yield f"database files are {found}, not {list(log.databases)}"


def _table(
    place: str, bucket: Bucket, name: tuple[str, str], versions: list[WantedVersion], form: Form
) -> Iterator[str]:
    found = bucket.tables.get(name, ())
    if len(found) != len(versions):
        yield f"{place} has versions {[version.schema.version for version in found]}, {len(versions)} are wanted"
    for version, wanted in zip(found, versions, strict=False):
        yield from _schema(place, version, wanted)
        yield from _rows(f"{place} at {version.schema.version}", version, wanted, form)


def _schema(place: str, version: TableVersion, wanted: WantedVersion) -> Iterator[str]:
    file = version.schema
    if wanted.version is not None and (file.version, file.query, file.type) != (
        wanted.version,
        wanted.query,
        wanted.type,
    ):
        yield f"{place} {file.version} {file.type} {file.query!r}, not {wanted.version} {wanted.type} {wanted.query!r}"
    if wanted.version is None and (file.query, file.type) != ("", 0):
        yield f"{place} {file.version} is no DDL, but has {file.type} {file.query!r}"
    names = [(column.name, column.type, column.primary_key) for column in file.columns]
    if names != [(column.name, column.kind.file_type, column.key) for column in wanted.columns]:
        yield f"{place} {file.version} has the columns {names}"
        return
    if wanted.version is None:
        return  # no statement says more than the rows do
    for column, want in zip(file.columns, wanted.columns, strict=True):
        if column.nullable != want.nullable:
            yield f"{place} {file.version} {column.name} nullable {column.nullable}"
        if want.kind.precision != "?" and (column.precision, column.scale) != (want.kind.precision, want.kind.scale):
            yield f"{place} {file.version} {column.name} {column.type} has {(column.precision, column.scale)}"


def _rows(place: str, version: TableVersion, wanted: WantedVersion, form: Form) -> Iterator[str]:
    if len(version.rows) != len(wanted.rows):
        yield f"{place} holds {len(version.rows)} rows, {len(wanted.rows)} are wanted"
    for number, (row, want) in enumerate(zip_longest(version.rows, wanted.rows), 1):
        if row is None or want is None or _found(row) != _wanted(want, form):
            found = None if row is None else (row.place, _found(row))
            yield f"{place} row {number}: {found}, wanted {want and _wanted(want, form)}"
            return


def _not_prefixes(bucket: Bucket, log: NastyLog, form: Form) -> Iterator[str]:
    """Each version's rows must be the first of those that are wanted (I4, I6), and a newer version waits (I3)."""
    for name, found in bucket.tables.items():
        by_version = {v.version: v for v in log.tables[name] if v.version is not None}
        older_complete = True
        for version in found:
            wanted = by_version.get(version.schema.version, log.tables[name][0])
            if not older_complete:
                yield f"{name} {version.schema.version} is visible before all rows of the version before it"
            rows = [_found(row) for row in version.rows]
            if rows != [_wanted(row, form) for row in wanted.rows[: len(rows)]]:
                yield f"{name} {version.schema.version}: the stored rows are not the first of those wanted"
            older_complete = len(rows) == len(wanted.rows)
    for new, old in log.renamed.items():
        if new in bucket.tables and len(bucket.rows(*old)) < sum(len(version.rows) for version in log.tables[old]):
            yield f"{new} is visible before all rows of {old}"


def _found(row: Row) -> Plain:
    old = None if row.old is None else tuple(value for _, value in row.old)
    return row.op, row.commit_ts, row.values, old


def _wanted(row: WantedRow, form: Form) -> Plain:
    if not isinstance(form[1], CanalForm):
        return row.op, row.commit_ts, tuple(cell.csv for cell in row.cells), None
    old = None if row.old is None else tuple(cell.canal for cell in row.old)
    return row.op, row.commit_ts, tuple(cell.canal for cell in row.cells), old
