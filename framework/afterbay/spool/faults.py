"""What can go wrong with a spool, each with a stable code."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from afterbay.errors import Place, RunFailed
from afterbay.units import format_bytes

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SpoolDamaged(RunFailed):
    """Bytes at rest are not what was written: a segment is gone, short or altered (I7). Code `spool.damaged`."""

    def __init__(self, segment: Path, offset: int, why: str) -> None:
        super().__init__(
            "spool.damaged",
            f"segment {segment.name} at offset {offset}: {why} (I7)",
            place=Place(file=str(segment)),
            hint="nothing else may write in the spool's folder; the next start discards the spool and refills it from "
            "the checkpoint",
        )
        self.segment = segment
        self.offset = offset


class SpoolMisuse(RunFailed):
    """A defect of the caller: an entry released twice, or used after its end. Code `spool.misuse`."""

    def __init__(self, message: str) -> None:
        super().__init__(
            "spool.misuse", message, hint="this is a defect of the node that holds the entry, not of its data"
        )


def write_failed(error: OSError | sqlite3.Error, path: Path, quota: int) -> RunFailed:
    """What a failed write of `path` means: `spool.full` where its disk has no room, else `spool.write`."""
    if isinstance(error, OSError):
        full, reason = error.errno in _FULL, error.strerror or str(error)
    else:
        full, reason = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL, str(error)
    hint = (
        f"the spool may fill its folder up to disk_quota ({format_bytes(quota)}): free space there, lower disk_quota, "
        "or set dir to a folder on a larger disk"
        if full
        else "check the disk that holds the spool's folder and the rights on it"
    )
    return RunFailed(
        "spool.full" if full else "spool.write",
        f"cannot write {path.name} in {path.parent}: {reason}",
        place=Place(file=str(path)),
        hint=hint,
    )


def read_failed(error: OSError, path: Path, offset: int) -> RunFailed:
    """What a failed read means: a file that is gone or a bad disk is damage, anything else is not (`spool.read`)."""
    if error.errno in (errno.ENOENT, errno.ELOOP):
        return SpoolDamaged(path, offset, "the file is gone or was replaced")
    if error.errno == errno.EIO:
        return SpoolDamaged(path, offset, "the disk cannot read it back")
    return RunFailed(
        "spool.read",
        f"cannot read {path.name} in {path.parent} at offset {offset}: {error.strerror or error}",
        place=Place(file=str(path)),
        hint="check the rights on the spool's folder and the limit of open files",
    )
