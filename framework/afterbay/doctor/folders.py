"""The folders of a pipeline: may they be written, what lies under them, is there room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from afterbay.doctor.finding import Finding, fail, ok, warn
from afterbay.units import MIB, format_bytes

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "ncpfs", "davfs"}
)
MOUNTS = Path("/proc/self/mountinfo")
LEAST_FOR_STATE, SCARCE_FOR_STATE = 4 * MIB, 64 * MIB


def state_folder(path: Path) -> Iterator[Finding]:
    """The state directory: made durable at every commit, locked by one run."""
    there = nearest(path)
    yield from _writable("state folder", path, there)
    kind = file_system(there)
    if is_network(kind):
        yield warn(
            "state locks",
            f"{there} is on a network file system ({kind}): whether a lock there keeps a second machine's run out "
            "depends on its server",
            "put the state directory on a local disk, or see to it that only one machine runs the pipeline",
        )
    else:
        yield ok("state locks", f"{kind or 'unknown'} file system, taken for local: locks end with their process")
    free = shutil.disk_usage(there).free
    text = f"{format_size(free)} free"
    if free < LEAST_FOR_STATE:
        yield fail("state disk", text, "free space: a checkpoint that cannot be written ends the run")
    elif free < SCARCE_FOR_STATE:
        yield warn("state disk", text, "free space: a checkpoint that cannot be written ends the run")
    else:
        yield ok("state disk", text)


def spool_folder(name: str, path: Path, quota: int) -> Iterator[Finding]:
    """A spool's folder: has it the room that its quota may take?"""
    there = nearest(path)
    yield from _writable(f"spool '{name}'", path, there)
    own = sum(file.stat().st_size for file in path.glob("segment-*.spool")) if path.is_dir() else 0
    free = shutil.disk_usage(there).free + own
    kind = file_system(there)
    text = f"{format_size(free)} for a quota of {format_bytes(quota)} ({kind or 'unknown'} file system)"
    if free < quota:
        yield warn(
            f"spool '{name}' disk",
            text,
            "lower disk_quota or set dir to a larger disk: a full disk ends the run, a full quota only slows it",
        )
    elif is_network(kind):
        yield warn(f"spool '{name}' disk", text, "a spool is a cache: on a local disk it is quicker")
    else:
        yield ok(f"spool '{name}' disk", text)


def nearest(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    at = path.absolute()
    while not at.exists() and at != at.parent:
        at = at.parent
    return at


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """The kind of file system that `path` is on, "" where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real = path.resolve()
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5 or not rest[0]:
            continue
        point = fields[4].replace("\\040", " ")
        # Of two on one point the later one hides the earlier.
        if len(point) >= len(best) and real.is_relative_to(point):
            best, kind = point, rest[0]
    return kind


def is_network(kind: str) -> bool:
    """True if what is stored there is another machine's."""
    return kind in NETWORK or kind.startswith("fuse.")


def format_size(nbytes: float) -> str:
    """As people read sizes: one digit behind the point."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} TiB"


def _writable(subject: str, path: Path, there: Path) -> Iterator[Finding]:
    if not there.is_dir():
        yield fail(subject, f"{there} is no folder", "choose another place")
    elif not os.access(there, os.W_OK | os.X_OK):
        yield fail(
            subject, f"{there} may not be written", "give the pipeline's user write access, or choose another place"
        )
    elif there == path.absolute():
        yield ok(subject, f"{path} may be written")
    else:
        yield ok(subject, f"{path} is not there yet, and may be made")
