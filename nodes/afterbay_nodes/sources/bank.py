"""The bank of the `demo` source, as pure arithmetic: where everything is at any moment, without a replay.

The bank has T tables of A accounts. A **line** is one slot of every table, a **round** is A lines: it touches every
account once. A **transaction** is m slots in a row, a **stride** is the fewest lines that hold whole transactions.
Slots pair up (0 with 1, 2 with 3, …): neighbours are in different tables, and one pays the other.

The payments telescope. Rounds alternate between two ways of pairing the accounts (each table is rotated by its own
offset), and the payment of a pair in round r is ``g(r, pair) - g(r - 2, pair)`` for a hash g. So the balance of an
account after round r is ``opening ± g(r, pair) ± g(r - 1, other pair)``: two hashes give any balance at any time,
and the sum over each pair, hence over the bank, is constant at every transaction end.

Every fourth round one table gives its accounts new numbers: there a payment is a delete and an insert.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm

OPENING_BALANCE = 1_000_000  # cents; payments move less than a fifth of it, so no balance is ever negative
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z: fixed, so that the output depends on the seed alone
TRANSACTIONS_PER_MS = 8
MOVE_PERIOD = 4
_MASK = (1 << 64) - 1


def mix(value: int) -> int:
    """A 64-bit hash of an integer (the finaliser of splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def commit_ts(transaction: int) -> int:
    """The commit-ts of a transaction, as a TiDB TSO; the next number is free for a DDL behind it."""
    physical = START_MS + transaction // TRANSACTIONS_PER_MS
    return (physical << 18) + 2 * (transaction % TRANSACTIONS_PER_MS) + 2


def transaction_of(commit_ts_: int) -> int:
    """The last transaction at or below a commit-ts, -1 below the first."""
    physical, logical = commit_ts_ >> 18, commit_ts_ & ((1 << 18) - 1)
    if physical < START_MS:
        return -1
    # A commit-ts of another millisecond's end: all of its transactions are below.
    within = min(logical // 2, TRANSACTIONS_PER_MS) - 1
    return (physical - START_MS) * TRANSACTIONS_PER_MS + within


def creation_ts(number: int) -> int:
    """The commit-ts of the `number`-th DDL before the opening."""
    return ((START_MS - 1) << 18) + number + 1


@dataclass(frozen=True)
class Bank:
    """The bank's measures. `accounts` (per table) is rounded up so that a round holds whole strides.

    Transaction 0 opens all accounts; stride s holds the transactions ``first_transaction(s)`` and up.
    `ddl_every`: rows between two DDLs, 0 for none.
    """

    seed: int
    tables: int
    wanted_accounts: int
    transaction_rows: int
    ddl_every: int

    @cached_property
    def lines_per_stride(self) -> int:
        """Lines that hold whole transactions."""
        return self.transaction_rows // gcd(self.transaction_rows, self.tables)

    @cached_property
    def accounts(self) -> int:
        """Accounts in each table: even, and a whole number of strides."""
        unit = lcm(self.lines_per_stride, 2)
        return -(-self.wanted_accounts // unit) * unit

    @cached_property
    def strides_per_round(self) -> int:
        """Strides in which every account is touched once."""
        return self.accounts // self.lines_per_stride

    @cached_property
    def transactions_per_stride(self) -> int:
        """Transactions in a stride."""
        return self.lines_per_stride * self.tables // self.transaction_rows

    @cached_property
    def strides_per_ddl(self) -> int:
        """Strides between two DDLs; 0: none."""
        return -(-self.ddl_every // (self.lines_per_stride * self.tables))

    @cached_property
    def offsets(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """For each of the two pairings, by how much each table is rotated: account = (line + offset) mod A."""
        even, odd = (
            tuple(mix(mix(self.seed) ^ (2 * table + phase)) % self.accounts for table in range(self.tables))
            for phase in (0, 1)
        )
        return even, odd

    def place(self, stride: int) -> tuple[int, int]:
        """(round, first line in it) of a stride. Round 0 is the opening, so the first stride is in round 1."""
        rounds, within = divmod(stride, self.strides_per_round)
        return rounds + 1, within * self.lines_per_stride

    def first_transaction(self, stride: int) -> int:
        """The first transaction of a stride; transaction 0 is the opening."""
        return 1 + stride * self.transactions_per_stride

    def stride_end_ts(self, stride: int) -> int:
        """The commit-ts of the last transaction before stride `stride`; for 0 that of the opening."""
        return commit_ts(self.first_transaction(stride) - 1)

    def moving_table(self, round_: int) -> int | None:
        """The table whose accounts get new numbers in this round."""
        if round_ % MOVE_PERIOD != MOVE_PERIOD - 1:
            return None
        return (round_ // MOVE_PERIOD) % self.tables

    def moves_before(self, table: int, round_: int) -> int:
        """How often a table's accounts got new numbers before this round."""
        return (round_ // MOVE_PERIOD + self.tables - 1 - table) // self.tables

    def rows_before(self, stride: int) -> int:
        """Rows sent before stride `stride`, the opening and the audit rows included."""
        rounds, within = divmod(stride, self.strides_per_round)
        extra = (rounds + 1) // MOVE_PERIOD * self.accounts  # rounds 1 … `rounds` are complete
        if self.moving_table(rounds + 1) is not None:
            extra += within * self.lines_per_stride
        return self.tables * self.accounts + stride * (self.lines_per_stride * self.tables + 1) + extra

    def strides_for(self, rows: int) -> int:
        """The fewest strides after which at least `rows` rows were sent."""
        low, high = 0, max(0, rows // (self.lines_per_stride * self.tables) + 1)
        while low < high:
            middle = (low + high) // 2
            if self.rows_before(middle) >= rows:
                high = middle
            else:
                low = middle + 1
        return low
