"""What a node is: a frozen, typed declaration that opens a runtime operator.

A node is a pydantic model whose fields are its YAML keys, generic in what it takes and gives::

    class EncodeCsv(Transform[ChangeBatch, EncodedBatch]):
        type_name: ClassVar[str] = "encode_csv"
        delimiter: str = ","

        def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, EncodedBatch]: ...

mypy and the compiler read the same type parameters. The declaration is data (it can be printed, hashed and
drawn); :meth:`open` makes the operator that does the work, once per partition (sources) or per parallel
instance (transforms, sinks). The operator owns its resources and gives them back in ``close``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from afterbay.clock import Clock
from afterbay.errors import Diagnostic
from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.positions import ResumePoint, StoredPosition
from afterbay.pressure import Pressure
from afterbay.schema import Json, TableSchema

if TYPE_CHECKING:
    from afterbay.credit import Credit
    from afterbay.runtime.ledger import Token
    from afterbay.state.store import State
    from afterbay.telemetry import NodeMeter

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the compiler may assume of a node."""

    parallel: bool = False  # several instances side by side; output order = input order
    sharded: bool = False  # instances split by dispatcher; takes `shards`
    settles: bool = False  # settles tokens: a path may end here
    filters: bool = False  # may drop rows
    spools: bool = False  # takes messages to rest and returns the source's credit
    single_clock: bool = False  # one source partition, or partitions that share a clock, may reach it
    tells_time: bool = False  # a source whose checkpoints have a wall time (`Source.commit_ms`)


@dataclass(frozen=True, slots=True)
class PortTypes:
    """The payload types of a node: `takes` is None for a source, `gives` has one type per output port."""

    takes: Any = None
    gives: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a declaration may know when it is built: pydantic validators get it as `info.context`.

    `folder` is where the pipeline file is; code that it names is looked for there first.
    """

    folder: Path | None = None


class Node(BaseModel):
    """Base of all nodes. Fields are YAML keys; unknown keys are refused.

    `type_name` is the YAML `type`. `summary` is one line for `nodes list`; the class docstring is what
    `nodes show` prints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=True)

    type_name: ClassVar[str]
    summary: ClassVar[str] = ""
    capabilities: ClassVar[Capabilities] = Capabilities()

    def identity(self) -> Mapping[str, Json]:
        """The options that change what is read or stored: a state remembers them and refuses others.

        Default: nothing. Never holds a secret.
        """
        return {}

    def recognises(self, option: str, stored: Json) -> bool:
        """True if `stored`, which the state has under `option` of `identity`, means what this node says now.

        Asked where the two differ: an earlier version may have written it otherwise. Default: no.
        """
        return False

    def facts(self) -> Mapping[str, str]:
        """Short facts for the graph diagram and `plan` (quota, shards, root), secrets left out. Default: none."""
        return {}

    def check(self) -> Iterable[Diagnostic]:
        """Faults that span fields and that the node can see alone (no I/O). Default: none.

        `place` is left out; with `field` set, the compiler points at that option.
        """
        return ()

    def folders(self) -> Iterable[Path]:
        """Folders of its own outside the state, which no sink may store in. Default: none."""
        return ()

    def port_types(self) -> PortTypes | None:
        """Payload types that depend on the options. Default None: they are the class's type parameters."""
        return None


class Until(StrEnum):
    """When a run ends by itself."""

    END = "end"  # at the end of a source that ends
    CAUGHT_UP = "caught-up"  # at what was there when the run started
    FOREVER = "forever"  # on a signal or `drain`


class Outlet(Protocol):
    """A source's way into the graph. Used by the source's own thread only. Every call may raise `Cancelled`."""

    @property
    def stopping(self) -> bool:
        """True when the source is to return at its next transaction end (stop, drain, or time is up)."""
        ...

    def batch(self, batch: ChangeBatch) -> None:
        """Sends rows on: mints their token at the first row's commit-ts, waits for credit."""
        ...

    def schema_change(self, change: SchemaChange) -> None:
        """Sends a DDL. A graph-wide one returns only when its barrier is through: nothing can follow its marker."""
        ...

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        """Says that `schema` is in force for `dispatcher` without a DDL (a table met for the first time)."""
        ...

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """Nothing at or below `commit_ts` will be sent again; a run resumed with `cursor` sends all above it.

        Call it only after everything <= `commit_ts` was sent.
        """
        ...

    def repeated(self, rows: int) -> None:
        """Counts rows that the source recognised as repeats and did not send."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleeps until `seconds` are over or the run is stopping."""
        ...


class SourceOperator(ABC):
    """A source at work, in its own thread."""

    @abstractmethod
    def run(self, out: Outlet) -> None:
        """Sends everything, returns at the source's end or soon after `out.stopping`. Raises to fail the run."""

    def acknowledge(self, point: ResumePoint) -> None:
        """The checkpoint row of `point` is durable: what is at or below may be discarded (I2).

        Called from the state's owner thread: must be quick and thread-safe. Default: nothing.
        """

    def cancel(self) -> None:
        """The run is ending: every wait inside is to raise `Cancelled`. Any thread; quick. Default: nothing."""

    def close(self) -> None:
        """Gives resources back. Called once, after `run` has ended."""


@dataclass(frozen=True, slots=True)
class Emit(Generic[Out]):
    """An output for a named port (a plain return value goes to the only port)."""

    port: str
    item: Out


class TransformOperator(ABC, Generic[In, Out]):
    """A transform at work. One instance is used by one thread."""

    @abstractmethod
    def process(self, item: In) -> Out | Emit[Out] | Iterable[Out | Emit[Out]] | None:
        """What becomes of one message: one, several or (None, filtered) no message."""

    def schema_change(self, change: SchemaChange) -> SchemaChange | None:
        """What becomes of a DDL: renamed, pruned, or None (its table is filtered out). Default: unchanged."""
        return change

    def cancel(self) -> None:
        """The run is ending: every wait inside is to raise `Cancelled`. Any thread; quick. Default: nothing."""

    def close(self) -> None:
        """Gives resources back. Called once."""


class SpoolOperator(TransformOperator[In, Out]):
    """A transform that takes messages to rest. It also decides when the source may go on."""

    @abstractmethod
    def enqueued(self, credit: Credit) -> None:
        """The message is at rest. Returns the credit now, or withholds it until the low watermark."""

    @property
    @abstractmethod
    def pressure(self) -> Pressure:
        """How full it is."""


class ShardOperator(ABC, Generic[In]):
    """One shard of a sink at work; all methods but `wake` are called by the shard's own thread."""

    @abstractmethod
    def accept(self, item: In, token: Token, credit: Credit | None) -> None:
        """Takes a message. Must not block on the store. Settles `token` when durable, gives `credit` back when at rest.

        `credit` is None where a spool before the sink has given it back.
        """

    @abstractmethod
    def schema_change(self, change: SchemaChange, token: Token) -> None:
        """Takes an in-band DDL of one of this shard's tables: acts behind the data before it."""

    @abstractmethod
    def drain(self, partition: str, close: bool) -> None:
        """Flush all that is pending of `partition`, whole transactions only when `close`."""

    @abstractmethod
    def drained(self, partition: str) -> bool:
        """True when nothing of `partition` is pending or under way any more."""

    @abstractmethod
    def tick(self) -> float | None:
        """Does what is due; returns seconds until the next due moment, or None."""

    def close(self) -> None:
        """Gives resources back. Called once."""


class SinkOperator(ABC, Generic[In]):
    """A sink at work: opens its shards, and writes the schema files of graph-wide DDLs."""

    @abstractmethod
    def open_shard(self, index: int, wake: Callable[[], None]) -> ShardOperator[In]:
        """Opens shard `index`. `wake()` (any thread) makes the shard's thread call `tick` soon."""

    @abstractmethod
    def write_schema(self, change: SchemaChange) -> None:
        """A graph-wide DDL whose barrier is through: make it visible, durably. Blocks. At most one at a time."""

    def checkpoint(self, partition: str, commit_ts: int) -> None:
        """The checkpoint row is durable. Quick; called from the state's owner thread."""

    def finish(self) -> None:
        """A clean stop: everything is settled and the last checkpoint is durable. May do I/O."""

    def cancel(self) -> None:
        """The run is ending: every wait inside is to raise `Cancelled`. Any thread; quick. Default: nothing."""

    def close(self) -> None:
        """Gives resources back. Called once, after all shards are closed; also after a failure."""


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source is opened with. `schemas`: in force at `resume`, by dispatcher. `work_dir`: for its own files."""

    node: str
    partition: str
    until: Until
    resume: ResumePoint | None
    schemas: Mapping[str, TableSchema]
    clock: Clock
    meter: NodeMeter
    work_dir: Path


@dataclass(frozen=True, slots=True)
class TransformContext:
    """What a transform is opened with. `work_dir` is the run's own folder for scratch files."""

    node: str
    instance: int
    work_dir: Path
    clock: Clock
    meter: NodeMeter


@dataclass(frozen=True, slots=True)
class SinkContext:
    """For a sink. `partitions`: those that reach it. `positions`: the last stored row by (partition, dispatcher)."""

    node: str
    shards: int
    work_dir: Path
    clock: Clock
    meter: NodeMeter
    state: State
    partitions: tuple[str, ...]
    positions: Mapping[tuple[str, str], StoredPosition]
    checkpoints: Mapping[str, int]
    pressures: tuple[Pressure, ...]
    checkpoint_ms: Callable[[str], int | None]  # wall time of a partition's checkpoint, Unix ms; None: not known
    adopt: bool  # a fresh state may take over a root that is not empty
    fail: Callable[[BaseException], None]  # ends the run with this error; any thread


class Source(Node, Generic[Out]):
    """A node without inputs."""

    def partitions(self) -> tuple[str, ...]:
        """Names of the source's partitions, each with a thread, ledger and checkpoint of its own. Default: one."""
        return ("",)

    def clock_group(self) -> str | None:
        """Partitions that share a commit clock give the same name; None: no clock is shared."""
        return None

    def commit_ms(self, point: ResumePoint) -> int | None:
        """A checkpoint's wall time, Unix milliseconds. Default None: the commit clock tells no time."""
        return None

    @property
    def ends(self) -> bool:
        """True if the source ends by itself (the default of `until` is then `end`)."""
        return False

    @abstractmethod
    def open(self, context: SourceContext) -> SourceOperator:
        """Starts the source at `context.resume`."""


class Transform(Node, Generic[In, Out]):
    """A node with inputs and outputs."""

    out_ports: ClassVar[tuple[str, ...]] = ("out",)

    @abstractmethod
    def open(self, context: TransformContext) -> TransformOperator[In, Out]:
        """Makes one instance."""


class Sink(Node, Generic[In]):
    """A node without outputs."""

    @property
    def shard_count(self) -> int:
        """How many shards it wants. Default: one."""
        return 1

    def exclusive_root(self) -> str | None:
        """The store that must be its own: two sinks of a pipeline with the same one are refused. Default: none."""
        return None

    def needs_time(self) -> str | None:
        """The option for which checkpoints must have a wall time. Default None: there is none."""
        return None

    @abstractmethod
    def open(self, context: SinkContext) -> SinkOperator[In]:
        """Opens the sink: checks that the store is in reach, settles what a dead run left open."""
