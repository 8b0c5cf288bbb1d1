"""The protocol reader: a store of every format with some of its bytes, names and objects changed.

A store that is as it was is read as it was. One that is not gives findings, or errors of its files by name; where a
file carries checksums, what is read of it is right.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from afterbay.messages import Op
from afterbay.node import Transform
from afterbay.schema import Column
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.verify.verifier import verify
from tests.fuzz.damage import Edit, edited, edits
from tests.fuzz.target import Target, refusal
from tests.support.batches import batch, table
from tests.support.buckets import memory, schema_file
from tests.support.decoded import file_of, got

PETS = table(
    Column("id", "int", nullable=False, primary_key=True),
    Column("price", "decimal", length=10, scale=2),
    Column("born", "datetime", scale=3),
    Column("kind", "enum", elements=("cat", "mouse")),
    Column("note", "varchar", length=20),
    Column("raw", "blob"),
    Column("bits", "bit", length=9),
    name="zoo.pets",
    version=7,
)
ROWS = [
    (number, "-0.05", "2026-01-02 03:04:05.678", number % 3, f'a "{number}"\r\n', bytes([number, 0, 255]), number)
    for number in range(12)
]
CHANGES = batch(
    PETS,
    ROWS,
    ops=[Op.INSERT, Op.UPDATE, Op.DELETE] * 4,
    before=[None, ROWS[0], None] * 4,
    commit_ts=[449_000_000_000_000_000 + number for number in range(12)],
)
FORMATS: dict[str, tuple[str, Transform[Any, Any]]] = {
    "csv": ("csv", EncodeCsv(include_commit_ts=True, output_old_value=True)),
    "canal-json": ("json", EncodeCanalJson()),
    "debezium-json": ("json", EncodeDebeziumJson()),
    "parquet": ("parquet", EncodeParquet(output_old_value=True)),
    "avro": ("avro", EncodeAvro(output_old_value=True, codec="zstandard")),
}
CHECKED = frozenset({"parquet"})
"""Formats whose files carry checksums of what is in them."""


@cache
def store(format_: str) -> dict[str, bytes]:
    extension, node = FORMATS[format_]
    name = f"CDC00000000000000000001.{extension}"
    return schema_file("zoo.pets", 7, "CREATE TABLE pets", 3, columns=PETS.columns) | {
        f"zoo/pets/7/2026-01-02/{name}": file_of(node, CHANGES),
        "zoo/pets/7/2026-01-02/meta/CDC.index": f"{name}\n".encode(),
        "metadata": b'{"checkpoint-ts":449000000000000099}',
    }


NAMES = [
    "{}/x",
    "x{}",
    "{}/meta/CDC.index",
    "{}.json",
    "../{}",
    "zoo/pets/7/2026-01-02/CDC{}.csv",
    "{}/7/CDC000001.csv",
]
NEW_NAMES = st.tuples(st.sampled_from(NAMES), st.sampled_from(["9" * 19, "9" * 21, "9" * 5000, "\x1b[2J", "zoo", "7"]))
CHANGE = (
    st.tuples(st.just("bytes"), st.integers(0, 3), edits(3))
    | st.tuples(st.just("gone"), st.integers(0, 3), st.none())
    | st.tuples(st.just("name"), st.integers(0, 3), NEW_NAMES.map(lambda of: of[0].format(of[1])))
    | st.tuples(st.just("copy"), st.integers(0, 3), NEW_NAMES.map(lambda of: of[0].format(of[1])))
)
Example = tuple[str, list[tuple[str, int, list[Edit] | str | None]]]
EXAMPLES = st.tuples(st.sampled_from(sorted(FORMATS)), st.lists(CHANGE, max_size=3))


def check(example: Example) -> str:
    format_, changes = example
    whole = store(format_)
    changed = dict(whole)
    for kind, number, what in changes:
        key = sorted(whole)[number]
        match kind, what:
            case "bytes", list():
                changed[key] = edited(changed.get(key, b""), what)
            case "gone", None:
                changed.pop(key, None)
            case "name", str():
                changed[what] = changed.pop(key, b"")
            case "copy", str():
                changed[what] = changed.get(key, b"")
    outcome = _read(changed, format_, same=changed == whole)
    # `verify` reads the same with its own rules: whatever is wrong is a finding of its report.
    told = refusal(lambda: verify(Bucket(memory(changed)), Decoders()))
    return outcome if told is None else told


def _read(changed: dict[str, bytes], format_: str, *, same: bool) -> str:
    bucket = Bucket(memory(changed))
    snapshots: list[Any] = []
    if (code := refusal(lambda: snapshots.append(bucket.snapshot()))) is not None:
        return code
    snapshot = snapshots[0]
    if same:
        assert not snapshot.findings
    outcome = "findings" if snapshot.findings else "right"
    for step in snapshot.steps:
        if not isinstance(step, FileStep) or step.schema is None:
            continue
        rows: list[Any] = []
        code = refusal(
            lambda step=step, rows=rows: rows.extend(
                got(Decoders().rows(bucket.load(step), step.extension, step.schema, step.key), step.schema)
            )
        )
        assert not (same and code), code
        if code is not None:
            outcome = code
        elif same or (format_ in CHECKED and step.schema == _schema(format_) and rows):
            assert rows == _rows(format_)
    return outcome


@cache
def _schema(format_: str) -> Any:
    return Bucket(memory(store(format_))).snapshot().steps[0].schema


@cache
def _rows(format_: str) -> list[Any]:
    bucket = Bucket(memory(store(format_)))
    (step,) = (step for step in bucket.snapshot().steps if isinstance(step, FileStep))
    return got(Decoders().rows(bucket.load(step), step.extension, step.schema, step.key), step.schema)


TARGET = Target(EXAMPLES, check)
