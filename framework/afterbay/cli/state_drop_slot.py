"""`afterbay state drop-slot`: what a pipeline leaves on the servers of its sources, dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afterbay.cli import console
from afterbay.cli.options import AsJson, PipelineFile, StateDir
from afterbay.cli.state import Yes

EXAMPLES = """\b
Examples:
  afterbay state drop-slot orders.yaml         asks if the pipeline could still go on
  afterbay state drop-slot orders.yaml --yes   does not ask

\b
A replication slot that nobody reads makes its server keep its log until the disk is full.
"""


def drop_slot(pipeline: PipelineFile, state: StateDir = None, yes: Yes = False, as_json: AsJson = False) -> int:
    """Drop what the sources' servers keep for a pipeline.

    Replication slots, and what else the pipeline has made there. What is not its own stays. Refused while a run has the
    state. The state and the store are not touched; the pipeline can only start afresh afterwards.
    """
    from afterbay.pipeline import Pipeline
    from afterbay.upstream import Fate, Removal

    declared = Pipeline.from_yaml(pipeline, state=state)
    declared.compile()
    goes_on = _has_checkpoint(declared.state_dir)
    if goes_on and not console.confirmed(
        f"The state in {declared.state_dir} has a checkpoint, from which no run can go on then. Drop all the same?",
        yes=yes,
    ):
        console.note("nothing was changed")
        return 1
    found: list[tuple[str, Removal]] = []
    with _held(declared.state_dir):
        for node, removal in declared.drop_upstreams():
            found.append((node, removal))
            if not as_json:
                note = f": {removal.note}" if removal.note else ""
                console.result(f"{removal.fate:<9}{node}: {removal.what}{note}")
    if as_json:
        console.data({"removals": [{"node": node, **removal.to_dict()} for node, removal in found]})
    elif not found:
        console.result("nothing to drop: no source of the pipeline keeps anything on a server")
    if goes_on and any(removal.fate is Fate.DROPPED for _, removal in found):
        console.note("the state is left as it is, for its figures: `afterbay state reset` takes it away")
    return 1 if any(removal.fate is Fate.REFUSED for _, removal in found) else 0


def _has_checkpoint(directory: Path) -> bool:
    """Whether a run could go on. A state that cannot be read might be mended."""
    from afterbay.errors import EnvironmentRefused
    from afterbay.state.status import read_status

    try:
        return bool(read_status(directory).checkpoints)
    except EnvironmentRefused as refused:
        return refused.code != "state.absent"


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """No run can begin for the length of the block. Raises EnvironmentRefused `state.locked`."""
    from afterbay.clock import SystemClock
    from afterbay.state.reset import locked

    if not directory.is_dir():
        yield
        return
    with locked(directory, SystemClock()):
        yield
