"""The Debezium encoder gives the bytes that the rules give, or refuses what has no form; and its lines are JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.messages import ChangeBatch
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from tests.support.batches import NOW_MS, encode
from tests.support.reference_debezium import DebeziumOptions, debezium_bytes
from tests.support.reference_refusal import assert_same
from tests.support.strategies import change_batches, texts

OPTIONS = st.builds(
    DebeziumOptions,
    terminator=st.sampled_from(["\r\n", "\n"]),
    envelope=st.sampled_from(["bare", "payload"]),
    source_name=texts(),
    output_old_value=st.booleans(),
    decimal_mode=st.sampled_from(["string", "precise"]),
    temporal_mode=st.sampled_from(["string", "debezium"]),
    time_zone=st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata"]),
)


@settings(max_examples=200, deadline=None)
@given(changes=change_batches(), options=OPTIONS)
def test_any_options_give_the_bytes_of_the_rules(changes: ChangeBatch, options: DebeziumOptions) -> None:
    node = EncodeDebeziumJson.model_validate(asdict(options))
    assert_same(node, changes, lambda: debezium_bytes(changes, options, NOW_MS))


@settings(max_examples=40, deadline=None)
@given(changes=change_batches())
def test_every_line_is_one_json_object_that_ends_the_line(changes: ChangeBatch) -> None:
    lines = encode(EncodeDebeziumJson(terminator="\n"), changes).split(b"\n")
    assert lines.pop() == b""
    events = [json.loads(line) for line in lines]
    names = [column.name for column in changes.schema.stored_columns]
    for event, commit_ts, ordinal in zip(
        events, changes.commit_ts.to_pylist(), changes.ordinals.to_pylist(), strict=True
    ):
        assert (event["source"]["commit_ts"], event["source"]["ordinal"]) == (commit_ts, ordinal)
        assert [member for member in ("before", "after") if event[member] is not None] == {
            "c": ["after"],
            "u": ["before", "after"],
            "d": ["before"],
        }[event["op"]]
        assert all(list(event[member]) == names for member in ("before", "after") if event[member] is not None)
