"""The messages of pgoutput, as PostgreSQL 18.4 sent them, and as no server should."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres.lsn import lsn_number, lsn_text
from afterbay_nodes.sources.postgres.pgoutput import (
    Begin,
    Commit,
    Message,
    Origin,
    PgMessage,
    Relation,
    RelationColumn,
    RowMessage,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    Type,
    parse,
)

COMMIT_MS = 1_795_595_517_835  # 2026-11-25 08:31:57 UTC
TABLE = (
    RelationColumn("id", 23, -1, True),
    RelationColumn("m", 16_386, -1, False),
    RelationColumn("v", 1043, 14, False),
    RelationColumn("big", 25, -1, False),
)
# In every version. (The row that was inserted had 3 000 bytes more.)
PLAIN: dict[str, PgMessage] = {
    "42 0000000001af9148 000304146dc85a56 000002f2": Begin(0x1AF9148, COMMIT_MS, 754),
    "43 00 0000000001af9148 0000000001af92f0 000304146dc85a56": Commit(0x1AF9148, 0x1AF92F0, COMMIT_MS),
    "59 00004002 7075626c696300 6d6f6f6400": Type(16_386, "public", "mood"),
    "52 00004007 7075626c696300 7400 64 0004 01 696400 00000017ffffffff 00 6d00 00004002ffffffff"
    "00 7600 000004130000000e 00 62696700 00000019ffffffff": Relation(16_391, "public", "t", "d", TABLE),
    "52 0000400f 7075626c696300 7500 64 0001 00 6100 00000017ffffffff": Relation(
        16_399, "public", "u", "d", (RelationColumn("a", 23, -1, False),)
    ),
    "49 00004007 4e 0004 7400000001317400000003736164 740000000178 6e": RowMessage(ord("I"), 16_391),
    "55 00004007 4b 0004 74000000013 16e6e6e 4e 0004 7400000001326e74000000017a75": RowMessage(ord("U"), 16_391),
    "44 00004007 4b 0004 740000000132 6e6e6e": RowMessage(ord("D"), 16_391),
    "4d 01 0000000001af8358 61667465726261792e7465737400 00000003 68c3a9": Message(
        True, 0x1AF8358, "afterbay.test", "hé".encode()
    ),
    "4d 00 0000000001af9328 6e6f7700 00000001 78": Message(False, 0x1AF9328, "now", b"x"),
    "54 00000002 03 00004007 0000400f": Truncate((16_391, 16_399), True, True),
}
# From version 2 on, inside and around streamed blocks; the abort with a position from version 4 in parallel. The last
# four are put together from PLAIN.
STREAMED: dict[str, PgMessage] = {
    "53 000002f4 01": StreamStart(756, True),
    "53 000002f4 00": StreamStart(756, False),
    "45": StreamStop(),
    "49 000002f4 0000400f 4e 0001 740000000131": RowMessage(ord("I"), 16_399, 756),
    "55 000002f4 0000400f 4f 0001 740000000131 4e 0001 740000000137": RowMessage(ord("U"), 16_399, 756),
    "41 000002f4 000002f5": StreamAbort(756, 757),
    "41 000002f4 000002f5 0000000001b37ff0 000304146dc86558": StreamAbort(756, 757, 0x1B37FF0, COMMIT_MS + 3),
    "63 000002f4 00 0000000001b38098 0000000001b380c8 000304146dc866ca": StreamCommit(
        756, 0x1B38098, 0x1B380C8, COMMIT_MS + 4
    ),
    "59 000002f4 00004002 7075626c696300 6d6f6f6400": Type(16_386, "public", "mood", 756),
    "52 000002f4 0000400f 7075626c696300 7500 66 0001 01 6100 00000017ffffffff": Relation(
        16_399, "public", "u", "f", (RelationColumn("a", 23, -1, True),), 756
    ),
    "54 000002f4 00000001 00 0000400f": Truncate((16_399,), False, False, 756),
    "4d 000002f4 01 0000000001af8358 6100 00000001 78": Message(True, 0x1AF8358, "a", b"x", 756),
}
ALL = [*((text, False) for text in PLAIN), *((text, True) for text in STREAMED)]


@pytest.mark.parametrize("text", PLAIN)
def test_messages_as_the_server_sends_them(text: str) -> None:
    assert parse(bytes.fromhex(text.replace(" ", "")), 0) == PLAIN[text]


@pytest.mark.parametrize("text", STREAMED)
def test_messages_of_streamed_transactions(text: str) -> None:
    assert parse(bytes.fromhex(text), 0, streamed=True) == STREAMED[text]


def test_an_origin() -> None:
    assert parse(b"O" + (7).to_bytes(8, "big") + b"far\0", 0) == Origin(7, "far")


def test_types_and_tables_without_a_schema_are_the_catalogs_own() -> None:
    assert parse(b"Y\0\0\0\x17\0int4\0", 0) == Type(23, "pg_catalog", "int4")


@pytest.mark.parametrize(("text", "streamed"), ALL)
def test_a_message_that_ends_early_or_late_is_refused(text: str, streamed: bool) -> None:
    whole = bytes.fromhex(text.replace(" ", ""))
    if whole[:1] in (b"I", b"U", b"D"):
        whole = whole[: 9 if streamed else 5]  # of a row, only the head is read here
    else:
        with pytest.raises(RunFailed, match=r"1 bytes are left over|too early|has 5 bytes for them|has 9 bytes"):
            parse(whole + b"!", 0x16_B374D848, streamed=streamed)
    for cut in range(len(whole)):
        if whole[:1] == b"A" and cut == 9:
            continue  # an abort as the versions before 4 have it
        with pytest.raises(RunFailed) as raised:
            parse(whole[:cut], 0x16_B374D848, streamed=streamed)
        assert raised.value.code == "postgres.protocol"
        assert str(raised.value.place) == "at 16/B374D848"


@pytest.mark.parametrize("kind", "bPKrp")
def test_prepared_transactions_are_refused_with_the_way_out(kind: str) -> None:
    with pytest.raises(RunFailed, match="without two_phase") as raised:
        parse(kind.encode() + bytes(40), 0)
    assert raised.value.code == "postgres.two_phase"


WRONG = {
    "no message of kind '\\\\xff'": b"\xff",
    "no replica identity 'x'": b"R\0\0\0\1\0t\0x\0\0",
    "a name is not UTF-8": b"Y\0\0\0\1\0\xff\0",
    "a name does not end": b"Y\0\0\0\1abc",
    "a column has the flags 2": b"R\0\0\0\1\0t\0d\0\1\2a\0" + bytes(8),
    "two columns of a relation have one name": b"R\0\0\0\1\0t\0d\0\2" + 2 * (b"\0a\0" + bytes(8)),
    "the flags of a commit are 1": b"C\1" + bytes(24),
    "a flag is 2": b"M\2" + bytes(20),
    "a truncate has the options 4": b"T\0\0\0\0\4",
    "a truncate of 4294967295 relations has 4 bytes for them": b"T\xff\xff\xff\xff\0" + bytes(4),
    "it ends at byte 18, 4294967292 too early": b"M\0" + bytes(8) + b"\0\xff\xff\xff\xffabc"[:8],
}


@pytest.mark.parametrize("why", WRONG)
def test_messages_that_the_protocol_does_not_have_are_refused(why: str) -> None:
    with pytest.raises(RunFailed, match=why):
        parse(WRONG[why], 0)


@settings(deadline=None)
@given(st.sampled_from(ALL), st.data())
def test_garbled_messages_are_refused_or_read(message: tuple[str, bool], data: st.DataObject) -> None:
    garbled = bytearray(bytes.fromhex(message[0].replace(" ", "")))
    for _ in range(data.draw(st.integers(1, 4))):
        garbled[data.draw(st.integers(0, len(garbled) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RunFailed):
        parse(bytes(garbled), 0, streamed=message[1])


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_positions_are_written_and_read(lsn: int) -> None:
    assert lsn_number(lsn_text(lsn)) == lsn


@pytest.mark.parametrize("text", ["", "1", "1/", "1/2/3", "123456789/0", "g/0", "0/١"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no position"):
        lsn_number(text)
