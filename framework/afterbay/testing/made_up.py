"""Made-up tables: inserts, updates and deletes in transactions, NULLs, empty and awkward text, a DDL in between."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from afterbay.messages import ChangeBatch, DdlKind, Op, SchemaChange, TableChange
from afterbay.schema import Column, TableName, TableSchema

FIRST = 461_168_601_842_738_790
"""A commit-ts of today's size: too large for a double."""

TEXTS = ("", "plain", 'a "quote", a comma', "two\nlines", "\\N", "ünïcode ☃", None)
KEY = Column("id", "bigint", nullable=False, primary_key=True)
COLUMNS = (
    KEY,
    Column("note", "varchar", length=40),
    Column("amount", "decimal", length=10, scale=2),
    Column("flag", "tinyint", unsigned=True),
    Column("raw", "varbinary", length=16),
)
ROWS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """What is sent before the promise of `commit_ts`: a DDL, or one transaction's batches."""

    commit_ts: int
    ddl: SchemaChange | None
    batches: tuple[ChangeBatch, ...]


def table(name: str, version: int, *more: Column) -> TableSchema:
    """A made-up table of the schema `made_up`."""
    return TableSchema(TableName("made_up", name), version, (*COLUMNS, *more))


def steps(transactions: int, partition: str = "source") -> list[Step]:
    """Two tables made, `transactions` of both, and in the middle of them a column more for one of the tables."""
    found: list[Step] = []
    schemas = {name: table(name, FIRST + number) for number, name in enumerate(("orders", "notes"))}
    for name, schema in schemas.items():
        found.append(_ddl(partition, DdlKind.CREATE_TABLE, f"CREATE TABLE `{name}` (…)", None, schema))
    commit_ts = FIRST + len(schemas)
    for number in range(transactions):
        if number == transactions // 2:
            old = schemas["notes"]
            schemas["notes"] = table("notes", commit_ts, Column("extra", "int"))
            query = "ALTER TABLE `notes` ADD COLUMN `extra` INT"
            found.append(_ddl(partition, DdlKind.ADD_COLUMN, query, old, schemas["notes"]))
            commit_ts += 1
        batches = tuple(_batch(partition, schema, commit_ts, number) for schema in schemas.values())
        found.append(Step(commit_ts, None, batches))
        commit_ts += 1 + number % 3
    return found


def made_up(transactions: int = 12) -> list[ChangeBatch]:
    """The batches of `transactions` transactions, joined three by three where the schema stays: for transforms."""
    whole: list[ChangeBatch] = []
    for step in steps(transactions):
        for batch in step.batches:
            alike = [at for at, it in enumerate(whole) if it.schema == batch.schema]
            if alike and whole[alike[-1]].num_rows < 3 * ROWS:
                whole[alike[-1]] = _joined(whole[alike[-1]], batch)
            else:
                whole.append(batch)
    return whole


def _ddl(partition: str, kind: DdlKind, query: str, old: TableSchema | None, new: TableSchema) -> Step:
    name = str(new.name)
    change = TableChange(None if old is None else name, old, name, new, query)
    return Step(new.version, SchemaChange(partition, new.version, kind, query, (change,), new.name.schema), ())


def _batch(partition: str, schema: TableSchema, commit_ts: int, number: int) -> ChangeBatch:
    """An insert, an update with its before-image, a delete, and another insert."""
    ids = [number * ROWS + at for at in range(ROWS)]
    images = [_image(schema, key, number) for key in ids]
    ops = [Op.INSERT, Op.UPDATE, Op.DELETE, Op.INSERT]
    olds = [_image(schema, key, number + 1) if op == Op.UPDATE else None for key, op in zip(ids, ops, strict=True)]
    return ChangeBatch.of(
        partition=partition,
        dispatcher=str(schema.name),
        schema=schema,
        rows=pa.RecordBatch.from_pylist(images, schema=schema.arrow_schema),
        ops=pa.array([int(op) for op in ops], pa.uint8()),
        commit_ts=pa.array([commit_ts] * ROWS, pa.uint64()),
        ordinals=pa.array(range(ROWS), pa.uint32()),
        before=pa.RecordBatch.from_pylist([old or {} for old in olds], schema=schema.arrow_schema),
    )


def _image(schema: TableSchema, key: int, number: int) -> dict[str, object]:
    image: dict[str, object] = {
        "id": key - 5,
        "note": TEXTS[(key + number) % len(TEXTS)],
        "amount": None if key % 5 == 0 else f"-{key}.{number % 100:02d}",
        "flag": key % 256,
        "raw": bytes([0, 10, 255, key % 256]) if key % 3 else None,
    }
    return {**image, "extra": number} if len(schema.columns) > len(COLUMNS) else image


def _joined(one: ChangeBatch, other: ChangeBatch) -> ChangeBatch:
    assert one.before is not None
    assert other.before is not None

    def rows(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
        return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    return ChangeBatch.of(
        partition=one.partition,
        dispatcher=one.dispatcher,
        schema=one.schema,
        rows=rows([one.rows, other.rows]),
        ops=pa.concat_arrays([one.ops, other.ops]),
        commit_ts=pa.concat_arrays([one.commit_ts, other.commit_ts]),
        ordinals=pa.concat_arrays([one.ordinals, other.ordinals]),
        before=rows([one.before, other.before]),
    )
