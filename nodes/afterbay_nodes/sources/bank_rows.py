"""The rows of the `demo` bank, as Arrow columns. All tables of a chunk are computed at once, then sliced.

Vectors are table-major: with U lines in the chunk, element ``t * U + k`` is line k of table t. All arithmetic is on
uint64 and wraps; balances come out positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import TableSchema
from afterbay_nodes.sources.bank import OPENING_BALANCE, START_MS, TRANSACTIONS_PER_MS, Bank, commit_ts, mix

_WORD = 1 << 64
_NAMES = ("Ada", "Boris", "Chloé", "Dana", "Emre", "Fátima", "Goran", "Hana", "Ivo", "Jūlija", "Kofi", "Lin", "Mei")


def _u64(value: int) -> Any:
    return pa.scalar(value % _WORD, pa.uint64())


def _iota(count: int) -> Any:
    """0, 1, …, count - 1 as uint64."""
    return pc.subtract(pc.cumulative_sum(pa.repeat(_u64(1), count)), _u64(1))


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What every chunk of U lines has in common: table, line and slot of each element, transaction from the chunk's
    first, ordinal within it; and how a delete and an insert of each of U rows are interleaved.
    """

    table: Any
    line: Any
    slot: Any
    transaction: Any
    ordinal: Any
    updates: Any
    twice: Any
    interleave: Any
    move_ops: Any


class BankRows:
    """Makes the batches of one bank. Owns its cached columns; used by one thread."""

    def __init__(self, bank: Bank, partition: str) -> None:
        self._bank = bank
        self._partition = partition
        number = _iota(bank.accounts)
        names = pa.array(_NAMES)
        picked = names.take(pc.subtract(number, pc.multiply(pc.divide(number, _u64(len(_NAMES))), _u64(len(_NAMES)))))
        owners = pc.binary_join_element_wise(picked, pc.cast(number, pa.utf8()), " ")
        numbers = pc.cast(pc.add(number, _u64(1)), pa.int64())
        # Twice the accounts in a row: a rotation of up to A lines is then one slice.
        self._numbers = pa.concat_arrays([numbers, numbers])
        self._owners = pa.concat_arrays([owners, owners])
        self._pattern = lru_cache(maxsize=4)(self._make_pattern)
        self._shift = lru_cache(maxsize=8)(self._make_shift)

    def opening(self, schema: TableSchema, start: int, stop: int) -> ChangeBatch:
        """The accounts [start, stop) of one table, opened in transaction 0."""
        count = stop - start
        columns = [
            self._numbers.slice(start, count),
            self._owners.slice(start, count),
            pa.repeat(pa.scalar(OPENING_BALANCE, pa.int64()), count),
        ]
        return ChangeBatch.of(
            partition=self._partition,
            dispatcher=str(schema.name),
            schema=schema,
            rows=pa.RecordBatch.from_arrays(columns, schema=schema.arrow_schema),
            ops=pa.repeat(pa.scalar(Op.INSERT, pa.uint8()), count),
            commit_ts=pa.repeat(_u64(commit_ts(0)), count),
            ordinals=pc.cast(pc.add(_iota(count), _u64(start)), pa.uint32()),
            commit_ms=pa.repeat(pa.scalar(START_MS, pa.int64()), count),
            open=stop < self._bank.accounts,
        )

    def transfers(self, stride: int, strides: int, schemas: list[TableSchema]) -> list[ChangeBatch]:
        """The transfers of strides [stride, stride + strides), one batch a table. They lie within one round."""
        bank = self._bank
        round_, first_line = bank.place(stride)
        lines = strides * bank.lines_per_stride
        pattern = self._pattern(lines)
        before, after = self._balances(pattern, lines, round_, first_line)
        stamps, millis = self._times(pc.add(pattern.transaction, _u64(bank.first_transaction(stride))))
        moving = bank.moving_table(round_)
        offsets = bank.offsets[round_ % 2]
        out = []
        for table, schema in enumerate(schemas):
            at, start = table * lines, (first_line + offsets[table]) % bank.accounts
            numbers = self._numbers.slice(start, lines)
            if moved := bank.moves_before(table, round_):
                numbers = pc.add(numbers, pa.scalar(moved * bank.accounts, pa.int64()))
            owners = self._owners.slice(start, lines)
            image = self._image(schema, numbers, owners, before.slice(at, lines))
            if table == moving:
                renumbered = pc.add(numbers, pa.scalar(bank.accounts, pa.int64()))
                follow = self._image(schema, renumbered, owners, after.slice(at, lines))
                rows = pa.RecordBatch.from_arrays(
                    [
                        pa.concat_arrays([old, new]).take(pattern.interleave)
                        for old, new in zip(image.columns, follow.columns, strict=True)
                    ],
                    schema=schema.arrow_schema,
                )
                ordinals = pc.add(
                    pc.multiply(pattern.ordinal.slice(at, lines).take(pattern.twice), pa.scalar(2, pa.uint32())),
                    pc.cast(pc.bit_wise_and(_iota(2 * lines), _u64(1)), pa.uint32()),
                )
                out.append(
                    ChangeBatch.of(
                        partition=self._partition,
                        dispatcher=str(schema.name),
                        schema=schema,
                        rows=rows,
                        ops=pattern.move_ops,
                        commit_ts=stamps.slice(at, lines).take(pattern.twice),
                        ordinals=ordinals,
                        commit_ms=millis.slice(at, lines).take(pattern.twice),
                    )
                )
                continue
            out.append(
                ChangeBatch.of(
                    partition=self._partition,
                    dispatcher=str(schema.name),
                    schema=schema,
                    rows=self._image(schema, numbers, owners, after.slice(at, lines)),
                    ops=pattern.updates,
                    commit_ts=stamps.slice(at, lines),
                    ordinals=pattern.ordinal.slice(at, lines),
                    before=image,
                    commit_ms=millis.slice(at, lines),
                )
            )
        return out

    def audits(self, stride: int, strides: int, schema: TableSchema) -> ChangeBatch:
        """The audit rows of strides [stride, stride + strides): one a stride, in its last transaction."""
        bank = self._bank
        number = pc.add(_iota(strides), _u64(stride + 1))
        last = pc.multiply(number, _u64(bank.transactions_per_stride))
        stamps, millis = self._times(last)
        message = pc.binary_join_element_wise("books balance after", pc.cast(last, pa.utf8()), " ")
        return ChangeBatch.of(
            partition=self._partition,
            dispatcher=str(schema.name),
            schema=schema,
            rows=pa.RecordBatch.from_arrays([pc.cast(number, pa.int64()), message], schema=schema.arrow_schema),
            ops=pa.repeat(pa.scalar(Op.INSERT, pa.uint8()), strides),
            commit_ts=stamps,
            ordinals=pa.repeat(pa.scalar(0, pa.uint32()), strides),
            commit_ms=millis,
        )

    @staticmethod
    def _image(schema: TableSchema, numbers: Any, owners: Any, balances: Any) -> Any:
        columns = [numbers, owners, balances]
        if len(schema.columns) > len(columns):  # the column `tier`, which keeps its default
            columns.append(pa.repeat(pa.scalar(1, pa.int32()), len(numbers)))
        return pa.RecordBatch.from_arrays(columns, schema=schema.arrow_schema)

    @staticmethod
    def _times(transactions: Any) -> tuple[Any, Any]:
        """(commit-ts, commit-ms) of transaction numbers: `bank.commit_ts` for a column."""
        ticks = pc.divide(transactions, _u64(TRANSACTIONS_PER_MS))
        within = pc.subtract(transactions, pc.multiply(ticks, _u64(TRANSACTIONS_PER_MS)))
        millis = pc.add(ticks, _u64(START_MS))
        logical = pc.add(pc.multiply(within, _u64(2)), _u64(2))
        return pc.add(pc.shift_left(millis, _u64(18)), logical), pc.cast(millis, pa.int64())

    def _balances(self, pattern: _Pattern, lines: int, round_: int, first_line: int) -> tuple[Any, Any]:
        """Balances before and after each transfer of the chunk, int64, in cents."""
        bank = self._bank
        slot = pc.add(pattern.slot, _u64(first_line * bank.tables))
        line = pc.add(pc.add(pattern.line, self._shift(lines, round_ % 2)), _u64(first_line))
        # The other pairing's line, modulo A: below A the subtraction wraps to a huge number, so the minimum is right.
        line = pc.min_element_wise(line, pc.subtract(line, _u64(bank.accounts)))
        other = pc.add(pc.multiply(line, _u64(bank.tables)), pattern.table)
        steady = pc.add(self._received(other, round_ - 1), _u64(OPENING_BALANCE))
        before = pc.add(steady, self._received(slot, round_ - 2))
        after = pc.add(steady, self._received(slot, round_))
        return pc.cast(before, pa.int64()), pc.cast(after, pa.int64())

    def _received(self, slot: Any, round_: int) -> Any:
        """What each slot has received in its pairing up to `round_`, cents: g for odd slots, -g for even ones."""
        if round_ < 1:
            return pa.repeat(_u64(0), len(slot))
        salt = mix(mix(self._bank.seed) + round_)
        hashed = pc.multiply(pc.add(pc.shift_right(slot, _u64(1)), _u64(salt)), _u64(0xBF58476D1CE4E5B9))
        hashed = pc.multiply(pc.bit_wise_xor(hashed, pc.shift_right(hashed, _u64(29))), _u64(0x94D049BB133111EB))
        amount = pc.shift_right(hashed, _u64(64 - 16))
        flip = pc.subtract(pc.bit_wise_and(slot, _u64(1)), _u64(1))
        return pc.subtract(pc.bit_wise_xor(amount, flip), flip)

    def _make_shift(self, lines: int, phase: int) -> Any:
        """By how many lines each element is further on in the other pairing."""
        here, there = self._bank.offsets[phase], self._bank.offsets[1 - phase]
        shifts = pa.array(
            [(a - b) % self._bank.accounts for a, b in zip(here, there, strict=True)],
            pa.uint64(),
        )
        return shifts.take(self._pattern(lines).table)

    def _make_pattern(self, lines: int) -> _Pattern:
        bank = self._bank
        tables, per = _u64(bank.tables), _u64(bank.transaction_rows)
        index = _iota(lines * bank.tables)
        table = pc.divide(index, _u64(lines))
        line = pc.subtract(index, pc.multiply(table, _u64(lines)))
        slot = pc.add(pc.multiply(line, tables), table)
        transaction = pc.divide(slot, per)
        # The first line of the transaction in this table: ceil((transaction * rows - table) / tables).
        upper = pc.subtract(pc.add(pc.multiply(transaction, per), _u64(bank.tables - 1)), table)
        ordinal = pc.cast(pc.subtract(line, pc.divide(upper, tables)), pa.uint32())
        pair = _iota(2 * lines)
        twice, second = pc.shift_right(pair, _u64(1)), pc.bit_wise_and(pair, _u64(1))
        return _Pattern(
            table=table,
            line=line,
            slot=slot,
            transaction=transaction,
            ordinal=ordinal,
            updates=pa.repeat(pa.scalar(Op.UPDATE, pa.uint8()), lines),
            twice=twice,
            interleave=pc.add(twice, pc.multiply(second, _u64(lines))),
            move_ops=pa.array([Op.DELETE, Op.INSERT], pa.uint8()).take(second),
        )
