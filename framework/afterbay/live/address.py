"""Where the socket is, however long the path is: a socket's name has room for about a hundred bytes.

A path that is longer is reached through the open folder itself, which Linux lists under `/proc/self/fd`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afterbay.live.protocol import SOCKET_FILE

MOST_BYTES = 107 if sys.platform == "linux" else 103


@contextmanager
def address(directory: Path) -> Iterator[str]:
    """A name of the socket in `directory`, to bind or connect to within the block. Raises OSError."""
    path = str(directory / SOCKET_FILE)
    if len(os.fsencode(path)) <= MOST_BYTES:
        yield path
        return
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_FILE}"
    finally:
        os.close(folder)
