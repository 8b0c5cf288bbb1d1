"""The process dies at every write to a store such as S3, before it and after it, or it comes late (I1, I3 to I6).

The store is in memory: what it holds outlives the process, and a request of a dead process may still be delivered while
the next one runs. The state is that of the moment of the death.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.sinks import storage_sink
from afterbay_nodes.storage.store import Part, flat
from tests.crash.disk import lay, seen
from tests.crash.story import Story, story
from tests.crash.warm import memory_folder
from tests.support.memory_store import MemoryStore
from tests.support.nasty_log import small_log


class Died(Exception):
    """Stands for the end of the process: from then on nothing of it reaches the store."""


class MortalStore(MemoryStore):
    """Dies at the write number `at`; `how`: before it, after it, or before it with the request under way."""

    late_writers = True

    def __init__(self, objects: dict[str, bytes], at: int, how: str, died: Callable[[], None]) -> None:
        super().__init__()
        self.objects = objects
        self.at, self.how, self.died = at, how, died
        self.writes = 0
        self.late: Callable[[], object] | None = None

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        body = b"".join(bytes(view) for view in flat(parts, size, key))
        put = super().put_if_absent
        self._dies(lambda: put(key, [body], size))

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        replace = super().replace
        return str(self._dies(lambda: replace(key, data, previous)))

    def delete(self, keys: Sequence[str]) -> None:
        delete = super().delete
        self._dies(lambda: delete(keys))

    def _dies(self, write: Callable[[], object]) -> object:
        if self.writes >= self.at:
            raise Died
        self.writes += 1
        if self.writes < self.at:
            return write()
        if self.how == "after":
            write()
        elif self.how == "late":
            self.late = write
        self.died()
        raise Died


class NextStore(MemoryStore):
    """The store of the run after it: `late` is delivered before its second write."""

    late_writers = True

    def __init__(self, objects: dict[str, bytes], late: Callable[[], object] | None) -> None:
        super().__init__()
        self.objects = objects
        self._late = late
        self._writes = 0

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        self._deliver()
        super().put_if_absent(key, parts, size)

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        self._deliver()
        return super().replace(key, data, previous)

    def _deliver(self) -> None:
        self._writes += 1
        if self._writes == 2 and self._late is not None:
            with suppress(Exception):  # refused: nobody is there to be told
                self._late()


@pytest.fixture
def told() -> Iterator[Story]:
    with memory_folder() as folder:
        yield story(folder, small_log(24, 3))


@pytest.mark.parametrize("how", ["before", "after", "late"])
def test_dies_at_every_write(told: Story, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    at = 0
    lived = False
    while not lived:
        at += 1
        lived = _dies_at(told, at, how, monkeypatch, wrong)
    assert wrong == []
    assert at > 20, "every file, index, schema file and checkpoint is a write"


def _dies_at(told: Story, at: int, how: str, monkeypatch: pytest.MonkeyPatch, wrong: list[str]) -> bool:
    """Whether the run ended before its write number `at`."""
    lay({}, told.folder)
    image = told.folder.with_name("image")
    shutil.rmtree(image, ignore_errors=True)
    objects: dict[str, bytes] = {}
    # No thread of the run gets past the store then, so that what is copied is what a dead process leaves.
    dying = MortalStore(objects, at, how, lambda: lay(seen(told.folder), image))
    monkeypatch.setattr(storage_sink, "open_store", lambda *_, **__: dying)
    with suppress(RunFailed, ExceptionGroup, Died):
        told.run()
        return True
    lay(seen(image), told.folder)
    _show(objects, told.pipeline.lake)
    wrong += [f"write {at}: {what}" for what in told.honest()]
    monkeypatch.setattr(storage_sink, "open_store", lambda *_, **__: NextStore(objects, dying.late))
    try:
        told.run()
    except Exception as error:  # of any kind: it is one of many findings of an exhaustive search
        wrong.append(f"write {at}: the run after it failed: {error!r}")
        return False
    _show(objects, told.pipeline.lake)
    wrong += [f"write {at}: {what}" for what in told.complete()]
    return False


def _show(objects: dict[str, bytes], folder: Path) -> None:
    """The objects as files, for the reader."""
    lay({}, folder)
    for key, content in objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
