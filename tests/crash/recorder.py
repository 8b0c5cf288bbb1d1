"""Turns the calls of a run into steps on a disk: follows descriptors and names as the kernel does.

Calls that concern nothing below the recorded folder are left out. One that could change something there in a way that
is not understood is an AssertionError: a recording that misses a step would prove nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from afterbay.live.protocol import SOCKET_FILE
from tests.crash.calls import Call, data, text, vector
from tests.crash.disk import File, Folder, Recording, Step

_CWD = "AT_FDCWD"
_PROC = "/proc/self/fd/"


@dataclass(slots=True)
class _Open:
    """An open file description: shared by duplicates."""

    inode: File | Folder | None
    path: str
    at: int = 0
    appends: bool = False


def recorded(calls: Sequence[Call], folder: Path, before: Recording) -> Recording:
    """Adds to `before` the steps of a run whose current folder was `folder`."""
    recorder = _Recorder(folder, before)
    # A descriptor is free as soon as its close begins: another thread may have it before the close is seen to end.
    for call in sorted(calls, key=lambda item: item.begun if item.name == "close" else item.ended):
        recorder.take(call)
    return recorder.recording


class _Recorder:
    def __init__(self, folder: Path, before: Recording) -> None:
        self._base = str(folder)
        self._fds: dict[int, _Open] = {}
        self.recording = before

    def take(self, call: Call) -> None:
        if call.result < 0:
            return
        take = getattr(self, f"_{call.name}", None)
        assert take is not None, f"{call.name} is not understood"
        take(call, *call.arguments)

    # -- names

    def _find(self, path: str, dirfd: str = _CWD) -> tuple[Folder, str] | None:
        """The folder and last name of a path below the recorded folder; None for one that is elsewhere."""
        if not path.startswith("/"):
            base = self._base if dirfd == _CWD else self._fds[int(dirfd)].path
            path = f"{base}/{path}"
        parts: list[str] = []
        for part in path.split("/"):
            if part == "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        absolute = "/" + "/".join(parts)
        if not absolute.startswith(self._base + "/"):
            return None
        *levels, name = absolute[len(self._base) + 1 :].split("/")
        if name == SOCKET_FILE:
            return None  # it is no data, and ends with its process: the next run puts its own in its place
        at = self.recording.root
        for level in levels:
            inner = at.names[level]
            assert isinstance(inner, Folder), absolute
            at = inner
        return at, name

    def _path(self, path: str, dirfd: str) -> str:
        if path.startswith("/"):
            return path
        base = self._base if dirfd == _CWD else self._fds[int(dirfd)].path
        return base if path == "." else f"{base}/{path}"

    def _step(self, call: Call, target: File | Folder, kind: str, **more: object) -> Step:
        first = self.recording.first
        step = Step(target, kind, first + call.begun, first + call.ended, **more)  # type: ignore[arg-type]
        self.recording.steps.append(step)
        return step

    def _named(self, call: Call, folder: Folder, name: str, inner: File | Folder) -> Step:
        folder.names[name] = inner
        return self._step(call, folder, "name", name=name, inner=inner)

    def _unnamed(self, call: Call, folder: Folder, name: str, after: Step | None = None) -> None:
        self._step(call, folder, "gone", name=name, inner=folder.names.pop(name), after=after)

    # -- opening

    def _openat(self, call: Call, dirfd: str, path: str, flags: str, mode: str = "") -> None:
        name = text(path)
        whole = self._path(name, dirfd)
        inode: File | Folder | None = None
        if "O_TMPFILE" in flags:
            inode = File() if f"{whole}/".startswith(f"{self._base}/") else None
        elif whole.rstrip("/") == self._base:
            inode = self.recording.root
        elif (found := self._find(name, dirfd)) is not None:
            folder, last = found
            if last in folder.names:
                inode = folder.names[last]
            else:
                assert "O_CREAT" in flags, whole
                inode = File()
                self._named(call, folder, last, inode)
            if "O_TRUNC" in flags and isinstance(inode, File) and inode.size:
                self._resize(call, inode, 0)
        self._fds[call.result] = _Open(inode, whole.rstrip("/"), appends="O_APPEND" in flags)

    def _open(self, call: Call, path: str, flags: str, mode: str = "") -> None:
        self._openat(call, _CWD, path, flags, mode)

    def _close(self, call: Call, fd: str) -> None:
        self._fds.pop(int(fd), None)

    def _dup(self, call: Call, fd: str, *rest: str) -> None:
        if int(fd) in self._fds:
            self._fds[call.result] = self._fds[int(fd)]
        else:
            self._fds.pop(call.result, None)

    _dup2 = _dup3 = _dup

    def _fcntl(self, call: Call, fd: str, command: str, *rest: str) -> None:
        if command.startswith("F_DUPFD"):
            self._dup(call, fd)

    def _lseek(self, call: Call, fd: str, *rest: str) -> None:
        if int(fd) in self._fds:
            self._fds[int(fd)].at = call.result

    def _mmap(self, call: Call, address: str, size: str, access: str, flags: str, fd: str, *rest: str) -> None:
        if "MAP_SHARED" in flags and "PROT_WRITE" in access and int(fd) in self._fds:
            target = self._fds[int(fd)]
            assert target.inode is None or target.path.endswith("-shm"), f"{target.path} is written by a mapping"

    # -- bytes

    def _file(self, fd: str) -> File | None:
        target = self._fds.get(int(fd))
        if target is None or target.inode is None:
            return None
        assert isinstance(target.inode, File)
        return target.inode

    def _put(self, call: Call, file: File, offset: int, content: bytes) -> None:
        assert len(content) >= call.result
        file.size = max(file.size, offset + call.result)
        self._step(call, file, "write", offset=offset, data=content[: call.result])

    def _put_here(self, call: Call, fd: str, content: bytes) -> None:
        if (file := self._file(fd)) is not None:
            target = self._fds[int(fd)]
            at = file.size if target.appends else target.at
            target.at = at + call.result
            self._put(call, file, at, content)

    def _write(self, call: Call, fd: str, content: str, size: str) -> None:
        self._put_here(call, fd, data(content) if self._file(fd) else b"")

    def _writev(self, call: Call, fd: str, pieces: str, count: str) -> None:
        self._put_here(call, fd, vector(pieces) if self._file(fd) else b"")

    def _pwrite64(self, call: Call, fd: str, content: str, size: str, offset: str) -> None:
        if (file := self._file(fd)) is not None:
            self._put(call, file, int(offset), data(content))

    def _pwritev(self, call: Call, fd: str, pieces: str, count: str, offset: str, *flags: str) -> None:
        if (file := self._file(fd)) is not None:
            self._put(call, file, int(offset), vector(pieces))

    _pwritev2 = _pwritev

    def _ftruncate(self, call: Call, fd: str, size: str) -> None:
        if (file := self._file(fd)) is not None:
            self._resize(call, file, int(size))

    def _resize(self, call: Call, file: File, size: int) -> None:
        file.size = size
        self._step(call, file, "size", offset=size)

    # -- safety

    def _fsync(self, call: Call, fd: str) -> None:
        target = self._fds.get(int(fd))
        if target is None or target.inode is None:
            return
        begun, ended = self.recording.first + call.begun, self.recording.first + call.ended
        self.recording.syncs.append(ended)
        for step in self.recording.steps:
            if step.target is target.inode and step.safe is None and step.done <= begun:
                step.safe = ended

    _fdatasync = _fsync

    # -- names that come and go

    def _mkdirat(self, call: Call, dirfd: str, path: str, mode: str) -> None:
        if (found := self._find(text(path), dirfd)) is not None:
            self._named(call, *found, Folder())

    def _mkdir(self, call: Call, path: str, mode: str) -> None:
        self._mkdirat(call, _CWD, path, mode)

    def _linkat(self, call: Call, old_fd: str, old: str, new_fd: str, new: str, flags: str) -> None:
        found = self._find(text(new), new_fd)
        if found is None:
            return
        source = text(old)
        if source.startswith(_PROC):
            inode = self._fds[int(source.removeprefix(_PROC))].inode
        else:
            origin = self._find(source, old_fd)
            assert origin is not None, source
            inode = origin[0].names[origin[1]]
        assert inode is not None, source
        self._named(call, *found, inode)

    def _link(self, call: Call, old: str, new: str) -> None:
        self._linkat(call, _CWD, old, _CWD, new, "0")

    def _renameat(self, call: Call, old_fd: str, old: str, new_fd: str, new: str, *flags: str) -> None:
        origin, target = self._find(text(old), old_fd), self._find(text(new), new_fd)
        assert (origin is None) == (target is None), "a rename into the folder, or out of it"
        if origin is not None and target is not None:
            named = self._named(call, *target, origin[0].names[origin[1]])
            self._unnamed(call, *origin, after=named)

    _renameat2 = _renameat

    def _rename(self, call: Call, old: str, new: str) -> None:
        self._renameat(call, _CWD, old, _CWD, new)

    def _unlinkat(self, call: Call, dirfd: str, path: str, flags: str = "0") -> None:
        if (found := self._find(text(path), dirfd)) is not None:
            self._unnamed(call, *found)

    def _unlink(self, call: Call, path: str) -> None:
        self._unlinkat(call, _CWD, path)

    _rmdir = _unlink
