"""A pipeline, from a file or built in Python: both make the same graph, and pass the same checks.

plan = Pipeline.from_yaml("orders.yaml").compile()

pipeline = Pipeline("orders", state="./state")
pipeline.add("changes", Demo(tables=4))
pipeline.add("csv", EncodeCsv(include_commit_ts=True), inputs="changes", parallelism=4)
…
report = pipeline.run(until="end")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from afterbay.errors import AfterbayError, PipelineInvalid, Place
from afterbay.node import Node, Sink, Source, Transform, Until
from afterbay.positions import ResumePoint
from afterbay.printable import visible
from afterbay.units import parse_duration
from afterbay.upstream import DropsUpstream, HasUpstream, Removal, Upstream

if TYPE_CHECKING:
    from afterbay.compile.draft import Draft
    from afterbay.compile.plan import Plan
    from afterbay.compile.registry import Registry
    from afterbay.runtime.report import RunReport
    from afterbay.runtime.run import Run
    from afterbay.state.status import StateStatus
    from afterbay.telemetry import Telemetry
    from afterbay.verification import Verification

STOP_SECONDS = 30.0
"""How long a run that is interrupted may take to store what is under way."""


class Pipeline:
    """A declared pipeline. Nothing is opened or checked as a whole before :meth:`compile`."""

    def __init__(
        self,
        name: str,
        *,
        state: str | os.PathLike[str] | None = None,
        sensitive: Sequence[str] = (),
        registry: Registry | None = None,
    ) -> None:
        """`state`: the state's folder, relative to the current directory; default `./.afterbay/<name>`.

        `sensitive`: columns whose values `afterbay tap` leaves out (`email`, `customers.*`).
        `registry`: the node types that hints speak of; default: all that are installed. Raises PipelineInvalid for a
        name that cannot be one.
        """
        from afterbay.compile.draft import Draft, InCode
        from afterbay.compile.envelope import NAME_RULE, PIPELINE_NAME, default_state_dir

        if not PIPELINE_NAME.fullmatch(name):
            message = f"'{visible(name)}' is no pipeline name"
            raise PipelineInvalid("name.invalid", message, hint=f"a name is {NAME_RULE}")
        folder = Path(state) if state is not None else default_state_dir(name)
        self._draft = Draft(name, Path.cwd() / folder, (), InCode(), sensitive=tuple(sensitive))
        self._registry = registry

    @classmethod
    def from_yaml(
        cls,
        path: str | os.PathLike[str],
        *,
        state: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        registry: Registry | None = None,
    ) -> Pipeline:
        """The pipeline of a file. `state` overrides the file's, `env` stands for the environment's variables.

        Reads and checks everything but the graph. Raises PipelineInvalid with all findings of the first phase that has
        any.
        """
        from afterbay.compile.compiler import draft_of_file
        from afterbay.compile.registry import Registry

        found = registry if registry is not None else Registry.installed()
        draft = draft_of_file(
            Path(path),
            state=None if state is None else Path(state),
            env=os.environ if env is None else env,
            registry=found,
        )
        return cls._of(draft, found)

    @classmethod
    def _of(cls, draft: Draft, registry: Registry) -> Pipeline:
        self = cls(draft.name, registry=registry)
        self._draft = draft
        return self

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._draft.name

    @property
    def state_dir(self) -> Path:
        """The state's folder, absolute."""
        return self._draft.state_dir

    @property
    def nodes(self) -> dict[str, Node]:
        """The declared nodes by name, unchecked as a graph."""
        return {item.name: item.node for item in self._draft.nodes}

    def commit_time(self, partition: str, point: ResumePoint) -> str | None:
        """The wall time of a checkpoint, ISO 8601 in UTC; None if the partition's source tells none, or is unknown."""
        from afterbay.runtime.report import commit_time

        name = partition.partition("/")[0]
        node = next((item.node for item in self._draft.nodes if item.name == name), None)
        return commit_time(node, point) if isinstance(node, Source) else None

    def upstreams(self) -> dict[str, Upstream | AfterbayError]:
        """What the servers of its sources keep for it, asked now, by node; the error of one that does not answer."""
        found: dict[str, Upstream | AfterbayError] = {}
        for item in self._draft.nodes:
            if isinstance(item.node, HasUpstream):
                try:
                    found[item.name] = item.node.upstream()
                except AfterbayError as error:
                    found[item.name] = error
        return found

    def drop_upstreams(self) -> Iterator[tuple[str, Removal]]:
        """Drops what the servers of its sources keep for it: (node, what became of each thing), as it is done.

        No run of it may go on. Raises AfterbayError where a server does not answer; what was done until then is done.
        """
        for item in self._draft.nodes:
            if isinstance(item.node, DropsUpstream):
                for removal in item.node.drop_upstream():
                    yield item.name, removal

    def add(self, name: str, node: Node, *, inputs: str | Sequence[str] = (), parallelism: int = 1) -> Pipeline:
        """Declares a node. `inputs`: `"node"`, `"node.port"` or a list of them. Returns the pipeline, for chaining.

        Raises PipelineInvalid for a name that is taken or cannot be one, or if `node` is no node.
        """
        from dataclasses import replace

        from afterbay.compile.draft import DraftNode
        from afterbay.compile.envelope import MOST_PARALLEL, NODE_NAME, NODE_NAME_RULE

        place = Place(node=visible(name))
        if not NODE_NAME.fullmatch(name):
            raise PipelineInvalid(
                "node.name", f"'{visible(name)}' is no name for a node", place=place, hint=f"a name is {NODE_NAME_RULE}"
            )
        if any(item.name == name for item in self._draft.nodes):
            raise PipelineInvalid(
                "node.duplicate", f"there is a node '{name}' already", place=place, hint="names are unique"
            )
        if not isinstance(node, Source | Transform | Sink):
            message = f"a node is a Source, Transform or Sink, not {type(node).__name__}"
            raise PipelineInvalid("node.type", message, place=place, hint="pass an instance: Demo(), not Demo")
        if not 1 <= parallelism <= MOST_PARALLEL:
            message = f"`parallelism` of node '{name}' is 1 to {MOST_PARALLEL}, not {parallelism}"
            raise PipelineInvalid("parallelism.invalid", message, place=place, hint="threads side by side")
        listed = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        self._draft = replace(self._draft, nodes=(*self._draft.nodes, DraftNode(name, node, listed, parallelism)))
        return self

    def compile(self) -> Plan:
        """The checked plan. Raises PipelineInvalid with everything that is wrong with the graph."""
        from afterbay.compile.compiler import plan_of
        from afterbay.compile.registry import Registry

        own = self._registry
        return plan_of(self._draft, Registry.installed if own is None else lambda: own)

    def start(
        self,
        *,
        until: Until | str | float | None = None,
        adopt: bool = False,
        wait: bool | str | float = False,
        telemetry: Telemetry | None = None,
    ) -> Run:
        """Compiles, starts and returns at once, or when the wait is over. For `until` and `wait` see :meth:`run`.

        `adopt`: a fresh state may take over a root that is not empty. Raises PipelineInvalid or EnvironmentRefused.
        """
        return self._begin(until, adopt, wait, telemetry)

    def _begin(
        self,
        until: Until | str | float | None,
        adopt: bool,
        wait: bool | str | float,
        telemetry: Telemetry | None,
        look: Callable[[], None] = lambda: None,
    ) -> Run:
        """`look` is called before each wait for another run; what it raises ends the waiting."""
        end, seconds = parse_until(until), parse_wait(wait)
        plan = self.compile()
        from afterbay.runtime.run import start
        from afterbay.runtime.takeover import patience

        waits = patience(plan.state_dir, seconds, look=look)
        return start(plan, until=end, adopt=adopt, telemetry=telemetry, patience=waits)

    def run(
        self,
        *,
        until: Until | str | float | None = None,
        adopt: bool = False,
        wait: bool | str | float = False,
        telemetry: Telemetry | None = None,
    ) -> RunReport:
        """Runs to the end that `until` names, and tells what was done. An interrupt cancels the run.

        `until`: `"end"`, `"caught-up"`, `"forever"`, or a duration (`"30s"`, or seconds) for which it goes on as with
        `"forever"`; None: `"end"` if every source ends by itself, else `"forever"`.
        `wait`: while another run has the state, wait for its end: for ever (True), for a duration (`"5m"`, or seconds),
        or not at all; who is waited for is logged as a warning. Raises AfterbayError, or an ExceptionGroup of them if
        several things failed.
        """
        run = self.start(until=until, adopt=adopt, wait=wait, telemetry=telemetry)
        try:
            report = run.wait()
        except (KeyboardInterrupt, SystemExit):
            run.cancel()
            run.wait()
            raise
        assert report is not None, "a wait without a timeout ends with a report or raises"
        return report

    async def astart(
        self,
        *,
        until: Until | str | float | None = None,
        adopt: bool = False,
        wait: bool | str | float = False,
        telemetry: Telemetry | None = None,
    ) -> Run:
        """As :meth:`start`, for asyncio: opening stores and sources takes place in a thread.

        When its task is cancelled meanwhile, what was begun is ended before the cancellation goes on.
        """
        from afterbay.from_asyncio import started

        return await started(lambda look: self._begin(until, adopt, wait, telemetry, look))

    async def arun(
        self,
        *,
        until: Until | str | float | None = None,
        adopt: bool = False,
        wait: bool | str | float = False,
        telemetry: Telemetry | None = None,
        stop_timeout: float = STOP_SECONDS,
    ) -> RunReport:
        """As :meth:`run`, for asyncio: blocks no loop.

        When its task is cancelled, the run is drained within `stop_timeout` seconds before the cancellation goes on; a
        second cancellation ends it at once.
        """
        from afterbay.from_asyncio import ended

        return await ended(await self.astart(until=until, adopt=adopt, wait=wait, telemetry=telemetry), stop_timeout)

    def status(self) -> StateStatus:
        """How far it is, from its state's folder: while a run goes on, in whatever process, or without one.

        Raises EnvironmentRefused; `state.absent` before the first run.
        """
        from afterbay.state.status import read_status

        return read_status(self.state_dir)

    def verify(self) -> dict[str, Verification]:
        """Holds the stores of its sinks against every rule and against its state, by sink that can be asked.

        Reads all that is stored. Raises PipelineInvalid, EnvironmentRefused if a store is out of reach.
        """
        from afterbay.state.database import DATABASE_FILE
        from afterbay.verification import Verifies, VerifyContext

        plan = self.compile()
        state = plan.state_dir if (plan.state_dir / DATABASE_FILE).is_file() else None
        return {
            item.name: sink.verify(VerifyContext(item.name, tuple(up.node for up in plan.upstream(item)), state))
            for item, sink in plan.sinks
            if isinstance(sink, Verifies)
        }

    def stored_tables(self) -> tuple[str, ...]:
        """The tables (`schema.table`) that its stores hold, sorted. Raises EnvironmentRefused."""
        from afterbay.verification import Verifies

        sinks = [node for node in self.nodes.values() if isinstance(node, Verifies)]
        return tuple(sorted({table for sink in sinks for table in sink.stored_tables()}))

    def mermaid(self) -> str:
        """The graph as Mermaid text. Raises PipelineInvalid."""
        return self._drawn("mermaid")

    def svg(self) -> str:
        """The graph as a picture. Raises PipelineInvalid."""
        return self._drawn("svg")

    def _drawn(self, form: Literal["mermaid", "svg"]) -> str:
        from afterbay.diagram import PRINTERS, render

        return PRINTERS[form](render(self.compile()))

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {len(self._draft.nodes)} nodes, state in {self.state_dir}>"

    def _repr_svg_(self) -> str | None:
        """For notebooks: the graph, if it is valid."""
        try:
            return self.svg()
        except AfterbayError:
            return None

    def _repr_html_(self) -> str:
        """For notebooks: the graph, or what is wrong with it."""
        from html import escape

        try:
            return f'<figure style="margin:0">{self.svg()}<figcaption>{escape(self.name)}</figcaption></figure>'
        except AfterbayError as error:
            told = "\n".join(str(item) for item in error.diagnostics)
            return f"<pre>{escape(self.name)}: {escape(type(error).__name__)}\n{escape(told)}</pre>"


def parse_until(until: Until | str | float | None) -> Until | float | None:
    """What `until` means: a named end, or seconds. Raises PipelineInvalid if it means nothing."""
    if until is None or isinstance(until, Until):
        return until
    if isinstance(until, str) and until in set(Until):
        return Until(until)
    try:
        return parse_duration(until)
    except ValueError as error:
        raise PipelineInvalid(
            "until.invalid",
            f"a run cannot go on until '{visible(str(until))}'",
            hint="say end, caught-up, forever, or a duration such as 30s",
        ) from error


def parse_wait(wait: bool | str | float) -> float | None:
    """How many seconds a start may wait for its state: 0 for not at all, None for ever. Raises PipelineInvalid."""
    if isinstance(wait, bool):
        return None if wait else 0.0
    if wait == "forever":
        return None
    try:
        return parse_duration(wait)
    except ValueError as error:
        raise PipelineInvalid(
            "wait.invalid",
            f"a start cannot wait for '{visible(str(wait))}'",
            hint="say forever, or a duration such as 30s",
        ) from error
