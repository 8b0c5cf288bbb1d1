"""Scratch files: where a file is assembled before it is put into the store, outside of the store's root.

A scratch file has no name, so it ends with its last holder, whatever that was: a flush, or the process. Where the file
system cannot make one without a name, it loses its name at once, and a start sweeps what a kill left in between.
"""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from afterbay.checksum import crc32
from afterbay.errors import EnvironmentRefused, Place, RunFailed
from afterbay_nodes.storage.store import Part

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PREFIX = "flush-"


class ScratchFile(io.RawIOBase):
    """A file that is written once, from its start to its end, and then read as it lies. Owns its descriptor.

    `size` and `crc` (CRC-32) are of what was written. Used by one thread until its parts are taken.
    """

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._file = file
        self._folder = folder
        self.size = 0
        self.crc = 0

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Takes all of `data`. Raises RunFailed `cloud_storage.scratch`."""
        view = memoryview(data).cast("B")
        at = 0
        try:
            while at < view.nbytes:
                at += self._file.write(view[at:])
        except OSError as error:
            raise _refused(error, self._folder) from error
        self.size += view.nbytes
        self.crc = crc32(view, self.crc)
        return view.nbytes

    def parts(self) -> list[Part]:
        """What was written, mapped: nothing is read into the heap (I8). The bytes stay as long as a part is held."""
        try:
            mapped = mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ) if self.size else b""
        except OSError as error:
            raise _refused(error, self._folder) from error
        return [memoryview(mapped)] if self.size else []

    def close(self) -> None:
        """Lets go of the file; the parts that were taken stay."""
        if not self.closed:
            try:
                self._file.close()
            finally:
                super().close()


class Scratch:
    """One sink's folder of scratch files. Made when the first one is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sweep(self) -> None:
        """Removes what a killed process left. Raises EnvironmentRefused if that is not allowed."""
        try:
            for path in self._folder.glob(f"{_PREFIX}*"):
                path.unlink()
        except OSError as error:
            raise EnvironmentRefused(
                "cloud_storage.scratch",
                f"what an earlier run left in {self._folder} cannot be removed: {error.strerror or error}",
                place=Place(file=str(self._folder)),
                hint="give the user that runs the pipeline write access to the state directory",
            ) from error

    def create(self) -> ScratchFile:
        """An empty file. Raises RunFailed `cloud_storage.scratch`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Without a buffer: nothing is left to write when a file that met a full disk is closed.
            return ScratchFile(tempfile.TemporaryFile(buffering=0, prefix=_PREFIX, dir=self._folder), self._folder)
        except OSError as error:
            raise _refused(error, self._folder) from error


def _refused(error: OSError, folder: Path) -> RunFailed:
    reason = os.strerror(error.errno) if error.errno is not None else str(error)
    return RunFailed(
        "cloud_storage.scratch",
        f"a file cannot be assembled in {folder}: {reason}",
        place=Place(file=str(folder)),
        hint="free some space there, or put the state directory on a larger disk",
    )
