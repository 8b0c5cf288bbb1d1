"""A spool's folder looked at from outside, with a run or without one: what lies there, and whether it is whole.

Nothing is changed. Only what lies in segments is seen: the memory's part is the run's alone. The catalog follows the
segments by a moment (see `catalog`), so what looks damaged while a run goes on is looked at again in a newer catalog.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from afterbay.checksum import crc32
from afterbay.errors import Diagnostic, EnvironmentRefused, Place
from afterbay.foreign_sqlite import code_in_schema, distrust
from afterbay.printable import visible
from afterbay.spool.files import SystemFiles
from afterbay.spool.folder import CATALOG_FILE, LOCK_FILE, Folder, segment_name
from afterbay.spool.segments import HEADER_BYTES, entry_header

MOST_TABLES = 20
CHUNK = 4 << 20
_UNREADABLE = (sqlite3.Error, ValueError, TypeError)
"""What a catalog raises that is damaged, or was made by somebody else."""


@runtime_checkable
class KeepsSpool(Protocol):
    """A node that has a spool's folder, which may hold `spool_quota` bytes."""

    @property
    def spool_quota(self) -> int: ...

    def spool_folder(self, work_dir: Path) -> Path:
        """The folder, if the node's work directory is `work_dir`."""
        ...


@dataclass(frozen=True, slots=True)
class TableHeld:
    """What lies in segments of one dispatcher. `bytes` of payload."""

    dispatcher: str
    entries: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SpoolStat:
    """A spool's folder at one moment. Bytes.

    `holder` is the process that has it, "" if nobody does. `live` are the payloads of entries that wait, `disk` the
    segment files as they lie there, `free` what their disk has left. `tables` are the largest, at most 20. `damage`
    says why the catalog cannot be read; the figures from it are 0 then.
    """

    folder: Path
    holder: str
    segments: int
    disk: int
    free: int
    entries: int = 0
    rows: int = 0
    live: int = 0
    first_commit_ts: int | None = None
    last_commit_ts: int | None = None
    tables: tuple[TableHeld, ...] = ()
    damage: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain data, for `--json`."""
        return {**asdict(self), "folder": str(self.folder), "tables": [asdict(table) for table in self.tables]}


def stat(folder: Path) -> SpoolStat:
    """What lies in `folder`. Raises EnvironmentRefused `spool.absent` if it is no spool's, `spool.folder`."""
    holder, files = holder_of(folder), _segment_files(folder)
    seen = SpoolStat(folder, holder, len(files), sum(files.values()), shutil.disk_usage(folder).free)
    try:
        with closing(_catalog(folder)) as catalog:
            entries, rows, live, first, last = catalog.execute(
                "select count(*), coalesce(sum(rows), 0), coalesce(sum(length), 0), min(first_commit_ts), "
                "max(last_commit_ts) from entries"
            ).fetchone()
            tables = catalog.execute(
                "select dispatcher, count(*), sum(rows), sum(length) from entries group by dispatcher "
                "order by sum(length) desc limit ?",
                (MOST_TABLES,),
            ).fetchall()
    except _UNREADABLE as error:
        # Without a run there may be no catalog at all: a run that ends well leaves an empty one.
        gone = not (folder / CATALOG_FILE).exists() and not files
        return seen if gone else replace(seen, damage=str(error))
    return replace(
        seen,
        entries=entries,
        rows=rows,
        live=live,
        first_commit_ts=None if first is None else int(first),
        last_commit_ts=None if last is None else int(last),
        tables=tuple(TableHeld(*row) for row in tables),
    )


def fsck(folder: Path) -> tuple[Diagnostic, ...]:
    """What is wrong: the catalog against the segments, and the CRC-32 of every entry (I7). Raises as `stat`."""
    held = bool(holder_of(folder))
    found = _damage(folder, None)
    if held and found:
        # A run may have written or released it meanwhile: what is still there in a newer catalog is damage.
        found = _damage(folder, frozenset(found))
    return tuple(found.values())


def purge(folder: Path) -> tuple[int, int]:
    """Removes what a dead run left: (files, bytes). Raises EnvironmentRefused `spool.locked`, and as `stat`."""
    holder_of(folder)
    left = [entry for entry in os.scandir(folder) if entry.name != LOCK_FILE]
    sizes = [entry.stat(follow_symlinks=False).st_size for entry in left]
    Folder.claim(folder).release()
    return len(sizes), sum(sizes)


def holder_of(folder: Path) -> str:
    """The process that has the folder, "" if nobody does. Raises EnvironmentRefused `spool.absent`, `spool.folder`."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise EnvironmentRefused(
            "spool.absent",
            f"there is no spool in {folder}",
            place=Place(file=str(folder)),
            hint="run the pipeline once, or name its state directory",
        ) from error
    except OSError as error:
        raise _unreadable(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return visible(os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()) or "unknown"
    else:
        return ""
    finally:
        os.close(descriptor)


_Key = tuple[str, int]


def _damage(folder: Path, only: frozenset[_Key] | None) -> dict[_Key, Diagnostic]:
    """Damage by what it is of: ("entry", number), ("segment", number), ("catalog", 0)."""
    found: dict[_Key, Diagnostic] = {}
    files = _segment_files(folder)
    try:
        with closing(_catalog(folder)) as catalog:
            catalog.execute("begin")
            checked = [str(row[0]) for row in catalog.execute("pragma quick_check(3)")]
            if checked != ["ok"]:
                return {("catalog", 0): _catalog_damage(folder, "; ".join(checked))}
            segments = dict(catalog.execute("select id, refs from segments where state <> 'deleting'").fetchall())
            entries = catalog.execute("select id, segment, offset, length, crc, dispatcher from entries").fetchall()
    except _UNREADABLE as error:
        if not (folder / CATALOG_FILE).exists() and not files:
            return {}
        return {("catalog", 0): _catalog_damage(folder, str(error))}
    counted: dict[int, int] = {}
    for number, segment, offset, length, crc, dispatcher in entries:
        counted[segment] = counted.get(segment, 0) + 1
        if only is not None and ("entry", number) not in only:
            continue
        why = _entry_damage(folder / segment_name(segment), offset, length, crc, number)
        if why is not None:
            found["entry", number] = _told(folder / segment_name(segment), offset, dispatcher, why)
    for segment in sorted(segments.keys() | counted.keys()):
        refs, live = segments.get(segment, 0), counted.get(segment, 0)
        if refs != live and (only is None or ("segment", segment) in only):
            why = f"the catalog counts {refs} entries, and has {live}"
            found["segment", segment] = _told(folder / segment_name(segment), 0, None, why)
    return found


def _entry_damage(path: Path, offset: int, length: int, crc: int, number: int) -> str | None:
    """What is wrong with one entry, None if nothing is. Memory: a chunk."""
    files = SystemFiles()
    try:
        if files.read(path, offset, HEADER_BYTES) != entry_header(crc, length, number):
            return f"this is not the header of entry {number}"
        at, end, found = offset + HEADER_BYTES, offset + HEADER_BYTES + length, 0
        while at < end:
            data = files.read(path, at, min(CHUNK, end - at))
            if not data:
                return f"the file ends {end - at} bytes before entry {number} does"
            found = crc32(memoryview(data), found)
            at += len(data)
    except (OSError, OverflowError, TypeError, struct.error) as error:
        return f"it cannot be read: {error}"
    return None if found == crc else f"the CRC-32 of entry {number} is {found:#010x}, not {crc:#010x}"


def _told(path: Path, offset: int, dispatcher: str | None, why: str) -> Diagnostic:
    return Diagnostic(
        "spool.damaged",
        f"{path.name} at offset {offset}: {why} (I7)",
        Place(file=str(path), table=None if dispatcher is None else visible(dispatcher)),
        hint="what lies here can be sent again: the next start discards it and goes on from the checkpoint",
    )


def _catalog_damage(folder: Path, why: str) -> Diagnostic:
    return Diagnostic(
        "spool.catalog",
        f"{CATALOG_FILE} cannot be read: {visible(why)}",
        Place(file=str(folder / CATALOG_FILE)),
        hint="nothing depends on it but a run that goes on: the next start makes it anew",
    )


def _segment_files(folder: Path) -> Mapping[str, int]:
    """Names and bytes of the segment files. One that goes away meanwhile is left out."""
    try:
        return dict(_sized(os.scandir(folder)))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _sized(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, int]]:
    for entry in entries:
        if entry.name.startswith("segment-"):
            try:
                yield entry.name, entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue


def _catalog(folder: Path) -> sqlite3.Connection:
    path = (folder / CATALOG_FILE).absolute()
    catalog = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
    try:
        distrust(catalog)
        if (code := code_in_schema(catalog)) is not None:
            raise sqlite3.DatabaseError(f"it has {code}: Afterbay makes none")
    except BaseException:
        catalog.close()
        raise
    return catalog


def _unreadable(folder: Path, error: OSError) -> EnvironmentRefused:
    return EnvironmentRefused(
        "spool.folder",
        f"the spool's folder {folder} cannot be read: {error.strerror or error}",
        place=Place(file=str(folder)),
        hint="ask as a user that may read it",
    )


def folders_under(state_dir: Path) -> Sequence[Path]:
    """The spools that lie in a state directory, in name order."""
    return sorted(lock.parent for lock in state_dir.glob(f"nodes/*/*/{LOCK_FILE}"))
