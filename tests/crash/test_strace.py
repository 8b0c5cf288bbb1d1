"""A machine without strace skips what needs it, by name; under CI, where everything must be there, that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.warm import WarmRuns


def test_an_absent_strace_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="strace is not there"):
        WarmRuns()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Debian's package strace"):
        WarmRuns()
