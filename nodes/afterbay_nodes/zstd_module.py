"""Where Python's zstd is: its home depends on the version."""

from __future__ import annotations

import sys
from typing import Any


def zstd_module() -> Any:
    """The module, imported when it is asked for."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
