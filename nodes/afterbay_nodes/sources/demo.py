"""The `demo` source: a bank whose books always balance. What it sends depends on its options alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from afterbay.clock import Clock
from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch
from afterbay.node import Capabilities, Outlet, Source, SourceContext, SourceOperator
from afterbay.positions import ResumePoint
from afterbay.schema import Json, TableName
from afterbay_nodes.sources.bank import Bank, commit_ts, transaction_of
from afterbay_nodes.sources.bank_ddl import BankDdl
from afterbay_nodes.sources.bank_rows import BankRows
from afterbay_nodes.sources.tso import physical_ms

CHUNK_ROWS = 65_536  # all tables together; with eight tables that is close to 1 MiB a batch
_MOST_ACCOUNTS = 5_000
_OPENING = -1  # the cursor's `stride` between the creation of the tables and the opening of the accounts


class Demo(Source[ChangeBatch]):
    """A bank: accounts in several tables, transfers inside transactions across tables, DDL now and then.

    After the first transaction, which opens every account, the sum of all balances is the same at every
    transaction end: the number of accounts times 1 000 000 cents. That is what a reader can check.

    The output is a function of the options: the same seed gives the same changes at the same commit-ts. It resumes
    at any promised position without a replay.
    """

    type_name: ClassVar[str] = "demo"
    summary: ClassVar[str] = "a bank whose books always balance: generated changes, with DDL"
    capabilities: ClassVar[Capabilities] = Capabilities(tells_time=True)

    rows: Annotated[int, Field(ge=1, description="changes to send, rounded up to whole transactions")] = 200_000
    tables: Annotated[int, Field(ge=1, le=100_000, description="tables of accounts")] = 8
    seed: Annotated[int, Field(ge=0, lt=1 << 63, description="another seed moves other amounts")] = 0
    accounts: Annotated[
        int | None,
        Field(ge=1, le=10_000_000, description="accounts a table, rounded up; default: a tenth of the rows, ≤ 5000"),
    ] = None
    transaction_rows: Annotated[
        int, Field(ge=2, le=100_000, multiple_of=2, description="rows a transaction has, over all tables; even")
    ] = 20
    ddl_every: Annotated[int, Field(ge=0, description="rows between two DDLs; 0: only the first CREATEs")] = 25_000
    rate: Annotated[float | None, Field(gt=0, description="rows a second; default: as fast as possible")] = None
    database: Annotated[str, Field(min_length=1, description="the database's name")] = "bank"

    @property
    def bank(self) -> Bank:
        """The bank that these options found."""
        return self.bank_of(min(_MOST_ACCOUNTS, max(1, self.rows // (10 * self.tables))))

    def bank_of(self, accounts: int) -> Bank:
        """The bank that has `accounts` accounts a table, unless the options say how many."""
        wanted = accounts if self.accounts is None else self.accounts
        return Bank(self.seed, self.tables, wanted, self.transaction_rows, self.ddl_every)

    @property
    def ends(self) -> bool:
        return True

    def identity(self) -> Mapping[str, Json]:
        """All that shapes the stream. `rows` is left out: a longer run of the same bank goes on where it was.

        For the same reason accounts count only as given: how many a bank was founded with is in its cursor.
        """
        return {
            "seed": self.seed,
            "tables": self.tables,
            "accounts": self.accounts,
            "transaction_rows": self.transaction_rows,
            "ddl_every": self.ddl_every,
            "database": self.database,
        }

    def facts(self) -> Mapping[str, str]:
        return {"rows": f"{self.rows:,}", "tables": str(self.tables)}

    def commit_ms(self, point: ResumePoint) -> int:
        return physical_ms(point.commit_ts)

    def dispatcher(self, name: TableName, partition_id: int | None) -> str:
        """What the bank's tables are called. An empty cursor is legal: any commit-ts that was promised is a place."""
        return str(name)

    def open(self, context: SourceContext) -> SourceOperator:
        return DemoOperator(self, context.partition, context.resume, context.clock)


class DemoOperator(SourceOperator):
    """The bank at work. The cursor is ``{"stride": next stride, "ddls": DDLs done, "accounts": accounts a table}``.

    An empty one is that of a bank founded with today's options.
    """

    def __init__(self, demo: Demo, partition: str, resume: ResumePoint | None, clock: Clock) -> None:
        regains = resume is not None and not resume.cursor
        if resume is None or regains:
            self._bank = demo.bank
        else:
            self._bank = demo.bank_of(_number(resume.cursor, "accounts", least=1))
        self._rows = BankRows(self._bank, partition)
        self._ddl = BankDdl(self._bank, partition, demo.database)
        self._pace = None if demo.rate is None else Pace(demo.rate, clock)
        self._stop = self._bank.strides_for(demo.rows)
        self._resume = ResumePoint(resume.commit_ts, self._regained(resume.commit_ts)) if resume and regains else resume
        self._regains = regains

    def run(self, out: Outlet) -> None:
        stride, ddls = self._start(out)
        bank = self._bank
        schemas = [self._ddl.accounts(table, ddls) for table in range(bank.tables)]
        if self._regains:
            for schema in (*schemas, self._ddl.audit(ddls)):
                out.announce(str(schema.name), schema)
        while not out.stopping and stride < self._stop:
            if bank.strides_per_ddl and ddls < stride // bank.strides_per_ddl:
                ddls += 1
                change = self._ddl.change(ddls)
                out.schema_change(change)
                out.promise(change.commit_ts, self._cursor(stride, ddls))
                # Unchanged schemas stay the same objects: routes are cached by them.
                altered = {item.before: item.after for item in change.tables if item.before and item.after}
                schemas = [altered.get(schema, schema) for schema in schemas]
                continue
            strides = self._chunk(stride)
            for batch in self._rows.transfers(stride, strides, schemas):
                out.batch(batch)
            out.batch(self._rows.audits(stride, strides, self._ddl.audit(ddls)))
            rows = bank.rows_before(stride + strides) - bank.rows_before(stride)
            stride += strides
            out.promise(bank.stride_end_ts(stride), self._cursor(stride, ddls))
            if self._pace is not None:
                self._pace.sent(rows, out)

    def _start(self, out: Outlet) -> tuple[int, int]:
        """(next stride, DDLs done): from the cursor, or after creating the tables and opening the accounts."""
        if self._resume is None:
            creations = self._ddl.creations()
            for change in creations:
                out.schema_change(change)
            out.promise(creations[-1].commit_ts, self._cursor(_OPENING, 0))
            stride, ddls = _OPENING, 0
        else:
            cursor = self._resume.cursor
            stride, ddls = _number(cursor, "stride", least=_OPENING), _number(cursor, "ddls", least=0)
        if stride == _OPENING:
            self._open_accounts(out)
            stride = 0
        return stride, ddls

    def _regained(self, commit_ts_: int) -> Mapping[str, Json]:
        """The cursor that was promised with a commit-ts. Raises RunFailed if none was: another bank's."""
        bank = self._bank
        if commit_ts_ == self._ddl.creations()[-1].commit_ts:
            return self._cursor(_OPENING, 0)
        # The strides that end at or below it; a DDL comes right behind its stride.
        stride = max(0, (transaction_of(commit_ts_) - bank.first_transaction(0) + 1) // bank.transactions_per_stride)
        ddls = 0 if not bank.strides_per_ddl else stride // bank.strides_per_ddl
        if ddls and self._ddl.commit_ts(ddls) > commit_ts_:
            ddls -= 1
        at_ddl = ddls > 0 and self._ddl.commit_ts(ddls) == commit_ts_
        if not at_ddl and bank.stride_end_ts(stride) != commit_ts_:
            raise RunFailed(
                "demo.cursor",
                f"a demo source with these options has never promised {commit_ts_}: the store is of another bank (I5)",
                hint="put the options back, `rows` and `accounts` too: without `accounts` they are a tenth of the rows",
            )
        return self._cursor(stride, ddls)

    def _cursor(self, stride: int, ddls: int) -> Mapping[str, Json]:
        return {"stride": stride, "ddls": ddls, "accounts": self._bank.accounts}

    def _open_accounts(self, out: Outlet) -> None:
        accounts = self._bank.accounts
        piece = max(1, CHUNK_ROWS // 8)
        for table in range(self._bank.tables):
            schema = self._ddl.accounts(table, 0)
            for start in range(0, accounts, piece):
                out.batch(self._rows.opening(schema, start, min(accounts, start + piece)))
        out.promise(commit_ts(0), self._cursor(0, 0))

    def _chunk(self, stride: int) -> int:
        """How many strides to send together: within one round, up to the next DDL, about `CHUNK_ROWS` rows."""
        bank = self._bank
        rows = CHUNK_ROWS if self._pace is None else min(CHUNK_ROWS, self._pace.rows_at_once)
        ends = [
            max(1, rows // (bank.lines_per_stride * bank.tables)),
            bank.strides_per_round - stride % bank.strides_per_round,
            self._stop - stride,
        ]
        if bank.strides_per_ddl:
            ends.append(bank.strides_per_ddl - stride % bank.strides_per_ddl)
        return min(ends)


class Pace:
    """Holds a source to `rate` rows a second, ten times a second."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._started = clock.monotonic()
        self._rows = 0
        self.rows_at_once = max(1, int(rate / 10))

    def sent(self, rows: int, out: Outlet) -> None:
        """Counts rows, and waits until they are due."""
        self._rows += rows
        ahead = self._rows / self._rate - (self._clock.monotonic() - self._started)
        if ahead > 0:
            out.wait(ahead)


def _number(cursor: Mapping[str, Json], name: str, *, least: int) -> int:
    value = cursor.get(name)
    if not isinstance(value, int) or value < least:
        raise RunFailed(
            "demo.cursor", f"the state holds no position of a demo source: {dict(cursor)!r}", hint="use a fresh state"
        )
    return value
