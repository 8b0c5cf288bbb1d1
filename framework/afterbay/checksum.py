"""CRC-32 (IEEE), the one checksum of spool entries and data files.

Every byte is summed once, where it is made. ISA-L does it at the speed of memory (about 14 times zlib's), and its
wheels cover the common processors; elsewhere zlib gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

try:
    from isal.isal_zlib import crc32 as _crc32
except ImportError:  # no wheel for this processor
    from zlib import crc32 as _crc32

crc32: Callable[[Buffer, int], int] = _crc32
"""crc32(data, before): the CRC-32 of what `before` sums (0: nothing) followed by `data`."""
