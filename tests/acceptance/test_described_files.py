"""The demo bank as Parquet and as Avro: read with other people's libraries, the sum of all balances never changes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from afterbay import Pipeline
from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Transform
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.spool import Spool
from tests.acceptance.test_quickstart import OPENING_BALANCE, total_after_each_commit
from tests.reader.bucket import Form, read_bucket
from tests.reader.described_rows import AvroForm, ParquetForm
from tests.reader.paths import StoreShape

ROWS = 20_000
Encoder = Transform[ChangeBatch, EncodedBatch]


def run(folder: Path, encoder: Encoder) -> int:
    """Rows stored by a run in which most entries are spilled, and every table has several files."""
    pipeline = Pipeline("bank", state=folder / "state")
    pipeline.add("bank", Demo(rows=ROWS))
    pipeline.add("rows", encoder, inputs="bank", parallelism=2)
    pipeline.add("spool", Spool(disk_quota="4MiB", memory="64KiB", segment="256KiB"), inputs="rows")  # type: ignore[arg-type]
    lake = CloudStorage(uri=str(folder / "lake"), file_size="64KiB", date_separator="none")  # type: ignore[arg-type]
    pipeline.add("lake", lake, inputs="spool")
    return pipeline.run().rows_stored


@pytest.mark.parametrize(
    ("encoder", "extension", "form"), [(EncodeParquet(), "parquet", ParquetForm()), (EncodeAvro(), "avro", AvroForm())]
)
def test_the_books_balance_after_each_commit(tmp_path: Path, encoder: Encoder, extension: str, form: Form) -> None:
    stored = run(tmp_path, encoder)
    assert stored >= ROWS
    bucket = read_bucket(tmp_path / "lake", StoreShape(extension, date="none"), form)
    assert bucket.findings == ()
    assert bucket.unindexed == ()
    assert sum(len(bucket.rows(*table)) for table in bucket.tables) == stored
    assert len(set(total_after_each_commit(bucket))) == 1
    assert run(tmp_path, encoder) == 0, "a second run has nothing to do"


@pytest.mark.parametrize(
    ("encoder", "extension", "form"), [(EncodeParquet(), "parquet", ParquetForm()), (EncodeAvro(), "avro", AvroForm())]
)
def test_a_file_of_no_bytes_holds_no_rows_and_a_damaged_one_is_found(
    tmp_path: Path, encoder: Encoder, extension: str, form: Form
) -> None:
    run(tmp_path, encoder)
    first, second, *_ = sorted((tmp_path / "lake").rglob(f"CDC*.{extension}"))
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 0xFF
    first.write_bytes(b"")
    second.write_bytes(data)
    found = read_bucket(tmp_path / "lake", StoreShape(extension, date="none"), form).findings
    assert {finding.path for finding in found} == {second.relative_to(tmp_path / "lake").as_posix()}


def test_the_books_balance_in_pyarrow_alone(tmp_path: Path) -> None:
    """Every file of every table in the order of its name, the last row of each account counts."""
    run(tmp_path, EncodeParquet())
    balances: dict[str, dict[int, int]] = defaultdict(dict)
    for path in sorted((tmp_path / "lake").rglob("CDC*.parquet"), key=lambda path: (int(path.parent.name), path.name)):
        columns = pq.read_table(path, partitioning=None)
        if "balance" not in columns.column_names:
            continue
        accounts = balances[path.parent.parent.name]
        for op, account, balance in zip(
            *(columns.column(name).to_pylist() for name in ("_op", "id", "balance")), strict=True
        ):
            if op == "D":
                del accounts[account]
            else:
                accounts[account] = balance
    kept = [balance for accounts in balances.values() for balance in accounts.values()]
    assert sum(kept) == len(kept) * OPENING_BALANCE
