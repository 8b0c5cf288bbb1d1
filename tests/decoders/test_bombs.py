"""Files of strangers that are small, and would be large when unpacked: refused, or read in bounded pieces."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.schema import Column
from afterbay_nodes.decoders import avro_blocks, parquet_pages
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.thrift_compact import read_struct
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.support.batches import batch, table
from tests.support.decoded import file_of, got, wanted

NOTES = table(Column("id", "int", primary_key=True), Column("note", "longtext"))
LONG = "x" * (1 << 20)
SMALL = batch(NOTES, [(1, "one"), (2, None), (3, "three" * 100)])

_POOLS: list[pa.MemoryPool] = []
"""They live as long as the process: what was allocated from one asks for it when it is freed."""


@contextmanager
def arrow_memory() -> Iterator[pa.MemoryPool]:
    """A pool of Arrow's that knows its own peak."""
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    _POOLS.append(pool)
    pa.set_memory_pool(pool)
    try:
        yield pool
    finally:
        pa.set_memory_pool(before)


def refused(name: str, data: bytes) -> RunFailed:
    with pytest.raises(RunFailed) as caught:
        list(Decoders().rows(pa.py_buffer(data), name, NOTES, "a/CDC7"))
    return caught.value


def dictionary_bomb(rows: int) -> bytes:
    """A file of some kilobytes in which each row has the same text of a MiB."""
    plain = pq.read_table(io.BytesIO(file_of(EncodeParquet(), batch(NOTES, [(row, LONG) for row in range(rows)]))))
    file = io.BytesIO()
    pq.write_table(plain, file, compression="zstd", write_page_checksum=True, dictionary_pagesize_limit=4 << 20)
    return file.getvalue()


def test_a_long_text_that_many_rows_share_is_written_out_in_pieces() -> None:
    data = dictionary_bomb(100)
    assert len(data) < 10_000
    with arrow_memory() as pool:
        rows = 0
        for chunk in Decoders().rows(pa.py_buffer(data), "parquet", NOTES, "a/CDC7"):
            rows += chunk.num_rows
            assert chunk.rows.column("note").to_pylist() == [LONG] * chunk.num_rows
        assert rows == 100
        assert pool.max_memory() < 48 << 20, "100 MiB at once would be the dictionary written out"


def test_a_row_group_that_is_too_large_unpacked_is_refused_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(EncodeParquet(compression="zstd"), batch(NOTES, [(1, LONG), (2, LONG[:-1])]))
    assert len(list(Decoders().rows(pa.py_buffer(data), "parquet", NOTES, "k"))) >= 1
    monkeypatch.setattr(parquet_pages, "LARGEST_GROUP", 1 << 20)
    with arrow_memory() as pool:
        error = refused("parquet", data)
        assert pool.max_memory() < 1 << 20
    assert error.code == "parquet.large"
    assert "more than 1048576 bytes when unpacked" in str(error)


def test_pages_are_as_large_as_the_footer_says() -> None:
    for compression in ("none", "zstd", "gzip"):
        data = file_of(EncodeParquet(compression=compression), SMALL)
        footer = pq.ParquetFile(io.BytesIO(data)).metadata
        (found,) = parquet_pages.unpacked_groups(pa.py_buffer(data))
        # The footer's sums have the pages' heads as well.
        assert footer.row_group(0).total_byte_size * 0.3 < found <= footer.row_group(0).total_byte_size


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_that_are_no_thrift_are_refused(data: bytes, at: int) -> None:
    try:
        _, end = read_struct(memoryview(data), at)
    except ValueError:
        return
    assert at < end <= len(data)


@pytest.mark.parametrize("data", [b"\x1c" * 100 + b"\0" * 100, b"\x19" + b"\x19" * 100, b"\x19\xf5" + b"\xff" * 9])
def test_thrift_that_is_deep_or_lies_about_a_length_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|cut off|does not end"):
        read_struct(memoryview(data), 0)


@pytest.mark.parametrize("codec", ["deflate", "zstandard"])
def test_an_avro_block_that_is_too_large_unpacked_is_refused(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(EncodeAvro(codec=codec), batch(NOTES, [(1, LONG), (2, LONG)]))
    assert sum(chunk.num_rows for chunk in Decoders().rows(pa.py_buffer(data), "avro", NOTES, "k")) == 2
    monkeypatch.setattr(avro_blocks, "LARGEST_BLOCK", (2 << 20) - 1)
    error = refused("avro", data)
    assert error.code == "avro.large"
    assert "block 1 has more than 2097151 bytes" in str(error)


@pytest.mark.parametrize("codec", ["bzip2", "xz"])
def test_avro_blocks_of_other_writers_codecs_are_measured_too(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = fastavro.reader(io.BytesIO(file_of(EncodeAvro(codec="none"), SMALL)))
    file = io.BytesIO()
    fastavro.writer(file, plain.writer_schema, list(plain), codec=codec)
    assert got(Decoders().rows(pa.py_buffer(file.getvalue()), "avro", NOTES, "k"), NOTES) == wanted(
        SMALL, before=False, commit_ts=True
    )
    monkeypatch.setattr(avro_blocks, "LARGEST_BLOCK", 100)
    monkeypatch.setattr(avro_blocks, "MOST_TIMES", 0)
    assert refused("avro", file.getvalue()).code == "avro.large"


def test_an_avro_codec_that_cannot_be_measured_is_refused() -> None:
    data = file_of(EncodeAvro(codec="none"), SMALL)
    assert refused("avro", data.replace(b"avro.codec\x08null", b"avro.codec\x08lz4x")).code == "avro.codec"


@pytest.mark.parametrize("damage", [b"\xff" * 10, b"\x02\x01", b"\x02\x0a" + b"\xff" * 5 + b"\0" * 16])
def test_damaged_blocks_are_told_as_damage_by_who_reads_them(damage: bytes) -> None:
    data = file_of(EncodeAvro(codec="deflate"), SMALL)
    assert refused("avro", data + damage).code == "avro.damaged"


def test_a_block_of_two_streams_counts_both() -> None:
    module = avro_blocks.zstd_module()
    packed = memoryview(module.compress(b"x" * 1000) + module.compress(b"y" * 1000))
    assert avro_blocks._fits(packed, "zstandard", 2000)
    assert not avro_blocks._fits(packed, "zstandard", 1999)
    deflated = zlib.compressobj(wbits=-15)
    assert not avro_blocks._fits(memoryview(deflated.compress(b"x" * 1000) + deflated.flush()), "deflate", 999)
