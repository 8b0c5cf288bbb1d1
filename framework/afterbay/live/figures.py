"""What a run tells of itself at one moment, as plain data: totals and levels. Rates are the asker's (see `rates`).

`graph_of` is what does not change while it runs, `Figures.take` the rest. Every list is bounded. Sizes are bytes, times
seconds, positions commit-ts; commit-ts are text, since JavaScript's numbers end at 2**53.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afterbay import __version__
from afterbay.compile.plan import Plan, PlanNode
from afterbay.live.cpu import cpu_seconds
from afterbay.runtime.channel import Channel
from afterbay.runtime.report import checkpoint_times
from afterbay.runtime.router import shard_of
from afterbay.schema import Json
from afterbay.sight import StoredFile, TableSeen
from afterbay.telemetry import NodeMeter

if TYPE_CHECKING:
    from afterbay.runtime.assembly import Assembly
    from afterbay.runtime.run import Run
    from afterbay.state.store import State

MOST_TABLES = 200
MOST_FLUSHES = 20
MOST_ERRORS = 20

Data = dict[str, Json]


def graph_of(plan: Plan) -> Data:
    """The nodes in their order and the edges between them."""
    return {
        "pipeline": plan.name,
        "nodes": [
            {
                "name": item.name,
                "type": item.type_name,
                "kind": "spool" if item.node.capabilities.spools else item.kind,
                "instances": item.shards if item.kind == "sink" else item.parallelism,
                "facts": dict(item.node.facts()),
            }
            for item in plan.nodes
        ],
        "edges": [{"source": edge.source, "port": edge.port, "target": edge.target} for edge in plan.edges],
    }


@dataclass(frozen=True, slots=True)
class Figures:
    """What is looked at. Any thread may take them, one at a time: nothing is kept between two times."""

    run: Run
    state: State
    assembly: Assembly

    def take(self, *, phase: str, started_at: str, seconds: float) -> Data:
        """The run's figures now. `phase`: running, paused, draining, cancelled or ended."""
        plan, telemetry = self.run.plan, self.run.telemetry
        meters = {item.name: telemetry.node(item.name) for item in plan.nodes}
        queues = telemetry.queues()
        spools = telemetry.spools()
        flushes = [(name, file) for name, meter in meters.items() for file in meter.sight.flushes()]
        flushes.sort(key=lambda item: item[1].at, reverse=True)
        tables, left_out = _tables(meters)
        return {
            "pipeline": plan.name,
            "version": __version__,
            "pid": os.getpid(),
            "phase": phase,
            "started_at": started_at,
            "seconds": round(seconds, 3),
            "nodes": [self._node(item, meters[item.name], queues) for item in plan.nodes],
            "edges": [self._edge(edge.source, edge.port, edge.target, queues) for edge in plan.edges],
            "spools": [
                {
                    "node": name,
                    "memory": levels.memory,
                    "memory_limit": levels.memory_limit,
                    "disk": levels.disk,
                    "quota": levels.quota,
                    "segments": levels.segments,
                    "entries": levels.entries,
                    "held_back": levels.held_back,
                }
                for name, levels in spools.items()
            ],
            "partitions": self._partitions(meters),
            "barriers": [
                {
                    "partition": item.partition,
                    "commit_ts": str(item.commit_ts),
                    "reason": item.reason,
                    "age": round(item.age, 3),
                    "waits_for": [{"node": sink, "shard": shard} for sink, shard in item.waits_for[:MOST_ERRORS]],
                    "waits_for_count": len(item.waits_for),
                }
                for item in self.run.barriers()
            ],
            "flushes": [_flush(name, file) for name, file in flushes[:MOST_FLUSHES]],
            "tables": tables,
            "tables_left_out": left_out,
            "errors": _errors(meters),
            "upstreams": {name: dict(up.to_dict()) for name, up in telemetry.upstreams().items()},
        }

    def _node(self, item: PlanNode, meter: NodeMeter, queues: Mapping[str, tuple[int, int]]) -> Data:
        totals = meter.totals
        found: Data = {
            "name": item.name,
            "rows": totals.rows,
            "bytes": totals.bytes,
            "filtered": totals.filtered,
            "repeated": totals.repeated,
            "rejected": totals.rejected,
            "retries": totals.retries,
            "files": totals.files,
            "ddls": totals.ddls,
            **self._load(item, meter),
        }
        if item.kind == "sink":
            shards = self.assembly.wiring.shards[item.name]
            stored: dict[int, list[TableSeen]] = {}
            for table in meter.sight.tables(MOST_TABLES * 16)[0]:
                stored.setdefault(shard_of(table.last.route, len(shards)), []).append(table)
            found["shards"] = [
                {
                    "items": queues[channel.name][0],
                    "bytes": queues[channel.name][1],
                    "tables": len(stored.get(index, ())),
                    "rows": sum(table.rows for table in stored.get(index, ())),
                    "files": sum(table.files for table in stored.get(index, ())),
                }
                for index, channel in enumerate(shards)
            ]
        return found

    def _load(self, item: PlanNode, meter: NodeMeter) -> Data:
        """Seconds of the node's threads, summed: at work and blocked. What is left of `threads` x time is idle.

        At work is: of a source, the CPU time of its threads (None where the system does not tell); of a transform,
        what it spends on batches; of a sink with threads for uploads, those that have one under way.
        """
        blocked = meter.sight.blocked_seconds()
        work = meter.sight.work()
        if work is not None:
            return {"threads": work[0], "busy_seconds": round(work[1], 4), "blocked_seconds": round(blocked, 4)}
        if item.kind == "source":
            names = [name for name, owner in self.run.plan.partitions().items() if owner == item.name]
            busy = cpu_seconds(names, f"{item.name}/")
            return {"threads": len(names), "busy_seconds": busy, "blocked_seconds": round(blocked, 4)}
        busy = meter.totals.busy_seconds
        if item.node.capabilities.spools:
            busy = max(0.0, busy - meter.totals.quota_wait_seconds)  # it waits while it works: that is no work
        # A transform that its feeder runs: where it waits, the feeder waits.
        for edge in self.run.plan.edges:
            if edge.source == item.name and edge.target in self.assembly.wiring.chains:
                blocked += self.run.telemetry.node(edge.target).sight.blocked_seconds()
        threads = item.shards if item.kind == "sink" else item.parallelism
        return {"threads": threads, "busy_seconds": round(busy, 4), "blocked_seconds": round(blocked, 4)}

    def _edge(self, source: str, port: str, target: str, queues: Mapping[str, tuple[int, int]]) -> Data:
        """`fill`: 0 to 1 of the bound that it meets first; None where nothing waits (the target is run by its feeder).

        What waits before a sink or a merge is bounded elsewhere: by its spools' quotas, else by the sources' credit.
        """
        wiring = self.assembly.wiring
        inlet = wiring.inlets[source, port, target]
        names = [inlet.name] if isinstance(inlet, Channel) else []
        if not names and target in wiring.shards:
            names = [channel.name for channel in wiring.shards[target]]
        items, nbytes = (sum(queues[name][place] for name in names) for place in (0, 1))
        fill: float | None = None
        if isinstance(inlet, Channel) and inlet.bound.items is not None and inlet.bound.nbytes is not None:
            fill = max(items / inlet.bound.items, nbytes / inlet.bound.nbytes)
        elif names:
            fill = self._fill_before(source, target)
        return {
            "source": source,
            "port": port,
            "target": target,
            "items": items,
            "bytes": nbytes,
            "fill": None if fill is None else round(min(1.0, fill), 4),
        }

    def _fill_before(self, source: str, target: str) -> float:
        levels = self.run.telemetry.spools().get(source)
        if levels is not None:
            return (levels.memory + levels.disk) / max(1, levels.quota)
        windows = [self.assembly.windows[name] for name in self.assembly.wiring.reach[target]]
        return max((window.under_way / window.window for window in windows), default=0.0)

    def _partitions(self, meters: Mapping[str, NodeMeter]) -> list[Json]:
        """Per source partition four positions and their lags.

        The lag of a position is the age of the first change received that is above it. `spooled` is the position of
        the spool that is the furthest behind, `flushed` the newest change in a stored file of the sink that is the
        furthest behind; neither is below the checkpoint, which covers DDLs and what an earlier run stored, too.
        """
        reach = self.assembly.wiring.reach
        times = checkpoint_times(self.run.plan, self.run.checkpoints())
        plan = self.run.plan
        spools = [item.name for item in plan.nodes if item.node.capabilities.spools]
        sinks = [item.name for item in plan.of_kind("sink")]
        found: list[Json] = []
        for name, arrivals in self.assembly.arrivals.items():
            durable = self.state.checkpoint_of(name)
            spooled = _behind(meters[node].sight.marks().get(name) for node in spools if name in reach[node])
            flushed = _behind(meters[node].sight.stored_marks().get(name) for node in sinks if name in reach[node])
            floor = -1 if durable is None else durable.commit_ts
            flushed = max(floor, -1 if flushed is None else flushed)
            spooled = max(flushed, -1 if spooled is None else spooled)
            newest = arrivals.newest()
            found.append(
                {
                    "name": name,
                    "source": plan.partitions()[name],
                    "received": _text(newest),
                    "spooled": _text(spooled),
                    "flushed": _text(flushed),
                    "checkpoint": _text(floor),
                    "checkpoint_time": times.get(name),
                    "spooled_lag": self.run.age(arrivals.first_above(spooled)),
                    "flushed_lag": self.run.age(arrivals.first_above(flushed)),
                    "checkpoint_lag": round(self.run.lag()[name], 3),
                }
            )
        return found


def _text(commit_ts: int | None) -> str | None:
    return None if commit_ts is None or commit_ts < 0 else str(commit_ts)


def _behind(marks: Iterable[int | None]) -> int | None:
    """The lowest of several; None if one of them has none yet."""
    found = list(marks)
    known = [mark for mark in found if mark is not None]
    return min(known) if known and len(known) == len(found) else None


def _flush(node: str, file: StoredFile) -> Data:
    return {
        "at": file.at.isoformat(timespec="milliseconds"),
        "node": node,
        "table": file.table,
        "path": file.path,
        "reason": file.reason,
        "rows": file.rows,
        "size": file.size,
        "seconds": round(file.seconds, 4),
    }


def _tables(meters: Mapping[str, NodeMeter]) -> tuple[list[Json], int]:
    """The tables that were written to last, and how many are left out."""
    rows: list[Json] = []
    left_out = 0
    for name, meter in meters.items():
        found, seen = meter.sight.tables(MOST_TABLES)
        left_out += seen - len(found)
        rows.extend(
            {
                "node": name,
                "table": table.last.table,
                "dispatcher": table.last.dispatcher,
                "rows": table.rows,
                "files": table.files,
                "bytes": table.bytes,
                "schema_version": str(table.last.version),
                "position": str(table.last.commit_ts),
                "ordinal": table.last.ordinal,
            }
            for table in found
        )
    return rows, left_out


def _errors(meters: Mapping[str, NodeMeter]) -> list[Json]:
    return [
        {
            "node": name,
            "operation": item.operation,
            "key": item.key,
            "reason": item.reason,
            "seconds": round(item.seconds, 3),
            "tries": item.tries,
            "next_try": round(item.next_try, 3),
        }
        for name, meter in meters.items()
        for item in list(meter.sight.failing())[:MOST_ERRORS]
    ]
