"""Assembling a Parquet file: bounded row groups, bounded memory, and a file that is given up leaves no trace."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afterbay.errors import RunFailed
from afterbay.messages import EncodedBatch
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.encoders.parquet_file import ParquetAssembler
from afterbay_nodes.sinks.scratch import Scratch, ScratchFile
from tests.support.batches import batch, operator, table
from tests.support.spool import ON_DISK, opened

NOTES = table(Column("id", "int"), Column("note", "text"))


def made(rows: int, start: int = 0) -> EncodedBatch:
    changes = batch(NOTES, [(start + row, f"note {start + row} " * 10) for row in range(rows)])
    encoded = operator(EncodeParquet()).process(changes)
    assert isinstance(encoded, EncodedBatch)
    return encoded


def assembler(encoded: EncodedBatch, gathers: int) -> ParquetAssembler:
    found = encoded.head.format.assembler
    assert isinstance(found, ParquetAssembler)
    return replace(found, gathers=gathers)


def group_sizes(file: ScratchFile) -> list[int]:
    """Rows by row group."""
    (data,) = file.parts()
    metadata = pq.ParquetFile(pa.BufferReader(pa.py_buffer(data))).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def test_row_groups_hold_as_many_payloads_as_fit(tmp_path: Path) -> None:
    batches = [made(10, 10 * number) for number in range(10)]
    limit = 3 * batches[0].nbytes + batches[0].nbytes // 2
    with Scratch(tmp_path).create() as file:
        assembler(batches[0], limit).assemble((item.body for item in batches), file)
        assert group_sizes(file) == [30, 30, 30, 10]


def test_a_payload_larger_than_a_row_group_is_cut_into_even_ones(tmp_path: Path) -> None:
    encoded = made(1000)
    with Scratch(tmp_path).create() as file:
        assembler(encoded, encoded.nbytes // 4 + 1).assemble([encoded.body], file)
        assert group_sizes(file) == [250] * 4


class Tracked(bytearray):
    """Bytes whose end can be seen."""


def test_no_more_payloads_are_held_than_the_assembler_says(tmp_path: Path) -> None:
    """One payload is asked for at a time, and what is written is let go (I8)."""
    made_so_far: list[weakref.ref[Tracked]] = []
    first = made(10)
    most = 0

    def payloads() -> Iterator[list[memoryview]]:
        nonlocal most
        for number in range(40):
            one = Tracked(made(10, 10 * number).body[0].to_pybytes())
            made_so_far.append(weakref.ref(one))
            alive = [item for item in (kept() for kept in made_so_far) if item is not None]
            most = max(most, sum(map(len, alive)))
            del alive
            yield [memoryview(one)]
            del one

    one_size = first.nbytes + 64  # later rows have longer numbers
    with Scratch(tmp_path).create() as file:
        assembler(first, 4 * one_size).assemble(payloads(), file)
        assert sum(group_sizes(file)) == 400
    assert most <= 4 * one_size + one_size
    assert most >= 4 * first.nbytes, "it did gather"


def test_a_payload_that_lies_in_pieces_is_whole(tmp_path: Path) -> None:
    encoded = made(10)
    data = encoded.body[0]
    with Scratch(tmp_path).create() as file:
        assembler(encoded, 1 << 20).assemble([[data.slice(0, 100), memoryview(data)[100:]]], file)
        assert group_sizes(file) == [10]


def test_a_payload_that_was_spilled_is_read_as_it_was(tmp_path: Path) -> None:
    """From a segment a payload comes at any offset of its buffer."""
    with opened(tmp_path / "spool", ON_DISK) as bench:
        batches = [made(20, 20 * number) for number in range(3)]
        entries = [bench.spool.put(item) for item in batches]
        with Scratch(tmp_path / "scratch").create() as file:
            assembler(batches[0], 1 << 20).assemble((entry.read() for entry in entries), file)
            (data,) = file.parts()
            assert pq.read_table(pa.BufferReader(pa.py_buffer(data))).column("id").to_pylist() == list(range(60))


class Gone(Exception):
    """The payload cannot be read."""


def test_a_payload_that_cannot_be_read_ends_the_assembly_with_its_own_error(tmp_path: Path) -> None:
    encoded = made(10)

    def payloads() -> Iterator[tuple[pa.Buffer, ...]]:
        yield encoded.body
        raise Gone

    with Scratch(tmp_path).create() as file, pytest.raises(Gone):
        assembler(encoded, 1).assemble(payloads(), file)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_assembly_with_the_folder_named(tmp_path: Path) -> None:
    encoded = made(10)
    with (
        ScratchFile(Path("/dev/full").open("wb", buffering=0), tmp_path) as file,
        pytest.raises(RunFailed, match="No space left on device") as caught,
    ):
        assembler(encoded, 1 << 20).assemble([encoded.body], file)
    assert caught.value.code == "cloud_storage.scratch"
    assert str(tmp_path) in str(caught.value)
