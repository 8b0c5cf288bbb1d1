"""The change-log reader: files of almost right lines, plain or packed, damaged or not.

Lines that are right come through in their order whatever stands between them, if bad lines are put aside.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from afterbay_nodes.zstd_module import zstd_module
from tests.fuzz.damage import Edit, edited, edits
from tests.fuzz.target import Target, refusal
from tests.support.canal import ddl, ids, row, watermark
from tests.support.change_logs import CREATE, play, stamps

GOOD = "good"
LONGEST = 100_000
LINES = [
    row("t", 10, {"id": "1", "v": "x"}, old={"id": "1", "v": "y"}),
    row("t", 10, {"id": "2", "v": None}, types={"id": "bigint", "v": "enum('a','b')"}, table_id=7, partition=9),
    ddl(10, CREATE, tables=[ids("t", 7, 8, 9, columns=["id", "v"])]),
    ddl(10, "ALTER TABLE t ADD COLUMN w DECIMAL(10, 2) DEFAULT '1.5', RENAME TO u"),
    watermark(10),
]
# No line of these is a message, whatever edits do to it: what stands beside it must come through.
JUNK = [b"\xff", b"", b"{", b"[" * 5000, b'{"a":' * 5000, b"9" * 5000, b"x" * (LONGEST + 1), b"null", b'"\\ud800"']

Piece = tuple[str, Any]


def pieces() -> st.SearchStrategy[list[Piece]]:
    junk = st.sampled_from(JUNK).map(lambda line: ("junk", line))
    almost = st.tuples(st.sampled_from(LINES), edits(3)).map(lambda of: ("almost", edited(*of)))
    return st.lists(st.just((GOOD, None)) | junk | almost, max_size=8)


PACKED = {"plain": bytes, "gzip": gzip.compress, "zstd": lambda data: bytes(zstd_module().compress(data))}

Example = tuple[list[Piece], str, list[Edit], bool]
EXAMPLES = st.tuples(pieces(), st.sampled_from(sorted(PACKED)), st.just([]) | edits(2), st.booleans())


def check(example: Example) -> str:
    found, packing, packed_edits, rejecting = example
    lines, wanted = [], []
    for number, (kind, line) in enumerate(found, 1):
        if kind == GOOD:
            wanted.append((1000 + number, 0))
            line = row("good", 1000 + number, {"id": str(number), "v": "x"})
        lines.append(line.replace(b"\n", b" "))
    data = PACKED[packing](b"".join(line + b"\n" for line in lines))
    # Only a packed file is damaged as a whole: its checksums tell. Of a plain one nobody could say what is right.
    damaged = packing != "plain" and edited(data, packed_edits) != data
    almost = any(kind == "almost" for kind, _ in found)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.write_bytes(edited(data, packed_edits) if damaged else data)
        options = {"on_bad_line": "reject", "rejects": str(Path(folder) / "rejects")} if rejecting else {}
        told: list[Any] = []
        code = refusal(lambda: told.append(play(log, longest_line=LONGEST, **options)))
        if code is not None:
            assert damaged or almost or (not rejecting and any(kind == "junk" for kind, _ in found)), code
            assert _resembles(code), code
            return code
    if not damaged and not almost:
        assert stamps(told[0]) == wanted
    return "right"


def _resembles(code: str) -> bool:
    """A code of this reader, of what it reads with, or of a DDL that cannot be applied."""
    return code.partition(".")[0] in ("change_log", "ddl", "source")


TARGET = Target(EXAMPLES, check)
