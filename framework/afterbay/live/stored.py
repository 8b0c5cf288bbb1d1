"""A run that cannot be asked, because it has ended or is somebody else's: what its state directory says.

What is durable (checkpoints, positions, what sinks stored in all) is read from the state; what went on within the last
run (rates, flushes, levels) from what it left behind, and is missing while a foreign run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afterbay.compile.plan import Plan
from afterbay.live.figures import MOST_TABLES, graph_of
from afterbay.live.last import left
from afterbay.state.codec import decode_commit_ts
from afterbay.state.reading import reading
from afterbay.state.status import StateStatus, read_status


def stored_look(directory: Path, plan: Plan | None) -> dict[str, Any]:
    """`graph` and `figures` as a run gives them, and `holder`: who has the state, or None. Disturbs no run.

    Raises EnvironmentRefused, as `reading`.
    """
    status = read_status(directory)
    last = left(directory) or {}
    graph: dict[str, Any] = graph_of(plan) if plan is not None else last.get("graph") or _sinks_only(status)
    figures: dict[str, Any] = _empty(graph) if status.locked else (last.get("figures") or _empty(graph))
    nodes = {node["name"]: node for node in figures["nodes"]}
    tables, left_out = _tables(directory, {(item["node"], item["dispatcher"]): item for item in figures["tables"]})
    known = {item["name"]: item for item in figures["partitions"]}
    return {
        "graph": graph,
        "holder": None if status.holder is None else str(status.holder),
        "figures": {
            **figures,
            "pipeline": status.pipeline,
            "phase": "foreign" if status.locked else "ended",
            "failure": None if status.locked else last.get("failure"),
            "nodes": [_node(node["name"], nodes, status) for node in graph["nodes"]],
            "partitions": [
                {**_partition(name), **known.get(name, {}), "checkpoint": str(point.commit_ts)}
                for name, point in status.checkpoints.items()
            ],
            "tables": tables,
            "tables_left_out": left_out,
            "errors": [_error(name, outage) for name, outage in status.outages.items()],
        },
    }


def _node(name: str, known: dict[str, Any], status: StateStatus) -> dict[str, Any]:
    found = {**_nothing(name), **known.get(name, {})}
    sink = status.sinks.get(name)
    return found if sink is None else {**found, "stored_rows": sink.rows, "stored_files": sink.files}


def _error(name: str, outage: Any) -> dict[str, Any]:
    return {
        "node": name,
        "operation": outage.operation,
        "key": outage.key,
        "reason": outage.reason,
        "since": outage.since,
        "seconds": None,
        "tries": None,
        "next_try": None,
    }


def _tables(directory: Path, known: Mapping[tuple[str, str], Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Positions of the tables that are the furthest, and how many more there are.

    Rows and files are those of the last run, where it tells of the table: a state does not count them by table.
    """
    with reading(directory) as state:
        count = int(state.connection.execute("select count(*) from positions").fetchone()[0])
        rows = state.connection.execute(
            "select sink, partition, dispatcher, commit_ts, ordinal, (select max(s.commit_ts) from schemas s where "
            "s.partition = p.partition and s.dispatcher = p.dispatcher) from positions p "
            "order by commit_ts desc limit ?",
            (MOST_TABLES,),
        ).fetchall()
    tables = [
        {
            "node": sink,
            "table": dispatcher,
            "dispatcher": dispatcher,
            **{key: known.get((sink, dispatcher), {}).get(key) for key in ("rows", "files", "bytes")},
            "schema_version": None if version is None else str(decode_commit_ts(version)),
            "position": str(decode_commit_ts(commit_ts)),
            "ordinal": ordinal,
        }
        for sink, _, dispatcher, commit_ts, ordinal, version in rows
    ]
    return tables, max(0, count - len(tables))


def _sinks_only(status: StateStatus) -> dict[str, Any]:
    """The graph as far as a state knows it: its sinks."""
    nodes = [{"name": name, "type": "", "kind": "sink", "instances": 1, "facts": {}} for name in status.sinks]
    return {"pipeline": status.pipeline, "nodes": nodes, "edges": []}


def _nothing(name: str) -> dict[str, Any]:
    counts = ("rows", "bytes", "filtered", "repeated", "rejected", "retries", "files", "ddls")
    return {"name": name, **dict.fromkeys(counts), "threads": None, "busy_seconds": None, "blocked_seconds": None}


def _partition(name: str) -> dict[str, Any]:
    keys = ("received", "spooled", "flushed", "checkpoint_time", "spooled_lag", "flushed_lag", "checkpoint_lag")
    return {"name": name, "source": name.partition("/")[0], **dict.fromkeys(keys)}


def _empty(graph: dict[str, Any]) -> dict[str, Any]:
    return {
        "pid": None,
        "started_at": None,
        "seconds": None,
        "nodes": [],
        "edges": [{**edge, "items": None, "bytes": None, "fill": None} for edge in graph["edges"]],
        "spools": [],
        "partitions": [],
        "barriers": [],
        "flushes": [],
        "tables": [],
        "upstreams": {},
    }
