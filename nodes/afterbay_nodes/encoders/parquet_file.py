"""A Parquet file from the payloads of a flush: each is one Arrow IPC message, a record batch without its schema.

Row groups are bounded in bytes, and so is what an assembly holds: the batches of one group as they came, and the pages
that the writer makes of them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

if TYPE_CHECKING:
    import pyarrow.parquet as pq

Compression = Literal["zstd", "snappy", "lz4", "gzip", "none"]

ROW_GROUP = 16 << 20


def message_of(batch: pa.RecordBatch) -> pa.Buffer:
    """`batch` as a payload. Its schema is the assembler's: a spool entry lives no longer than its format does."""
    return batch.serialize()


@dataclass(frozen=True, slots=True)
class ParquetAssembler:
    """See `afterbay.messages.Assembler`. `gathers` is a row group's size in bytes of Arrow columns."""

    schema: pa.Schema
    compression: Compression
    gathers: int = ROW_GROUP

    def assemble(self, payloads: Iterable[Sequence[pa.Buffer | memoryview]], file: io.RawIOBase) -> None:
        """See `afterbay.messages.Assembler.assemble`."""
        import pyarrow.parquet as pq  # a pipeline that is only checked does not load it

        writer = pq.ParquetWriter(file, self.schema, compression=self.compression, write_page_checksum=True)
        gathered: list[pa.RecordBatch] = []
        nbytes = 0
        try:
            for payload in payloads:
                buffer = _joined(payload)
                if gathered and nbytes + buffer.size > self.gathers:
                    self._write(writer, gathered, nbytes)
                    nbytes = 0
                gathered.append(pa.ipc.read_record_batch(buffer, self.schema))
                nbytes += buffer.size
            if gathered:
                self._write(writer, gathered, nbytes)
            writer.close()
        except BaseException:
            writer.is_open = False  # else its end would write a footer into a file that is given up
            raise

    def _write(self, writer: pq.ParquetWriter, gathered: list[pa.RecordBatch], nbytes: int) -> None:
        """Writes what was gathered, and lets it go. A single batch may be larger than a row group: it is cut evenly."""
        table = pa.Table.from_batches(gathered)
        gathered.clear()
        groups = -(-nbytes // self.gathers)
        writer.write_table(table, row_group_size=max(1, -(-table.num_rows // groups)))


def _joined(payload: Sequence[pa.Buffer | memoryview]) -> pa.Buffer:
    """The payload in one piece, as the encoder made it: without a copy, however it lay in the spool."""
    if len(payload) == 1:
        return pa.py_buffer(payload[0])
    return pa.py_buffer(b"".join(payload))
