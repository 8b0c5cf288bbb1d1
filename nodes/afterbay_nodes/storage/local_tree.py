"""The directories of a local store: entered without following links, made durably, remembered, pruned."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay_nodes.storage.retry import Verdict

T = TypeVar("T")

KNOWN_DIRECTORIES = 32768

_FULL = {errno.ENOSPC, errno.EDQUOT}
_PASSING = _FULL | {errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT, errno.ESTALE}
PLANTED = frozenset({errno.ELOOP, errno.ENOTDIR})
_HINTS = {
    errno.EACCES: "give the user of this process the right to write there",
    errno.EPERM: "give the user of this process the right to write there",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOENT: "the folder was removed while the store was open",
    errno.EIO: "the disk reports a fault; what was written before it is not affected",
    errno.EXDEV: "a folder below the root must not be a mount of its own",
}


def judge(error: Exception) -> Verdict:
    """A full file system may be freed; a refused or broken one stays so."""
    if not isinstance(error, OSError) or error.errno is None:
        return Verdict(False, f"{type(error).__name__}: {error}")
    reason = os.strerror(error.errno)
    if error.errno in _FULL:
        return Verdict(True, reason, "free some space: the write is tried again until its deadline")
    return Verdict(error.errno in _PASSING, reason, _HINTS.get(error.errno))


def unmakeable(root: Path, error: OSError) -> str | None:
    """Why a root cannot be made, where what stands in its way can be named: a hint. None: it is there, or unknown."""
    with contextlib.suppress(OSError):
        for path in (root, *root.parents):
            if path.is_dir():
                if path == root:
                    return None
                if error.errno == errno.ENOENT:  # as in /proc: there, and yet nothing can be made in it
                    return f"nothing can be made in {path}; choose another folder"
                return f"it would have to be made in {path}: {_HINTS.get(error.errno or 0, 'choose another folder')}"
            if path.is_symlink() or path.exists():
                return f"{path} is no folder; move it away, or correct the uri"
    return None


class Folder:
    """A directory of a local store, open. Owns its descriptor, and those of the new levels' parents until `anchor`.

    A name in it survives the loss of power only once the directory does, too: `anchor` comes before the first name. It
    comes after the bytes are durable: on journaling file systems one wait for the disk then serves both, where each
    alone would cost one.
    """

    def __init__(self, descriptor: int, met: Sequence[tuple[int, str]], remember: Callable[[str], None]) -> None:
        """`met`: (descriptor of the parent, path) of each level that this process meets for the first time."""
        self.descriptor = descriptor
        self._met = list(met)
        self._remember = remember

    def anchor(self) -> None:
        """Makes the directory durable with all above it. A second call has nothing left to do."""
        for parent, _ in reversed(self._met):
            os.fsync(parent)
        for parent, path in self._met:
            os.close(parent)
            self._remember(path)
        self._met.clear()

    def close(self) -> None:
        """Gives the descriptors back. Called once."""
        for parent, _ in self._met:
            os.close(parent)
        os.close(self.descriptor)


class Tree:
    """The folder `root` and what is below. Owns one descriptor on the root, and a lock each for it and for `_known`.

    Paths are relative, with `/`; "" is the root. A path is known once it exists durably with no link on its way;
    then it is opened in one step. Known paths are bounded: the oldest is forgotten, and only checked again when met.
    `folds`: the file system takes two names for one that differ only by case or by Unicode form.
    """

    def __init__(self, root: Path, display: str) -> None:
        self.root = root
        self._display = display
        self.folds = False
        self._descriptor: int | None = None
        self._opening = threading.Lock()
        self._known: dict[str, None] = {}
        self._remembering = threading.Lock()

    def descriptor(self) -> int:
        """The root's descriptor, which stays the tree's. Raises EnvironmentRefused if the root is not there."""
        with self._opening:
            if self._descriptor is None:
                try:
                    self._descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                except OSError as error:
                    raise EnvironmentRefused(
                        "store.unreachable",
                        f"{self._display} cannot be opened: {judge(error).reason}",
                        hint="make the folder, or correct the uri",
                    ) from error
            return self._descriptor

    def probe(self, scratch: int) -> None:
        """Finds out whether the file system folds names, in the open folder `scratch` below the root."""
        for name, twin in (("probe-A", "probe-a"), ("probe-\u00e9", "probe-e\u0301")):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=scratch))
            try:
                self.folds = self.folds or _is_there(twin, scratch)
            finally:
                os.unlink(name, dir_fd=scratch)

    def close(self) -> None:
        """Gives the root's descriptor back."""
        with self._opening:
            root, self._descriptor = self._descriptor, None
        if root is not None:
            os.close(root)

    def inside(self, directory: str, act: Callable[[Folder], T]) -> T:
        """`act` on the open directory, which is made if it is missing. `act` anchors it before it gives a name.

        What is above it may be pruned while it is made, being empty for an instant: level by level at worst. So it
        is made again as often as it has levels.
        """
        for _ in range(directory.count("/") + 1 if directory else 0):
            with contextlib.suppress(FileNotFoundError):
                return self._once_inside(directory, act)
        return self._once_inside(directory, act)

    def make(self, directory: str) -> Folder:
        """Opens a directory, which is made if it is missing, with all above it. The caller closes it."""
        nearest, path, below = self._nearest(directory)
        opened = [nearest]
        met: list[tuple[int, str]] = []
        try:
            for level in below:
                path = f"{path}/{level}" if path else level
                # Met for the first time by this process: whoever made it, its entry must be durable.
                met.append((opened[-1], path))
                with contextlib.suppress(FileExistsError):
                    os.mkdir(level, dir_fd=opened[-1])
                if self.folds:
                    self._refuse_another(level, opened[-1], path)
                opened.append(self._step(level, opened[-1], path))
        except BaseException:
            for descriptor in opened:
                os.close(descriptor)
            raise
        return Folder(opened[-1], met, self._remember)

    def enter(self, directory: str) -> int | None:
        """Opens a directory if it is there. The caller closes the descriptor."""
        folder, path, below = self._nearest(directory)
        for level in below:
            path = f"{path}/{level}" if path else level
            try:
                inner = self._step(level, folder, path)
            except FileNotFoundError:
                return None
            finally:
                os.close(folder)
            folder = inner
        return folder

    def entries(self, directory: str) -> Sequence[tuple[str, int | None]]:
        """What is in a directory, as (path, size of a plain file or None of a directory), in the order of keys."""
        folder = self.enter(directory)
        if folder is None:
            return ()
        found: list[tuple[str, int | None]] = []
        try:
            with os.scandir(folder) as names:
                for entry in names:
                    path = f"{directory}/{entry.name}" if directory else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        found.append((path, None))
                    elif entry.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):  # removed since the directory was read
                            found.append((path, os.stat(entry.name, dir_fd=folder, follow_symlinks=False).st_size))
        finally:
            os.close(folder)
        # A directory sorts by what its keys look like: `a/x` comes after `a.csv`.
        return sorted(found, key=lambda item: item[0] + "/" if item[1] is None else item[0])

    def folders(self, directory: str) -> Sequence[str]:
        """The directories in a directory, as paths."""
        folder = self.enter(directory)
        if folder is None:
            return ()
        try:
            with os.scandir(folder) as names:
                above = f"{directory}/" if directory else ""
                return [above + entry.name for entry in names if entry.is_dir(follow_symlinks=False)]
        finally:
            os.close(folder)

    def prune(self, directory: str) -> None:
        """Removes a directory and those above it as long as they are empty; never the root."""
        while directory:
            above, _, level = directory.rpartition("/")
            folder = self.enter(above)
            if folder is None:
                return
            self._forget(directory)
            try:
                os.rmdir(level, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    return
                raise
            finally:
                os.close(folder)
            directory = above

    def planted(self, path: str) -> RunFailed:
        """The error for a link, pipe or device where a file or folder of ours should be."""
        return RunFailed(
            "store.foreign",
            f"'{path}' in {self._display} is not a plain file or folder; links are not followed",
            hint="remove it: the root belongs to the pipeline alone",
        )

    def _once_inside(self, directory: str, act: Callable[[Folder], T]) -> T:
        folder = self.make(directory)
        try:
            return act(folder)
        except OSError as error:
            # In a removed directory some file systems answer ENOENT, and some EPERM.
            if os.fstat(folder.descriptor).st_nlink:
                raise
            self._forget(directory)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
        finally:
            folder.close()

    def _refuse_another(self, level: str, folder: int, path: str) -> None:
        """Two tables in one folder could never be told apart again (I10)."""
        there = os.listdir(folder)
        if level not in there:
            other = next((name for name in there if _folded(name) == _folded(level)), "another")
            raise RunFailed(
                "store.folded",
                f"the folder '{path}' in {self._display} would be '{other}', which is there: this file system does not "
                "tell names apart that differ only by case or by Unicode form",
                hint="write to a file system or bucket that does, or give one of the tables another name by a route",
            )

    def _nearest(self, directory: str) -> tuple[int, str, Sequence[str]]:
        """Opens the nearest known directory on the way to `directory`: itself, one above, or the root.

        Gives its descriptor, which the caller closes, its path, and the levels that are left to go. One step, not one a
        level: each call of the system costs a turn of the interpreter.
        """
        levels = directory.split("/") if directory else []
        for depth in range(len(levels), 0, -1):
            path = "/".join(levels[:depth])
            if path in self._known:
                with contextlib.suppress(FileNotFoundError):  # else it was pruned meanwhile
                    return self._step(path, self.descriptor(), path), path, levels[depth:]
                self._forget(path)
        return _open(".", self.descriptor()), "", levels

    def _step(self, level: str, folder: int, path: str) -> int:
        try:
            return _open(level, folder)
        except OSError as error:
            if error.errno in PLANTED:
                raise self.planted(path) from error
            raise

    def _remember(self, path: str) -> None:
        with self._remembering:
            if len(self._known) >= KNOWN_DIRECTORIES:
                del self._known[next(iter(self._known))]
            self._known[path] = None

    def _forget(self, path: str) -> None:
        with self._remembering:
            self._known.pop(path, None)


def _open(path: str, folder: int) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_there(level: str, folder: int) -> bool:
    try:
        os.stat(level, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
