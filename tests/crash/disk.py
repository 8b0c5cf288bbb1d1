r"""What a disk may hold after the power went at any moment of a recorded run.

Every call that changes something is one or two *steps*: bytes of a file, its length, a name in a folder. A step is
*safe* from the end of the first fsync of its file or folder that began after it was done. At a moment every safe step
is on the disk; of the others that were begun any may be, and of a write only the first sectors::

    step done -----> fsync begins ----> fsync ends: safe
         \------------ may be lost ---------/

Nothing more is promised than POSIX does: a name needs an fsync of its folder, however durable the file is; a name that
was taken away may come back; a rename never loses the file, but may leave both names. SQLite's `-shm` file, which is
written through a mapping, keeps nothing: SQLite makes it anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

SECTOR = 512


class File:
    """A file's identity: it may have several names, or none."""

    def __init__(self, content: bytes = b"") -> None:
        self.before = content
        self.size = len(content)  # as the run sees it: for appending


class Folder:
    """A folder's identity. `names` is what the run sees."""

    def __init__(self) -> None:
        self.names: dict[str, File | Folder] = {}
        self.before: dict[str, File | Folder] = {}


@dataclass(slots=True, eq=False)
class Step:
    """One change of `target`: `write` (offset, bytes) or `size` of a file; `name` or `gone` of a folder.

    `begun`, `done` and `safe` are moments; `safe` None: never. `after` must be on the disk if this step is.
    """

    target: File | Folder
    kind: str
    begun: int
    done: int
    name: str = ""
    inner: File | Folder | None = None
    offset: int = 0
    data: bytes = b""
    after: Step | None = None
    safe: int | None = None


Tree = Mapping[str, bytes | None]
"""What is in a folder, by path; None stands for a folder."""


@dataclass(slots=True)
class Recording:
    """A recorded run: the folder as it was before, every step, and the ends of fsyncs. It began at moment `first`."""

    root: Folder
    steps: list[Step] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    first: int = 0

    @property
    def moments(self) -> list[int]:
        """Every moment after which a crash leaves something else: ends of steps and of syncs."""
        every = {step.done for step in self.steps} | set(self.syncs)
        return sorted(moment for moment in every if moment >= self.first)

    def left(self, moment: int, choice: Random | bool) -> dict[str, bytes | None]:
        """What is left of a crash right after `moment`, by path; None stands for a folder.

        `choice`: True keeps all that was done, False nothing but what is safe, a Random some of it.
        """
        kept: set[Step] = set()
        contents: dict[File, bytearray] = {}
        names: dict[Folder, dict[str, File | Folder]] = {}
        for step in self.steps:
            if step.begun > moment or (step.after is not None and step.after not in kept):
                continue
            cut = len(step.data)
            if step.safe is None or step.safe > moment:
                if isinstance(choice, Random):
                    if choice.random() < 0.5:
                        continue
                    if choice.random() < 0.25:
                        cut = choice.randrange(cut // SECTOR + 1) * SECTOR
                elif not choice or step.done > moment:
                    continue
            kept.add(step)
            if isinstance(step.target, Folder):
                _rename(names.setdefault(step.target, dict(step.target.before)), step)
            else:
                _write(contents.setdefault(step.target, bytearray(step.target.before)), step, cut)
        return dict(_walk(self.root, "", names, contents))

    def killed(self, moment: int) -> Recording:
        """The process alone died at `moment`: everything is as it was, and as safe as it was. The next run goes on."""
        again = deepcopy(self)
        again.steps = [step for step in again.steps if step.done <= moment]
        again.syncs = [at for at in again.syncs if at <= moment]
        again.first = moment + 1
        names = {folder: dict(folder.before) for folder in _standing(again.root)}
        sizes: dict[File, int] = {}
        for step in again.steps:
            step.safe = step.safe if step.safe is not None and step.safe <= moment else None
            if isinstance(step.inner, Folder):
                names.setdefault(step.inner, dict(step.inner.before))
            if isinstance(step.target, Folder):
                _rename(names[step.target], step)
            else:
                least = 0 if step.kind == "size" else sizes.get(step.target, len(step.target.before))
                sizes[step.target] = max(least, step.offset + len(step.data))
        for folder, inner in names.items():
            folder.names = inner
        for file, size in sizes.items():
            file.size = size
        return again

    def unsynced(self, what: re.Pattern[str]) -> Recording:
        """As if no fsync had ever covered these steps: a file's path for its bytes, `folder: name` for a name in it.

        Paths are those at the end.
        """
        known = dict(_targets(self.root, ""))
        steps: dict[Step, Step] = {}
        for step in self.steps:
            path = known.get(step.target, "gone")
            skipped = what.fullmatch(f"{path}: {step.name}" if isinstance(step.target, Folder) else path) is not None
            after = None if step.after is None else steps[step.after]
            steps[step] = replace(step, safe=None if skipped else step.safe, after=after)
        return Recording(self.root, list(steps.values()), self.syncs, self.first)


def _standing(folder: Folder) -> Iterator[Folder]:
    """The folders that were there before the run."""
    yield folder
    for inner in folder.before.values():
        if isinstance(inner, Folder):
            yield from _standing(inner)


def _targets(folder: Folder, path: str) -> Iterator[tuple[File | Folder, str]]:
    yield folder, path
    for name, inner in folder.names.items():
        if isinstance(inner, Folder):
            yield from _targets(inner, f"{path}/{name}")
        else:
            yield inner, f"{path}/{name}"


def _rename(names: dict[str, File | Folder], step: Step) -> None:
    if step.kind == "name":
        assert step.inner is not None
        names[step.name] = step.inner
    elif names.get(step.name) is step.inner:
        del names[step.name]


def _write(content: bytearray, step: Step, cut: int) -> None:
    if step.kind == "size":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
    else:
        data = step.data[:cut]
        content.extend(bytes(max(0, step.offset - len(content))))
        content[step.offset : step.offset + len(data)] = data


def _walk(
    folder: Folder, above: str, names: Mapping[Folder, Mapping[str, File | Folder]], contents: Mapping[File, bytearray]
) -> Iterator[tuple[str, bytes | None]]:
    for name, inner in sorted(names.get(folder, folder.before).items()):
        path = f"{above}{name}"
        if isinstance(inner, Folder):
            yield path, None
            yield from _walk(inner, f"{path}/", names, contents)
        elif not name.endswith("-shm"):
            yield path, bytes(contents.get(inner, inner.before))


def seen(folder: Path) -> dict[str, bytes | None]:
    """What is in a real folder, as `Recording.left` tells it."""
    found: dict[str, bytes | None] = {}
    for above, folders, files in os.walk(folder):
        inside = Path(above).relative_to(folder)
        found.update({(inside / name).as_posix(): None for name in folders})
        kept = (name for name in files if not name.endswith("-shm") and not (Path(above) / name).is_socket())
        found.update({(inside / name).as_posix(): (Path(above) / name).read_bytes() for name in kept})
    return dict(sorted(found.items()))


def lay(tree: Tree, folder: Path) -> None:
    """Makes `folder` hold `tree` and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def mark(tree: Tree) -> bytes:
    """Tells trees apart."""
    digest = hashlib.blake2b()
    for path, content in sorted(tree.items()):
        digest.update(repr((path, None if content is None else len(content))).encode("utf-8", "surrogateescape"))
        digest.update(content or b"")
    return digest.digest()


def standing(tree: Tree) -> Folder:
    """A folder that holds `tree`, all of it safe."""
    root = Folder()
    for path, content in sorted(tree.items()):
        above = root
        *levels, name = path.split("/")
        for level in levels:
            inner = above.names[level]
            assert isinstance(inner, Folder)
            above = inner
        above.names[name] = Folder() if content is None else File(content)
    _settle(root)
    return root


def _settle(folder: Folder) -> None:
    folder.before = dict(folder.names)
    for inner in folder.names.values():
        if isinstance(inner, Folder):
            _settle(inner)
