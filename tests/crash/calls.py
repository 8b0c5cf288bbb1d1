"""What strace wrote, as calls: `strace -f -xx -s LARGE -o FILE`, so that no byte is left out or escaped otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TRACED = (
    *("open", "openat", "openat2", "creat", "close", "dup", "dup2", "dup3", "fcntl", "lseek", "chdir", "fchdir"),
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice", "mmap"),
    *("ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"),
    *("mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "mknod", "mknodat"),
)
OPTIONS = ("-xx", "-s", "1000000", "-e", "trace=" + ",".join(TRACED), "-e", "signal=none")

_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(?: .*)?$")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*?),? *<unfinished \.\.\.>$")
_ENDED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(?:, )?(.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?: .*)?$")
_ARGUMENT = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|\{[^}]*\}|[^,"\[{])+')
_NEVER = re.compile(r"(\d+) +(?:\w+\(.*\) += \?|<\.\.\. \w+ resumed>.*= \?|\+\+\+ .*|.*<unfinished \.\.\.>\) += \?)$")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that came back. `begun` and `ended` are places in the order of all that was seen."""

    name: str
    arguments: tuple[str, ...]
    result: int
    begun: int
    ended: int


def read_calls(path: Path) -> list[Call]:
    """The calls in the order in which they ended. AssertionError for a line that is not understood."""
    calls: list[Call] = []
    open_calls: dict[str, tuple[str, str, int]] = {}
    with path.open(encoding="ascii") as lines:
        for at, raw in enumerate(lines):
            line = raw.rstrip("\n")
            if (found := _BEGUN.match(line)) is not None:
                open_calls[found[1]] = (found[2], found[3], at)
            elif (found := _ENDED.match(line)) is not None:
                name, arguments, begun = open_calls.pop(found[1])
                assert name == found[2], line[:200]
                if found[4] != "?":
                    joined = ", ".join(part for part in (arguments, found[3]) if part)
                    calls.append(Call(name, _split(joined), int(found[4], 0), begun, at))
            elif (found := _WHOLE.match(line)) is not None:
                calls.append(Call(found[2], _split(found[3]), int(found[4], 0), at, at))
            else:
                assert _NEVER.match(line), f"strace said {line[:300]!r}"
    return calls


def text(argument: str) -> str:
    """A string argument."""
    return data(argument).decode("utf-8", "surrogateescape")


def data(argument: str) -> bytes:
    """A buffer. It must have been written down whole."""
    assert argument.startswith('"'), argument[:100]
    assert argument.endswith('"'), "strace cut a buffer"
    return bytes.fromhex(argument[1:-1].replace("\\x", ""))


def vector(argument: str) -> bytes:
    """The buffers of a `writev`, joined."""
    assert argument.endswith("]"), "strace cut a vector"
    return b"".join(data(item) for item in re.findall(r'iov_base=("[^"]*"),', argument))


def _split(arguments: str) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in _ARGUMENT.findall(arguments))
