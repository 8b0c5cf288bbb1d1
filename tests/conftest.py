"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

WITHOUT_PANDAS = Path(__file__).with_name("support") / "without_pandas"


def pytest_configure(config: pytest.Config) -> None:
    """Processes that tests start find no pandas: pyarrow would load it in each, which takes longer than most run.

    The tests' own process has it, for those that read a store with it.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses"):
        os.environ["PYTHONPATH"] = str(WITHOUT_PANDAS)
