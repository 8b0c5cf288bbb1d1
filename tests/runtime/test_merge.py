"""A merge puts branches together in mint order, for each source partition, whatever comes first."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.clock import SystemClock
from afterbay.errors import Cancelled
from afterbay.messages import DdlKind, DrainMarker, DrainReason, SchemaChange
from afterbay.runtime.channel import UNBOUNDED, Channel, ChannelClosed
from afterbay.runtime.envelope import Envelope, watermark
from afterbay.runtime.ledger import Ledger
from afterbay.runtime.merge import MergeInbox


class Diamond:
    """`inputs` channels under one merge; `reach` says which inputs a partition's data can come over."""

    def __init__(self, inputs: int, reach: dict[str, list[int]]) -> None:
        condition = threading.Condition()
        clock = SystemClock()
        self.channels = [Channel(str(n), UNBOUNDED, clock, condition=condition) for n in range(inputs)]
        self.merge = MergeInbox(self.channels, reach, condition, clock)

    def read(self) -> list[Envelope]:
        out: list[Envelope] = []
        while True:
            try:
                got = self.merge.get_many(timeout=0.0)
            except ChannelClosed:
                return out
            if not got:
                return out
            out.extend(got)


def data(partition: str, sequence: int, final: bool = True) -> Envelope:
    # A requested marker of its own number stands for a batch: the merge looks at claims and numbers only.
    change = SchemaChange(partition, sequence, DdlKind.ADD_INDEX, f"row {sequence}")
    return Envelope(partition, sequence, change, final=final)


def marker(partition: str, sequence: int) -> Envelope:
    return Envelope(partition, sequence, DrainMarker(partition, sequence, sequence, DrainReason.REQUESTED))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("pq"), st.integers(0, 2)), max_size=25),
    st.randoms(use_true_random=False),
)
def test_every_interleaving_of_arrivals_gives_mint_order(events: list[tuple[str, int]], random) -> None:
    """Each event goes down one of three branches; the other two pass a watermark. Arrival order is random."""
    diamond = Diamond(3, {"p": [0, 1, 2], "q": [0, 1, 2]})
    numbers = {"p": 0, "q": 0}
    expected: dict[str, list[int]] = {"p": [], "q": []}
    feeds: list[list[Envelope]] = [[], [], []]
    for partition, branch in events:
        numbers[partition] += 1
        n = numbers[partition]
        expected[partition].append(n)
        for index, feed in enumerate(feeds):
            feed.append(data(partition, n) if index == branch else watermark(partition, n))
    got: list[Envelope] = []
    while any(feeds):
        index = random.choice([i for i, feed in enumerate(feeds) if feed])
        diamond.channels[index].put(feeds[index].pop(0))
        if random.random() < 0.5:
            got.extend(diamond.read())
    for channel in diamond.channels:
        channel.close()
    got.extend(diamond.read())
    for partition in "pq":
        seen = [e.sequence for e in got if e.partition == partition and isinstance(e.message, SchemaChange)]
        assert seen == expected[partition]


def test_an_input_that_is_behind_holds_the_others_back() -> None:
    diamond = Diamond(2, {"p": [0, 1]})
    diamond.channels[1].put(data("p", 2))
    assert diamond.read() == [], "sequence 1 may still come over the other input"
    diamond.channels[0].put(data("p", 1))
    assert [e.sequence for e in diamond.read()] == [1], "sequence 2 may still come over the first input, too"
    diamond.channels[0].put(watermark("p", 2))
    assert 2 in [e.sequence for e in diamond.read() if isinstance(e.message, SchemaChange)]


def test_several_outputs_of_one_message_stay_together() -> None:
    diamond = Diamond(2, {"p": [0, 1]})
    diamond.channels[1].put(data("p", 1))
    diamond.channels[0].put(data("p", 1, final=False))
    first = diamond.read()
    assert len(first) == 1, "the first input has more of sequence 1 to come"
    diamond.channels[0].put(watermark("p", 1))
    assert sum(isinstance(e.message, SchemaChange) for e in [*first, *diamond.read()]) == 1, "the equal DDL is one"


def test_a_marker_passes_once_and_only_when_it_is_in_on_every_input() -> None:
    diamond = Diamond(2, {"p": [0, 1]})
    diamond.channels[0].put(marker("p", 5))
    assert diamond.read() == []
    diamond.channels[1].put(data("p", 4))
    diamond.channels[1].put(marker("p", 5))
    out = diamond.read()
    assert [type(e.message) for e in out] == [SchemaChange, DrainMarker]


def test_an_ended_input_counts_as_arrived() -> None:
    diamond = Diamond(2, {"p": [0, 1]})
    diamond.channels[1].close()
    diamond.channels[0].put(marker("p", 5))
    assert [type(e.message) for e in diamond.read()] == [DrainMarker]


def test_a_source_is_not_held_up_by_an_input_that_it_does_not_reach() -> None:
    diamond = Diamond(2, {"p": [0], "q": [1]})
    diamond.channels[0].put(data("p", 7))
    assert [e.sequence for e in diamond.read()] == [7]


def test_the_same_ddl_over_two_branches_is_one_and_its_second_claim_is_settled() -> None:
    ledger = Ledger("p")
    one, two = ledger.mint(3, "t").split(2)
    change = SchemaChange("p", 3, DdlKind.ADD_INDEX, "create index")
    diamond = Diamond(2, {"p": [0, 1]})
    diamond.channels[0].put(Envelope("p", 1, change, one))
    diamond.channels[1].put(Envelope("p", 1, change, two))
    diamond.channels[0].put(watermark("p", 2))
    diamond.channels[1].put(watermark("p", 2))
    changes = [e for e in diamond.read() if isinstance(e.message, SchemaChange)]
    assert len(changes) == 1
    assert ledger.outstanding() == 1
    assert changes[0].token is not None
    changes[0].token.settle()


def test_cancel_ends_a_waiting_merge() -> None:
    diamond = Diamond(2, {"p": [0, 1]})
    diamond.channels[0].cancel()
    with pytest.raises(Cancelled):
        diamond.merge.get_many()
