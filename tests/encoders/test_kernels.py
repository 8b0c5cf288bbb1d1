"""The kernels below the encoders: floats in bulk, texts beyond 32-bit offsets, and what is kept per table."""

from __future__ import annotations

import struct
from dataclasses import asdict

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterbay.messages import ChangeBatch
from afterbay.schema import Column
from afterbay_nodes.encoders import intake, joining, stored_values
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.float_text import go_text, in_short_range, plain_text
from afterbay_nodes.per_schema import PerSchema
from tests.support.batches import NOW_MS, batch, encode, table
from tests.support.reference_canal import CanalOptions, canal_bytes
from tests.support.reference_csv import CsvOptions, csv_bytes
from tests.support.reference_debezium import DebeziumOptions, debezium_bytes
from tests.support.reference_floats import go_v, plain
from tests.support.reference_refusal import assert_same
from tests.support.strategies import change_batches

_ANY_BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])
_SINGLE_BITS = st.integers(0, 2**32 - 1).map(lambda bits: struct.unpack("f", struct.pack("I", bits))[0])
_READABLE = st.decimals(min_value=-(10**18), max_value=10**18, places=4).map(float)


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(_ANY_BITS | _READABLE, min_size=1, max_size=40))
def test_doubles_have_the_shortest_digits_in_both_forms(numbers: list[float]) -> None:
    column = pa.array(numbers, pa.float64())
    assert go_text(column).to_pylist() == [go_v(number, single=False) for number in numbers]
    assert plain_text(column).to_pylist() == [plain(number, single=False) for number in numbers]


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(_SINGLE_BITS, min_size=1, max_size=40))
def test_floats_have_the_shortest_digits_of_32_bits(numbers: list[float]) -> None:
    column = pa.array(numbers, pa.float32())
    assert go_text(column).to_pylist() == [go_v(number, single=True) for number in numbers]
    assert plain_text(column).to_pylist() == [plain(number, single=True) for number in numbers]


def test_every_power_of_ten_and_its_neighbours() -> None:
    powers = [float(f"1e{power}") for power in range(-324, 309)]
    numbers = [power * by for power in powers for by in (1, -1, 1.5, 1 - 2**-53, 1 + 2**-52)]
    column = pa.array(numbers, pa.float64())
    assert go_text(column).to_pylist() == [go_v(number, single=False) for number in numbers]
    assert plain_text(column).to_pylist() == [plain(number, single=False) for number in numbers]


def test_the_short_range_ends_where_go_turns_to_an_exponent() -> None:
    inside = [0.0, -0.0, 1e-4, 999999.9999999999, -1e-4, None]
    assert in_short_range(pa.array(inside, pa.float64()))
    for outside in (9.999999999999999e-05, 1e6, -1e6, float("nan"), float("inf")):
        assert not in_short_range(pa.array([*inside, outside], pa.float64()))
    assert in_short_range(pa.array([1e-4, None], pa.float32()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=change_batches(), old=st.booleans(), quote=st.sampled_from(['"', "'", ""]))
def test_texts_with_64_bit_offsets_give_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, changes: ChangeBatch, old: bool, quote: str
) -> None:
    monkeypatch.setattr(intake, "NARROW_BYTES", 0)
    csv = CsvOptions(quote=quote, output_old_value=old, null="\\N" if old else "")
    assert_same(EncodeCsv(**asdict(csv)), changes, lambda: csv_bytes(changes, csv))
    mode = "debezium" if old else "string"
    debezium = DebeziumOptions(temporal_mode=mode, decimal_mode="precise" if old else "string")
    node = EncodeDebeziumJson.model_validate(asdict(debezium))
    assert_same(node, changes, lambda: debezium_bytes(changes, debezium, NOW_MS))
    canal = CanalOptions(only_output_updated_columns=old, delete_only_output_handle_key_columns=not old)
    assert encode(EncodeCanalJson(**asdict(canal)), changes) == canal_bytes(changes, canal, NOW_MS)


def test_a_result_that_could_pass_32_bit_offsets_gets_64_bit_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [b"a", pa.array([b"b", b"c"])]
    assert joining.joined(pieces, 2).type == pa.binary()
    monkeypatch.setattr(joining, "_NARROW_LIMIT", 3)
    wide = joining.joined(pieces, 2)
    assert wide.type == pa.large_binary()
    assert joining.body_of(wide).to_pybytes() == b"abac"


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.none() | st.binary(max_size=9), max_size=8), cut=st.integers(0, 8))
def test_bytes_as_text_from_any_slice(values: list[bytes | None], cut: int) -> None:
    for type_ in (pa.binary(), pa.large_binary()):
        column = pa.array(values, type_).slice(cut)
        kept = values[cut:]
        assert stored_values.hex_text(column).to_pylist() == [v if v is None else v.hex() for v in kept]
        assert stored_values.latin1_text(column).to_pylist() == [v if v is None else v.decode("latin-1") for v in kept]


def test_long_columns_of_bytes_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_values, "_LATIN1_BLOCK", 4)
    values = [bytes([200 + index]) * index for index in range(9)]
    assert stored_values.latin1_text(pa.array(values)).to_pylist() == [value.decode("latin-1") for value in values]


def test_the_body_is_the_joined_column_itself() -> None:
    lines = joining.joined([pa.array([b"one", b"two", b"three"])], 3)
    body = joining.body_of(lines.slice(1))
    assert body.to_pybytes() == b"twothree"
    assert body.address == lines.buffers()[2].address + 3


def test_a_wide_batch_takes_many_blocks_of_the_writer() -> None:
    schema = table(*(Column(f"c{index}", "int") for index in range(3)))
    rows = [(index, index + 1, None) for index in range(20_000)]
    body = encode(EncodeCsv(terminator="\n"), batch(schema, rows))
    assert body.splitlines() == [b'"I","table1","test",%d,%d,\\N' % row[:2] for row in rows]


def test_what_is_kept_per_table_is_bounded_and_made_once() -> None:
    made: list[int] = []
    kept = PerSchema(lambda schema: made.append(schema.version) or schema.version, limit=2)  # type: ignore[func-returns-value]
    schemas = [table(Column("id", "int"), version=version) for version in (1, 2, 3)]
    assert [kept[schema] for schema in (schemas[0], schemas[0], schemas[1], schemas[2])] == [1, 1, 2, 3]
    assert made == [1, 2, 3]
    assert len(kept) == 2
    assert kept[schemas[0]] == 1  # it went first, so it is made anew
    assert made == [1, 2, 3, 1]


def test_equal_schemas_are_told_apart_by_object_so_that_nothing_is_hashed() -> None:
    class Unhashable(int):
        def __hash__(self) -> int:
            raise AssertionError("a look-up hashed a column")

    schema = table(Column("id", "int", length=Unhashable(4)))
    kept = PerSchema(lambda found: found.version)
    assert kept[schema] == kept[schema] == 1
