"""The CSV encoder gives the bytes that the protocol's rules give, for every type and every option."""

from __future__ import annotations

import zlib
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.messages import ChangeBatch, Op
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from tests.support.batches import operator
from tests.support.reference_csv import CsvOptions, csv_bytes
from tests.support.reference_refusal import assert_same
from tests.support.strategies import change_batches

OPTIONS = st.builds(
    CsvOptions,
    delimiter=st.sampled_from([",", "\t", "!", "|+|", "||", "é", "│", "\x01"]),
    quote=st.sampled_from(['"', "'", "", "$"]),
    null=st.sampled_from(["\\N", "NULL", "", "\\"]),
    terminator=st.sampled_from(["\r\n", "\n", "\n\r\n", "~~", "\x00", "x\n"]),
    include_commit_ts=st.booleans(),
    binary_encoding_method=st.sampled_from(["base64", "hex"]),
    output_old_value=st.booleans(),
).filter(lambda options: options.quote != "" or options.null != "\\")  # refused: it would escape a delimiter
USUAL = st.builds(
    CsvOptions,
    delimiter=st.sampled_from([",", "\t"]),
    include_commit_ts=st.booleans(),
    binary_encoding_method=st.sampled_from(["base64", "hex"]),
    output_old_value=st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(changes=change_batches(), options=OPTIONS)
def test_any_options_give_the_bytes_of_the_rules(changes: ChangeBatch, options: CsvOptions) -> None:
    assert_same(EncodeCsv(**asdict(options)), changes, lambda: csv_bytes(changes, options))


@settings(max_examples=100, deadline=None)
@given(changes=change_batches(), options=USUAL)
def test_usual_options_give_the_bytes_of_the_rules(changes: ChangeBatch, options: CsvOptions) -> None:
    assert_same(EncodeCsv(**asdict(options)), changes, lambda: csv_bytes(changes, options))


@settings(max_examples=40, deadline=None)
@given(changes=change_batches())
def test_the_head_says_what_the_body_is(changes: ChangeBatch) -> None:
    made = operator(EncodeCsv()).process(changes)
    body = b"".join(buffer.to_pybytes() for buffer in made.body)
    ops = changes.ops.to_pylist()
    assert (made.head.size, made.head.crc, made.head.rows) == (len(body), zlib.crc32(body), len(ops))
    assert (made.head.inserts, made.head.updates, made.head.deletes) == tuple(ops.count(op) for op in Op)
    assert (made.head.first, made.head.last, made.head.open) == (changes.first, changes.last, changes.open)
    assert (made.head.partition, made.head.dispatcher) == (changes.partition, changes.dispatcher)
    assert made.head.schema is changes.schema
