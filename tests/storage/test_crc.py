"""The CRC of a whole from the CRCs of its parts equals the CRC of the whole."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from afterbay_nodes.storage.crc import combine, combine_all, combine_by_matrix


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_cutting_gives_the_same_crc(parts: list[bytes]) -> None:
    assert combine_all((zlib.crc32(part), len(part)) for part in parts) == zlib.crc32(b"".join(parts))


def test_a_large_part() -> None:
    one, two = b"a" * 10, b"b" * 9_000_001
    for either in (combine, combine_by_matrix):
        assert either(zlib.crc32(one), zlib.crc32(two), len(two)) == zlib.crc32(one + two)
