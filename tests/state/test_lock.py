"""One run at a time: the refusal names the holder, and a killed holder holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from afterbay.clock import SystemClock
from afterbay.errors import EnvironmentRefused
from afterbay.state.lock import DirectoryLock, lock_state

HOLD = """
import sys
from pathlib import Path
from afterbay.clock import SystemClock
from afterbay.state.lock import DirectoryLock
lock = DirectoryLock.acquire(Path(sys.argv[1]), SystemClock())
print("held", flush=True)
sys.stdin.read()
"""


def test_the_refusal_names_the_holder_and_sigkill_frees_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(EnvironmentRefused, match=rf"state\.locked.*process {child.pid} on ") as caught:
            DirectoryLock.acquire(tmp_path, SystemClock())
        assert os.uname().nodename in str(caught.value)
        assert caught.value.exit_code == 3
        found = lock_state(tmp_path)
        assert found.locked
        assert found.holder is not None
        assert found.holder.pid == child.pid
        child.kill()
        child.wait()
    assert not lock_state(tmp_path).locked
    DirectoryLock.acquire(tmp_path, SystemClock()).release()


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    lock = DirectoryLock.acquire(tmp_path, SystemClock())
    with pytest.raises(EnvironmentRefused, match=rf"process {os.getpid()} on "):
        DirectoryLock.acquire(tmp_path, SystemClock())
    lock.release()
    lock.release()
    DirectoryLock.acquire(tmp_path, SystemClock()).release()


def test_someone_who_asks_is_not_taken_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `status` holds a shared lock for an instant: a run that starts in it tries again."""
    import fcntl

    (tmp_path / "lock").touch()
    asking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    # The starting run gives way between its tries; the asker is done by then.
    monkeypatch.setattr(os, "sched_yield", lambda: fcntl.flock(asking, fcntl.LOCK_UN))
    DirectoryLock.acquire(tmp_path, SystemClock()).release()
    os.close(asking)


@pytest.mark.parametrize("words", [b"", b"{", b"[]", b'{"pid": "many"}', b"\xff"])
def test_a_lock_file_without_a_name_still_locks(tmp_path: Path, words: bytes) -> None:
    lock = DirectoryLock.acquire(tmp_path, SystemClock())
    (tmp_path / "lock").write_bytes(words)
    with pytest.raises(EnvironmentRefused, match="another process"):
        DirectoryLock.acquire(tmp_path, SystemClock())
    assert lock_state(tmp_path).locked
    assert lock_state(tmp_path).holder is None
    lock.release()


def test_a_folder_without_a_lock_file_is_not_locked(tmp_path: Path) -> None:
    assert not lock_state(tmp_path).locked
    assert not (tmp_path / "lock").exists()


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A child made during a run has the same open file: closing ours alone would leave the directory locked."""
    lock = DirectoryLock.acquire(tmp_path, SystemClock())
    assert lock._descriptor is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock._descriptor]):
        lock.release()
        DirectoryLock.acquire(tmp_path, SystemClock()).release()
