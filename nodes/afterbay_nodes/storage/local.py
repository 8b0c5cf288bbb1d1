"""A folder as object store: complete or absent, never overwritten, and safe against the loss of power.

A new object is an unnamed file (O_TMPFILE) that gets its name only when its bytes are on the disk; a replaced one
is a file in one hidden folder, renamed over the old. No lock is held during I/O.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from afterbay.durable import make_folder
from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay.printable import visible
from afterbay_nodes.storage.local_file import Draft, NamedDraft, Reader, UnnamedDraft
from afterbay_nodes.storage.local_tree import PLANTED, Folder, Tree, judge, unmakeable
from afterbay_nodes.storage.retry import Retry
from afterbay_nodes.storage.store import SMALL_OBJECT, AlreadyExists, NotFound, ObjectInfo, Part, Seen, flat, levels

HIDDEN = ".afterbay"
"""The one folder below a root that holds named temporary files. No key may lie in it; swept at start."""

log = logging.getLogger("afterbay.store")

_UNNAMED_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}


class LocalStore:
    """Objects as files below `root`. Owns its tree of directories and, where it is needed, the hidden folder."""

    late_writers = False

    def __init__(self, root: Path, retry: Retry) -> None:
        self.display = visible(f"file://{root.absolute()}")
        self._tree = Tree(root.absolute(), self.display)
        self._retry = retry
        self._unnamed = hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir()
        self._hidden_used = False
        self._names = itertools.count()
        self._mark = f"{os.getpid()}-{secrets.token_hex(4)}"

    def check(self) -> None:
        """See `ObjectStore.check`."""
        try:
            make_folder(self._tree.root)  # I1: a root whose name is lost takes every object with it
            self._draft(self._tree.descriptor(), [memoryview(b"afterbay")]).close()
            scratch = self._tree.make(HIDDEN)
            try:
                self._tree.probe(scratch.descriptor)
            finally:
                scratch.close()
                self._tree.prune(HIDDEN)
        except OSError as error:
            verdict = judge(error)
            hint = unmakeable(self._tree.root, error) or verdict.hint or "give a folder that can be made and written"
            raise EnvironmentRefused(
                "store.unwritable", f"{self.display} cannot be written: {verdict.reason}", hint=hint
            ) from error

    def sweep(self) -> None:
        """Removes named temporary files of a process that died."""

        def remove() -> None:
            names = [path.rpartition("/")[2] for path, _ in self._tree.entries(HIDDEN)]
            self._unlink(HIDDEN, names)
            self._tree.prune(HIDDEN)

        self._retry.run("sweep", HIDDEN, remove, judge)

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        """See `ObjectStore.put_if_absent`."""
        directory, name = self._place(key)
        views = flat(parts, size, key)

        failed: list[OSError] = []

        def create(folder: Folder) -> None:
            with closing(self._draft(folder.descriptor, views)) as draft:
                folder.anchor()
                try:
                    draft.link(name, folder.descriptor)
                except FileExistsError:
                    raise AlreadyExists(key, self.display) from None
            try:
                os.fsync(folder.descriptor)
            except OSError as error:
                failed.append(error)

        def sync(folder: Folder) -> None:
            if failed:  # what `create` met counts as this ladder's first try
                raise failed.pop()
            folder.anchor()
            os.fsync(folder.descriptor)

        # Two ladders: a folder that cannot be synced must not make the retry meet its own file.
        self._retry.run("put", key, partial(self._tree.inside, directory, create), judge)
        if failed:
            self._retry.run("sync", key, partial(self._tree.inside, directory, sync), judge)

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        """See `ObjectStore.replace`. A rename is done when its call is over: none comes late, and nothing is asked."""
        directory, name = self._place(key)
        views = flat([data], len(data), key)

        def rename(folder: Folder) -> None:
            with closing(self._named_draft(views)) as draft:
                folder.anchor()
                draft.rename(name, folder.descriptor)
            os.fsync(folder.descriptor)

        self._retry.run("put", key, partial(self._tree.inside, directory, rename), judge)
        return "-"

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Seen:
        """See `ObjectStore.see`."""
        return Seen(self.get(key, limit), "-")

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        """See `ObjectStore.get`."""

        def read() -> bytes:
            with closing(self._reader(key)) as file:
                if file.size > limit:
                    raise RunFailed("store.large", f"'{key}' in {self.display} has {file.size} bytes, over {limit}")
                return b"".join(bytes(chunk) for chunk in file.chunks())

        return self._retry.run("get", key, read, judge)

    def open_read(self, key: str) -> Iterator[memoryview]:
        """See `ObjectStore.open_read`."""
        with closing(self._retry.run("get", key, partial(self._reader, key), judge)) as file:
            chunks = file.chunks()
            while (chunk := self._retry.run("get", key, partial(next, chunks, None), judge)) is not None:
                yield chunk

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`. A name that is no plain file is refused: nothing of ours made it."""

        def look() -> ObjectInfo | None:
            directory, name = self._place(key)
            folder = self._tree.enter(directory)
            if folder is None:
                return None
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None
            finally:
                os.close(folder)
            if not stat.S_ISREG(found.st_mode):
                raise self._tree.planted(key)
            return ObjectInfo(key, found.st_size)

        return self._retry.run("head", key, look, judge)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`. Links and hidden files are not objects."""
        base = prefix.rpartition("/")[0]
        if base:
            levels(base)
        waiting = [iter(self._entries(base))]
        while waiting:
            path, size = next(waiting[-1], ("", None))
            if not path:
                waiting.pop()
            elif path == HIDDEN or not path.startswith(prefix):
                continue
            elif size is None:
                waiting.append(iter(self._entries(path)))
            else:
                yield ObjectInfo(path, size)

    def delete(self, keys: Sequence[str]) -> None:
        """See `ObjectStore.delete`. A folder that becomes empty goes too: without objects it does not exist."""
        folders: dict[str, list[str]] = {}
        for key in keys:
            directory, name = self._place(key)
            folders.setdefault(directory, []).append(name)
        for directory, names in folders.items():
            self._retry.run("delete", directory, partial(self._unlink, directory, names), judge)
            self._retry.run("delete", directory, partial(self._tree.prune, directory), judge)

    def prune(self, doomed: Callable[[str], bool]) -> None:
        """See `ObjectStore.prune`. `delete` prunes too: this is for what a process left that died in between."""
        waiting = [""]
        while waiting:
            above = waiting.pop()
            for folder in self._retry.run("list", above, partial(self._tree.folders, above), judge):
                if folder == HIDDEN:
                    continue
                if doomed(folder):
                    self._retry.run("delete", folder, partial(self._tree.prune, folder), judge)
                waiting.append(folder)

    def close(self) -> None:
        """See `ObjectStore.close`. The hidden folder is removed: only protocol names stay.

        A store that does not let it go has told why before this, and the next start sweeps it.
        """
        try:
            if self._hidden_used:
                self._tree.prune(HIDDEN)
        except OSError as error:
            log.warning("the empty folder '%s' in %s stays behind: %s", HIDDEN, self.display, judge(error).reason)
        finally:
            self._tree.close()

    def _place(self, key: str) -> tuple[str, str]:
        found = levels(key)
        if found[0] == HIDDEN:
            raise RunFailed("store.key", f"the key {key!r} is refused: '{HIDDEN}' is the store's own")
        return "/".join(found[:-1]), found[-1]

    def _draft(self, folder: int, views: Sequence[memoryview]) -> Draft:
        """The bytes on the disk, under no name yet."""
        if self._unnamed:
            try:
                return UnnamedDraft(folder, views)
            except OSError as error:
                if error.errno not in _UNNAMED_UNSUPPORTED:
                    raise
                self._unnamed = False
        return self._named_draft(views)

    def _named_draft(self, views: Sequence[memoryview]) -> NamedDraft:
        self._hidden_used = True
        hidden = self._tree.make(HIDDEN)
        try:
            hidden.anchor()  # not for its own sake: once known, it is opened in one step
        except BaseException:
            hidden.close()
            raise
        return NamedDraft(hidden.descriptor, f"{self._mark}-{next(self._names)}", views)

    def _entries(self, directory: str) -> Sequence[tuple[str, int | None]]:
        return self._retry.run("list", directory, partial(self._tree.entries, directory), judge)

    def _unlink(self, directory: str, names: Sequence[str]) -> None:
        folder = self._tree.enter(directory)
        if folder is None:
            return
        try:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)

    def _reader(self, key: str) -> Reader:
        directory, name = self._place(key)
        folder = self._tree.enter(directory)
        if folder is None:
            raise NotFound(key, self.display)
        try:
            # O_NONBLOCK: a planted pipe must not hang the reader.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            raise NotFound(key, self.display) from None
        except OSError as error:
            if error.errno in PLANTED:
                raise self._tree.planted(key) from error
            raise
        finally:
            os.close(folder)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            raise self._tree.planted(key)
        return Reader(file, found.st_size)
