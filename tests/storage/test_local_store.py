from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay_nodes.storage import local, local_file
from afterbay_nodes.storage.store import NotFound
from tests.storage.conformance import KEY, StoreConformance
from tests.support.stores import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(str(tmp_path / "lake"))


class TestLocalStore(StoreConformance):
    """With unnamed files."""

    asks = False  # a rename is done when its call is over


class TestLocalStoreWithoutUnnamedFiles(StoreConformance):
    """As on file systems that know no O_TMPFILE."""

    asks = False

    @pytest.fixture(autouse=True)
    def _no_unnamed_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Unsupported:
            def __init__(self, folder: int, views: object) -> None:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        monkeypatch.setattr(local, "UnnamedDraft", Unsupported)

    def test_a_named_draft_that_fails_leaves_nothing(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = bench.open()
        store.check()

        def broken(file: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fdatasync", broken)
        with pytest.raises(RunFailed, match="Input/output error"):
            store.put_if_absent(KEY, [b"x"], 1)
        store.close()

        assert [path for path in (tmp_path / "lake").rglob("*") if path.is_file()] == []


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_the_bytes_are_on_the_disk_before_they_have_a_name_and_the_name_before_the_call_returns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bench.open()
    store.check()
    store.put_if_absent("shop/orders/445/CDC1.csv", [b"x"], 1)  # the folders are known from here on
    steps: list[str] = []
    for name in ("writev", "fdatasync", "link", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, _n=name, _r=real, **k: (steps.append(_n), _r(*a, **k))[1])

    store.put_if_absent("shop/orders/445/CDC2.csv", [b"x"], 1)

    assert steps == ["writev", "fdatasync", "link", "fsync"]


def test_new_folders_are_made_durable_behind_the_bytes_and_before_the_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wait for the disk serves the bytes and the folders; no name can survive without its folder."""
    store = bench.open()
    store.check()
    steps: list[str] = []
    for name in ("mkdir", "fdatasync", "link", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, _n=name, _r=real, **k: (steps.append(_n), _r(*a, **k))[1])

    store.put_if_absent("shop/orders/445/CDC1.csv", [b"x"], 1)

    assert steps == ["mkdir"] * 3 + ["fdatasync"] + ["fsync"] * 3 + ["link", "fsync"]


def test_a_new_folder_is_durable_in_each_folder_above_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bench.open()
    store.check()
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), real(fd))[1])

    store.put_if_absent("shop/orders/445/CDC1.csv", [b"x"], 1)

    root = Path(store.display.removeprefix("file://"))
    above = {path.stat().st_ino for path in (root, root / "shop", root / "shop/orders", root / "shop/orders/445")}
    assert set(synced) == above


def test_a_known_folder_costs_no_look(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bench.open()
    store.check()
    store.put_if_absent("shop/orders/445/CDC1.csv", [b"x"], 1)

    def unwanted(*args: object, **kwargs: object) -> None:
        raise AssertionError("a known folder is neither made nor examined")

    monkeypatch.setattr(os, "mkdir", unwanted)
    monkeypatch.setattr(os, "stat", unwanted)
    store.put_if_absent("shop/orders/445/CDC2.csv", [b"x"], 1)


def test_partial_writes_and_many_buffers_are_written_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, views: real(fd, [views[0][:3]]))
    monkeypatch.setattr(local_file, "BUFFERS_PER_WRITE", 2)
    store = bench.open()
    store.check()
    parts = [b"abcdefgh", b"i", b"jklmnopqrst", b"uv"]

    store.put_if_absent(KEY, parts, 22)

    assert store.get(KEY) == b"abcdefghijklmnopqrstuv"


def test_a_full_disk_that_is_freed_lets_the_write_through(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bench.open()
    store.check()
    real, failures = os.writev, [errno.ENOSPC, errno.EDQUOT, errno.ENOSPC]

    def full(fd: int, views: list[memoryview]) -> int:
        if failures:
            raise OSError(failures.pop(), "full")
        return real(fd, views)

    monkeypatch.setattr(os, "writev", full)
    store.put_if_absent(KEY, [b"x"], 1)

    assert store.get(KEY) == b"x"
    assert bench.meter.operations == ["put", "put", "put"]


def test_a_disk_that_stays_full_fails_with_operation_key_and_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = bench.open()
    store.check()

    def full(fd: int, views: list[memoryview]) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(RunFailed, match=r"put of 'shop/orders/.*failed \d+ times in 8\d\d s: No space left") as caught:
        store.put_if_absent(KEY, [b"x"], 1)

    assert caught.value.code == "store.gave_up"
    assert caught.value.hint is not None
    assert "free some space" in caught.value.hint
    assert files(tmp_path / "lake") == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EIO])
def test_what_does_not_pass_fails_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    store = bench.open()
    store.check()

    def refused(fd: int, views: list[memoryview]) -> int:
        raise OSError(code, "refused")

    monkeypatch.setattr(os, "writev", refused)
    with pytest.raises(RunFailed, match=os.strerror(code)):
        store.put_if_absent(KEY, [b"x"], 1)

    assert bench.meter.operations == []


def test_a_folder_that_cannot_be_synced_does_not_make_the_retry_meet_its_own_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bench.open()
    store.check()
    store.put_if_absent("shop/CDC1.csv", [b"x"], 1)
    real, failures = os.fsync, [errno.ENOSPC]

    def once_full(fd: int) -> None:
        if failures:
            raise OSError(failures.pop(), "full")
        real(fd)

    monkeypatch.setattr(os, "fsync", once_full)
    store.put_if_absent("shop/CDC2.csv", [b"y"], 1)

    assert store.get("shop/CDC2.csv") == b"y"
    assert bench.meter.operations == ["sync"]


def test_a_root_that_is_removed_under_the_store_is_an_error(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    store.check()
    (tmp_path / "lake").rmdir()

    with pytest.raises(RunFailed, match="No such file or directory"):
        store.put_if_absent(KEY, [b"x"], 1)

    assert bench.meter.operations == []


def test_a_folder_that_was_pruned_is_made_again(bench: Bench) -> None:
    store = bench.open()
    store.check()
    store.put_if_absent("shop/orders/445/2024-05-16/CDC1.csv", [b"x"], 1)
    other = bench.open()
    other.delete(["shop/orders/445/2024-05-16/CDC1.csv"])

    store.put_if_absent("shop/orders/445/2024-05-16/CDC1.csv", [b"y"], 1)

    assert store.get("shop/orders/445/2024-05-16/CDC1.csv") == b"y"


def test_a_folder_that_is_pruned_under_a_write_is_made_again_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cleanup = bench.open(), bench.open()
    store.check()
    store.put_if_absent("shop/CDC1.csv", [b"x"], 1)
    real, old = local.UnnamedDraft, ["shop/CDC1.csv"]

    def pruned_meanwhile(folder: int, views: list[memoryview]) -> object:
        if old:
            cleanup.delete([old.pop()])
        return real(folder, views)

    monkeypatch.setattr(local, "UnnamedDraft", pruned_meanwhile)
    store.put_if_absent("shop/CDC2.csv", [b"y"], 1)

    assert store.get("shop/CDC2.csv") == b"y"


def test_a_folder_is_made_though_those_above_it_are_pruned_level_by_level_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The worst that a cleanup of the last old day can do to a flush that makes the new day's folder."""
    store = bench.open()
    store.check()
    (tmp_path / "lake/shop/orders/445").mkdir(parents=True)
    real, chain = os.mkdir, ["shop/orders/445", "shop/orders", "shop"]

    def pruned_meanwhile(level: str, *, dir_fd: int) -> None:
        try:
            real(level, dir_fd=dir_fd)
        finally:
            if chain:
                (tmp_path / "lake" / chain.pop(0)).rmdir()

    monkeypatch.setattr(os, "mkdir", pruned_meanwhile)
    store.put_if_absent("shop/orders/445/2024-05-17/CDC1.csv", [b"x"], 1)

    assert chain == []
    assert store.get("shop/orders/445/2024-05-17/CDC1.csv") == b"x"


def test_flushes_and_cleanups_of_neighbouring_days_never_fail_each_other(bench: Bench) -> None:
    """Each old day is the only one of its version: its folder goes, all the way up, while the new day's is made."""
    store = bench.open()
    store.check()
    old, new = ("shop/t{}/1/2024-05-16/CDC1.csv".format, "shop/t{}/1/2024-05-17/CDC1.csv".format)
    for turn in range(60):
        store.put_if_absent(old(turn), [b"x"], 1)
    together = threading.Barrier(2)

    def clean() -> None:
        together.wait()
        for turn in range(60):
            store.delete([old(turn)])

    def flush() -> None:
        together.wait()
        for turn in range(60):
            store.put_if_absent(new(turn), [b"y"], 1)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(clean), pool.submit(flush)]:
            done.result()
    assert [info.key for info in store.list("")] == sorted(new(turn) for turn in range(60))


def test_empty_folders_are_pruned_where_that_is_wanted_and_nowhere_else(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    store.check()
    store.put_if_absent("shop/full/445/old/CDC1.csv", [b"x"], 1)
    for empty in ("shop/a/445/old/meta", "shop/b/445/new/meta", "shop/full/445/old/meta"):
        (tmp_path / "lake" / empty).mkdir(parents=True)
    (tmp_path / "lake/shop/link").symlink_to(tmp_path)

    store.prune(lambda folder: "old" in folder)

    assert files(tmp_path / "lake") == ["shop/full/445/old/CDC1.csv"]
    assert {path.name for path in (tmp_path / "lake/shop").iterdir()} == {"b", "full", "link"}
    assert not (tmp_path / "lake/shop/full/445/old/meta").exists()


def test_deleting_removes_folders_that_become_empty_and_no_others(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    store.check()
    store.put_if_absent("shop/orders/445/2024-05-16/CDC1.csv", [b"x"], 1)
    store.put_if_absent("shop/orders/meta/schema_445_0000000001.json", [b"{}"], 2)

    store.delete(["shop/orders/445/2024-05-16/CDC1.csv"])
    assert sorted(path.name for path in (tmp_path / "lake/shop/orders").iterdir()) == ["meta"]
    store.delete(["shop/orders/meta/schema_445_0000000001.json"])
    assert list((tmp_path / "lake").iterdir()) == []


def test_a_planted_link_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    store.check()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "lake/shop").symlink_to(outside)
    (tmp_path / "lake/metadata").symlink_to(outside / "secret")

    for refused in (
        lambda: store.put_if_absent("shop/orders/CDC1.csv", [b"x"], 1),
        lambda: store.replace("shop/CDC.index", b"x", None),
        lambda: store.get("metadata"),
        lambda: store.get("shop/secret"),
        lambda: store.head("metadata"),
        lambda: store.delete(["shop/secret"]),
    ):
        with pytest.raises(RunFailed, match="links are not followed"):
            refused()

    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert list(store.list("")) == []


def test_a_planted_pipe_does_not_hang_a_reader(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    store.check()
    os.mkfifo(tmp_path / "lake/metadata")

    with pytest.raises(RunFailed, match="not a plain file"):
        store.get("metadata")


def test_temporary_files_of_a_dead_process_are_swept(bench: Bench, tmp_path: Path) -> None:
    hidden = tmp_path / "lake" / local.HIDDEN
    hidden.mkdir(parents=True)
    (hidden / "999-dead-0").write_text("half")
    store = bench.open()

    assert list(store.list("")) == []
    with pytest.raises(RunFailed, match="the store's own"):
        store.get(f"{local.HIDDEN}/999-dead-0")
    store.sweep()

    assert list((tmp_path / "lake").iterdir()) == []


def test_nothing_but_objects_stays_when_it_is_closed(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    store.check()
    store.replace("metadata", b"{}", None)
    store.close()

    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["metadata"]


def test_a_store_that_became_read_only_is_closed_all_the_same(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What failed was told when it failed; the folder that cannot be removed is no second error of the run."""
    store = bench.open()
    store.check()
    store.replace("metadata", b"{}", None)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    def read_only(directory: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(store._tree, "prune", read_only)
    store.close()
    assert "'.afterbay'" in caplog.text
    assert len(list(Path("/proc/self/fd").iterdir())) < descriptors, "what it held is given back"


def test_files_get_the_rights_that_the_umask_leaves(bench: Bench, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        store = bench.open()
        store.check()
        store.put_if_absent("a.csv", [b"x"], 1)
        store.replace("b.csv", b"x", None)
    finally:
        os.umask(before)

    assert {stat.S_IMODE((tmp_path / "lake" / name).stat().st_mode) for name in ("a.csv", "b.csv")} == {0o640}


def test_checking_makes_the_root_and_opening_does_not(bench: Bench, tmp_path: Path) -> None:
    store = bench.open()
    assert not (tmp_path / "lake").exists()
    with pytest.raises(EnvironmentRefused, match="cannot be opened"):
        store.head(KEY)

    store.check()
    assert (tmp_path / "lake").is_dir()
    store.close()


def test_a_root_that_is_a_file_is_refused_with_the_reason(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")

    with pytest.raises(EnvironmentRefused, match=r"cannot be (written|opened)"):
        bench.open().check()


def test_a_root_that_cannot_be_written_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(fd: int, views: list[memoryview]) -> int:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "writev", refused)
    with pytest.raises(EnvironmentRefused, match="Read-only file system") as caught:
        bench.open().check()

    assert caught.value.hint == "the file system is mounted read-only"


DYING = """
import os, signal, sys
from afterbay.clock import SystemClock
from afterbay_nodes.storage import local
from afterbay_nodes.storage.open import open_store

root, step, method, named = sys.argv[1:]
store = open_store(root, clock=SystemClock(), meter=None)
store.check()
store.put_if_absent("shop/first.csv", [b"x"], 1)
if named == "named":
    store._unnamed = False
setattr(os, step, lambda *args, **more: os.kill(os.getpid(), signal.SIGKILL))
if method == "replace":
    store.replace("shop/first.csv", b"replaced", None)
else:
    store.put_if_absent("shop/new.csv", [b"complete"], 8)
"""


@pytest.mark.parametrize(
    ("method", "step", "named"),
    [
        ("put_if_absent", "fdatasync", "unnamed"),
        ("put_if_absent", "link", "unnamed"),
        ("put_if_absent", "fsync", "unnamed"),
        ("put_if_absent", "link", "named"),
        ("put_if_absent", "unlink", "named"),
        ("replace", "rename", "named"),
        ("replace", "fsync", "named"),
    ],
)
def test_a_process_killed_at_any_step_leaves_an_object_complete_or_absent_and_nothing_else(
    bench: Bench, tmp_path: Path, method: str, step: str, named: str
) -> None:
    dead = subprocess.run([sys.executable, "-c", DYING, bench.uri, step, method, named])
    assert dead.returncode == -signal.SIGKILL

    store = bench.open()
    store.sweep()

    found = {path: (tmp_path / "lake" / path).read_bytes() for path in files(tmp_path / "lake")}
    assert found.pop("shop/first.csv") in ((b"x", b"replaced") if method == "replace" else (b"x",))
    assert found in ({}, {"shop/new.csv": b"complete"})


def test_no_descriptor_is_left_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bench.open()
    store.check()
    before = len(list(Path("/proc/self/fd").iterdir()))

    store.put_if_absent(KEY, [b"x"], 1)
    store.replace("metadata", b"x", None)
    list(store.list(""))
    list(store.open_read(KEY))
    with pytest.raises(NotFound):
        store.get("no/such/key")
    with pytest.raises(RunFailed):
        store.put_if_absent(KEY, [b"x"], 1)
    store.delete([KEY])

    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("root", "hint"),
    [
        ("a_file", "a_file is no folder; move it away, or correct the uri"),
        ("a_file/sub/deeper", "a_file is no folder; move it away, or correct the uri"),
        ("dangling", "dangling is no folder; move it away, or correct the uri"),
        ("/proc/nope", "nothing can be made in /proc; choose another folder"),
    ],
)
def test_a_root_that_cannot_be_made_says_what_is_in_its_way(root: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    store = Bench(str(tmp_path / root)).open()
    with pytest.raises(EnvironmentRefused) as refused:
        store.check()
    assert refused.value.code == "store.unwritable"
    assert (refused.value.hint or "").endswith(hint)
