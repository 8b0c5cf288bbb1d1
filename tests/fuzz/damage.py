"""Bytes that are almost right: good ones with some edits."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

MARKS = [b"", b"\0", b"\n", b"\r\n", b'"', b"\\", b",", b"{", b"}", b"[" * 2000, b'{"a":' * 2000, b"\xff", b"\xe2\x80"]
NUMBERS = [b"0", b"-1", b"9" * 25, b"9" * 5000, b"1e999999", b"NaN", b"4294967296", b"18446744073709551616"]
CONTROLS = [b"\x1b[2J", "\u202e".encode(), "\u2028".encode(), b"../../x", b"x" * 70_000]
INSERTED = st.sampled_from([*MARKS, *NUMBERS, *CONTROLS]) | st.binary(max_size=6)

Edit = tuple[str, float, int, bytes]


def edits(most: int = 4) -> st.SearchStrategy[list[Edit]]:
    """Up to `most` edits: what, where (as a part of the whole), how many bytes, which instead."""
    kinds = st.sampled_from(["put", "cut", "replace", "flip", "double"])
    return st.lists(st.tuples(kinds, st.floats(0, 1), st.integers(0, 40), INSERTED), max_size=most)


def edited(data: bytes, changes: Sequence[Edit]) -> bytes:
    """`data` after the edits, one after the other."""
    for kind, part, size, new in changes:
        at = int(part * len(data))
        match kind:
            case "put":
                data = data[:at] + new + data[at:]
            case "cut":
                data = data[:at] + data[at + size + 1 :]
            case "replace":
                data = data[:at] + new + data[at + len(new) :]
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << size % 8]) + data[at + 1 :]
            case "double":
                data = data[: at + size] + data[at:]
    return data
