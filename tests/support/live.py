"""A pipeline that goes on for as long as a test wants, to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from afterbay import Pipeline
from afterbay.clock import SystemClock
from afterbay.live.client import Connection, connection
from afterbay.runtime.run import Run
from afterbay.telemetry import Telemetry
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.spool import Spool

MANY = 1_000_000_000


def lake(
    folder: Path,
    *,
    rows: int = MANY,
    shards: int = 4,
    flush_interval: str = "200ms",
    sensitive: Sequence[str] = (),
) -> Pipeline:
    """A bank whose transfers go to files below `folder`."""
    sink = CloudStorage(uri=str(folder / "lake"), shards=shards, flush_interval=flush_interval)
    return (
        Pipeline("orders", state=folder / "state", sensitive=sensitive)
        .add("bank", Demo(rows=rows))
        .add("csv", EncodeCsv(include_commit_ts=True), inputs="bank", parallelism=2)
        .add("spool", Spool(disk_quota="64MiB"), inputs="csv")
        .add("lake", sink, inputs="spool")
    )


@contextmanager
def going_on(pipeline: Pipeline, telemetry: Telemetry | None = None) -> Iterator[Run]:
    """The pipeline at work; cancelled at the end of the block if it has not ended."""
    run = pipeline.start(until="forever", telemetry=telemetry)
    try:
        yield run
    finally:
        run.cancel()
        run.wait(30)


@contextmanager
def asked(run: Run) -> Iterator[Connection]:
    """A connection to the run."""
    with connection(run.plan.state_dir) as found:
        yield found


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 30) -> Any:
    """The first thing that `look` gives and is `wanted`. AssertionError after `seconds`."""
    clock = SystemClock()
    ends = clock.monotonic() + seconds
    while True:
        found = look()
        if wanted(found):
            return found
        assert clock.monotonic() < ends, f"it never came: {found}"
