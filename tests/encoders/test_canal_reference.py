"""The canal-json encoder gives the bytes that the protocol's rules give, and they are JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.messages import ChangeBatch
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from tests.support.batches import NOW_MS, encode
from tests.support.reference_canal import CanalOptions, canal_bytes
from tests.support.strategies import change_batches

OPTIONS = st.builds(
    CanalOptions,
    terminator=st.sampled_from(["\r\n", "\n"]),
    enable_tidb_extension=st.booleans(),
    content_compatible=st.booleans(),
    only_output_updated_columns=st.booleans(),
    delete_only_output_handle_key_columns=st.booleans(),
)


@settings(max_examples=120, deadline=None)
@given(changes=change_batches(), options=OPTIONS)
def test_any_options_give_the_bytes_of_the_rules(changes: ChangeBatch, options: CanalOptions) -> None:
    assert encode(EncodeCanalJson(**asdict(options)), changes) == canal_bytes(changes, options, NOW_MS)


@settings(max_examples=40, deadline=None)
@given(changes=change_batches())
def test_every_line_is_one_json_object_that_ends_the_line(changes: ChangeBatch) -> None:
    body = encode(EncodeCanalJson(terminator="\n"), changes)
    lines = body.split(b"\n")
    assert lines.pop() == b""
    parsed = [json.loads(line) for line in lines]
    assert [row["_tidb"]["commitTs"] for row in parsed] == changes.commit_ts.to_pylist()
    names = [column.name for column in changes.schema.stored_columns]
    assert all(list(row["data"][0]) == names for row in parsed)
