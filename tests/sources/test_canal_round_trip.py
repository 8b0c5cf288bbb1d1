"""What encode_canal_json writes, change_log reads, and what it read is written again: the same bytes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.batches import batch, encode, table
from tests.support.golden_values import GOLDEN
from tests.support.outlet import record
from tests.support.reference_canal import CanalOptions
from tests.support.strategies import change_batches

# Without the extension a log has no commit-ts, and a delete of its key alone has no row: neither can be read.
OPTIONS = st.builds(
    CanalOptions,
    terminator=st.sampled_from(["\r\n", "\n"]),
    content_compatible=st.booleans(),
    only_output_updated_columns=st.booleans(),
)


def read_back(body: bytes, folder: Path) -> list[ChangeBatch]:
    log = folder / "log.jsonl"
    log.write_bytes(body)
    return record(ChangeLog(path=str(log), output_raw_change_event=True)).batches


def has_stored_key(changes: ChangeBatch) -> bool:
    """A key column that rows do not carry is in `pkNames`, but no row can tell its type."""
    return not any(column.primary_key and column.virtual for column in changes.schema.columns)


@settings(max_examples=120, deadline=None)
@given(changes=change_batches().filter(has_stored_key), options=OPTIONS)
def test_any_rows_are_read_and_written_again_as_they_were(changes: ChangeBatch, options: CanalOptions) -> None:
    node = EncodeCanalJson(**asdict(options))
    body = encode(node, changes)
    with TemporaryDirectory() as folder:
        found = read_back(body, Path(folder))
    assert b"".join(encode(node, batch) for batch in found) == body
    rows = pa.Table.from_batches([batch.rows for batch in found])
    # Compared by value: a NaN is itself, and 0.0 is not -0.0.
    assert str(rows.to_pylist()) == str(changes.rows.to_pylist())


@pytest.mark.parametrize("full", [False, True])
def test_every_type_at_its_edges(tmp_path: Path, full: bool) -> None:
    node = EncodeCanalJson(content_compatible=full)
    columns = [Column(f"c{number}", **_plain(golden.column)) for number, golden in enumerate(GOLDEN)]
    row = [golden.value for golden in GOLDEN]
    schema = table(*columns)
    nulls = [None] * len(row)
    changes = batch(
        schema,
        [row, nulls, row, row],
        ops=[Op.INSERT, Op.UPDATE, Op.UPDATE, Op.DELETE],
        before=[None, row, nulls, None],
    )
    body = encode(node, changes)
    found = read_back(body, tmp_path)
    assert b"".join(encode(node, batch) for batch in found) == body
    stored = found[0].schema
    assert [(c.name, c.type, c.unsigned) for c in stored.columns] == [(c.name, c.type, c.unsigned) for c in columns]
    if full:
        assert [(c.elements, c.scale) for c in stored.columns] == [(c.elements, c.scale) for c in columns]


def _plain(column: Column) -> dict[str, object]:
    return {name: value for name, value in asdict(column).items() if name != "name"}
