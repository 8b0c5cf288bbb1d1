"""Random histories against a model: what the state says after any of them, and after a crash of any of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from afterbay.errors import RunFailed
from afterbay.runtime.ledger import Token
from afterbay.schema import RowPosition
from afterbay.state.status import read_status
from afterbay.state.store import Intent
from tests.support.state import SINK, SOURCE, Run, image, intent, schema

TABLES = st.sampled_from(["a", "b", "c"])
STEPS = st.integers(1, 3)


@dataclass
class Model:
    """What must be durable once a call has returned, in plain dicts."""

    positions: dict[str, RowPosition] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    open: dict[str, tuple[int, Intent]] = field(default_factory=dict)  # one a directory, so one a table
    files: int = 0
    ddls: set[int] = field(default_factory=set)
    claimed: bool = False
    schemas: dict[tuple[str, int], bool] = field(default_factory=dict)  # (table, commit-ts) -> exists (not dropped)
    checkpoint: int | None = None  # at the last call that waited

    def in_force(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (table, commit_ts), exists in sorted(self.schemas.items(), key=lambda item: item[0][1]):
            if self.checkpoint is not None and commit_ts <= self.checkpoint:
                found.pop(table, None)
                if exists:
                    found[table] = commit_ts
        return found


class StateMachine(RuleBasedStateMachine):
    """One source, one sink, three tables; commit-ts only rise. A crash forgets what was not waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name) / "0"
        self.crashes = 0
        self.now = 0  # the highest commit-ts given out
        self.model = Model()
        self.pending: dict[str, list[Token]] = {}  # minted, not in a file yet
        self.filed: dict[str, list[Token]] = {}  # in the table's open file
        self.promises: list[int] = []
        self.run = Run(self.home)
        self.run.state.flush()  # the round that `start` itself wakes is over: from now on only calls move anything

    def teardown(self) -> None:
        self.run.state.close()
        self.folder.cleanup()

    def frontier(self) -> int | None:
        """min(promise, oldest outstanding - 1), at the promises that were made."""
        out = [token.commit_ts for tokens in (*self.pending.values(), *self.filed.values()) for token in tokens]
        reached = [promise for promise in self.promises if not out or promise < min(out)]
        return max(reached, default=None)

    @contextmanager
    def waited(self) -> Iterator[None]:
        """After a call that waits, the frontier as it then is, is the checkpoint."""
        yield
        self.model.checkpoint = self.frontier()

    @rule(table=TABLES, step=STEPS)
    def change(self, table: str, step: int) -> None:
        self.now += step
        self.pending.setdefault(table, []).append(self.run.ledger.mint(self.now, table))

    @rule(step=STEPS)
    def promise(self, step: int) -> None:
        self.now += step
        self.run.ledger.promise(self.now, {"at": self.now})
        self.promises.append(self.now)

    @rule(table=TABLES)
    def filter_out(self, table: str) -> None:
        for token in self.pending.pop(table, []):
            token.settle()

    @rule(table=TABLES, exists=st.booleans(), step=STEPS)
    def ddl(self, table: str, exists: bool, step: int) -> None:
        self.now += step
        self.run.state.schema(SOURCE, table, self.now, schema(self.now) if exists else None)
        self.model.schemas[table, self.now] = exists
        token = self.run.ledger.mint(self.now, table)
        self.model.ddls.add(self.now)
        self.model.claimed = True
        with self.waited():
            self.run.state.finish_ddl(SINK, table, self.now, [token])

    @precondition(lambda self: any(self.pending.values()))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        table = data.draw(st.sampled_from(sorted(name for name, tokens in self.pending.items() if tokens)))
        tokens = self.pending[table]
        number = self.model.numbers.get(table, 0) + 1
        wanted = intent(tokens[0].commit_ts, number, table, to=tokens[-1].commit_ts)
        if table in self.model.open:
            with pytest.raises(RunFailed, match=r"state\.open"):
                self.run.state.begin(wanted)
            with self.waited():
                self.run.state.flush()
            return
        with self.waited():
            begun = self.run.state.begin(wanted)
        self.model.open[table] = (begun, wanted)
        self.model.claimed = True
        self.filed[table] = self.pending.pop(table)

    @precondition(lambda self: self.model.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        table = data.draw(st.sampled_from(sorted(self.model.open)))
        begun, done = self.model.open.pop(table)
        tokens = self.filed.pop(table)
        with self.waited():
            self.run.state.finish(begun, tokens)
        self.model.positions[table] = done.last
        self.model.numbers[table] = done.number
        self.model.files += 1

    @precondition(lambda self: self.model.open)
    @rule(data=st.data(), fenced=st.booleans())
    def withdraw(self, data: st.DataObject, fenced: bool) -> None:
        """The file did not come to be: its changes wait for the next one."""
        table = data.draw(st.sampled_from(sorted(self.model.open)))
        begun, gone = self.model.open.pop(table)
        self.pending[table] = self.filed.pop(table) + self.pending.get(table, [])
        with self.waited():
            (self.run.state.fence if fenced else self.run.state.withdraw)(begun)
        if fenced:
            self.model.numbers[table] = gone.number

    @rule()
    def flush(self) -> None:
        with self.waited():
            self.run.state.flush()

    @rule(table=TABLES)
    def ask_for_the_number(self, table: str) -> None:
        begun = self.model.open.get(table)
        with self.waited():  # for an answer, and so for the commit that it came with
            known = self.run.state.directory_number(SINK, f"bank/{table}/1")
        assert known == (begun[1].number if begun is not None else self.model.numbers.get(table))

    @rule()
    def stop_and_start(self) -> None:
        with self.waited():
            self.run.state.close()
        self.start_again()

    @rule()
    def crash(self) -> None:
        self.crashes += 1
        left = image(self.home, Path(self.folder.name) / str(self.crashes))
        self.run.state.close()
        self.home = left
        self.start_again()

    def start_again(self) -> None:
        """Sinks settle what is open as they find it (here: whole); the source goes on above all it gave out."""
        for token in (token for tokens in (*self.pending.values(), *self.filed.values()) for token in tokens):
            token.abandon()
        self.pending, self.filed, self.promises = {}, {}, []
        self.run = Run(self.home)
        restart = self.run.state.restart
        assert {name: at.row for (_, _, name), at in restart.positions.items()} == self.model.positions
        assert {item.intent.dispatcher: (item.id, item.intent) for item in restart.intents} == self.model.open
        point = restart.checkpoints.get(SOURCE)
        assert (point.commit_ts if point else None) == self.model.checkpoint
        assert {name: at.version for name, at in restart.schemas.get(SOURCE, {}).items()} == self.model.in_force()
        above = {commit_ts for commit_ts in self.model.ddls if commit_ts > (self.model.checkpoint or -1)}
        assert {commit_ts for _, _, commit_ts in restart.ddls} == above
        assert restart.fresh == (not self.model.claimed and self.model.checkpoint is None)
        kept = {key: exists for key, exists in self.model.schemas.items() if key[1] <= (self.model.checkpoint or -1)}
        self.model.schemas = kept
        self.promises = [self.model.checkpoint] if self.model.checkpoint is not None else []
        for table, (begun, done) in self.model.open.items():
            self.run.state.finish(begun, [])
            self.model.positions[table] = done.last
            self.model.numbers[table] = done.number
            self.model.files += 1
        self.model.open.clear()
        self.run.state.flush()

    @invariant()
    def i1_the_checkpoint_is_what_was_waited_for(self) -> None:
        point = self.run.state.checkpoint_of(SOURCE)
        assert (point.commit_ts if point else None) == self.model.checkpoint
        assert self.run.failures == []

    @invariant()
    def the_figures_are_the_models(self) -> None:
        status = read_status(self.home)
        assert (status.files, status.rows) == (self.model.files, 4 * self.model.files)
        assert len(status.intents) == len(self.model.open)


TestStateMachine = StateMachine.TestCase
TestStateMachine.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
