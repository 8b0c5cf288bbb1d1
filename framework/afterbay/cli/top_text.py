"""A look at a pipeline as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afterbay.cli.amounts import count, duration, size
from afterbay.cli.console import table

MOST_FLUSHES = 5
MOST_TABLES = 10


def screen(found: Mapping[str, Any]) -> str:
    """All of it, in as many lines as it takes; long lists are cut, and say so."""
    figures = found["figures"]
    parts = [_head(found), _nodes(found["graph"], figures), _edges(figures), _spools(figures), _positions(figures)]
    parts.extend([_barriers(figures), _errors(figures), _flushes(figures), _tables(figures)])
    return "\n\n".join(part for part in parts if part)


def _head(found: Mapping[str, Any]) -> str:
    figures = found["figures"]
    if found["live"]:
        return (
            f"{figures['pipeline']}   {figures['phase']} for {duration(figures['seconds'])}, process {figures['pid']}"
        )
    who = f": {found['holder']}" if found.get("holder") else ""
    words = {"foreign": "runs, but cannot be asked" + who, "ended": "not running; figures of the last run"}
    lines = [f"{figures['pipeline']}   {words[figures['phase']]}"]
    if figures.get("failure"):
        lines.append(f"it failed: {figures['failure']}")
    return "\n".join(lines)


def _nodes(graph: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    kinds = {node["name"]: node["type"] for node in graph["nodes"]}
    rows = [
        [
            node["name"],
            kinds.get(node["name"], ""),
            _count(node["rows"]),
            _rate(node["rows_per_second"], count),
            _rate(node["bytes_per_second"], size),
            *(_percent(node[key]) for key in ("busy", "blocked", "idle")),
            _count(node["files"] or node.get("stored_files")),
            _count(node["retries"]),
        ]
        for node in figures["nodes"]
    ]
    return table(["node", "type", "rows", "rows/s", "bytes/s", "busy", "blocked", "idle", "files", "retries"], rows)


def _edges(figures: Mapping[str, Any]) -> str:
    rows = [
        [f"{edge['source']} -> {edge['target']}", _count(edge["items"]), _size(edge["bytes"]), _percent(edge["fill"])]
        for edge in figures["edges"]
        if edge["items"] is not None
    ]
    return table(["edge", "waiting", "bytes", "full"], rows) if rows else ""


def _spools(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            item["node"],
            f"{size(item['memory'])} of {size(item['memory_limit'])}",
            size(item["disk"]),
            f"{size(item['memory'] + item['disk'])} of {size(item['quota'])}",
            count(item["segments"]),
            item["held_back"] or "-",
        ]
        for item in figures["spools"]
    ]
    return table(["spool", "memory", "disk", "quota", "segments", "held back"], rows) if rows else ""


def _positions(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            item["name"],
            item["received"] or "-",
            _behind(item["spooled"], item["spooled_lag"]),
            _behind(item["flushed"], item["flushed_lag"]),
            _behind(item["checkpoint"], item["checkpoint_lag"]),
        ]
        for item in figures["partitions"]
    ]
    return table(["source", "received", "spooled", "flushed", "checkpoint"], rows) if rows else ""


def _barriers(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            item["partition"],
            item["commit_ts"],
            item["reason"],
            duration(item["age"]),
            ", ".join(f"{shard['node']}[{shard['shard']}]" for shard in item["waits_for"])
            + _more(item["waits_for_count"] - len(item["waits_for"])),
        ]
        for item in figures["barriers"]
    ]
    return table(["barrier of", "at", "reason", "age", "waits for"], rows) if rows else ""


def _errors(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            item["node"],
            f"{item['operation']} of {item['key']}",
            "-" if item["tries"] is None else count(item["tries"]),
            "-" if item["seconds"] is None else duration(item["seconds"]),
            "-" if item["next_try"] is None else f"in {duration(item['next_try'])}",
            item["reason"],
        ]
        for item in figures["errors"]
    ]
    return table(["failing", "what", "tries", "for", "next try", "why"], rows) if rows else ""


def _flushes(figures: Mapping[str, Any]) -> str:
    rows = [
        [item["table"], item["reason"], count(item["rows"]), size(item["size"]), duration(item["seconds"])]
        for item in figures["flushes"][:MOST_FLUSHES]
    ]
    return table(["last flushes", "reason", "rows", "size", "took"], rows) if rows else ""


def _tables(figures: Mapping[str, Any]) -> str:
    found: Sequence[Mapping[str, Any]] = figures["tables"]
    rows = [
        [
            item["table"],
            *(_count(item[key]) for key in ("rows", "files")),
            item["schema_version"] or "-",
            item["position"],
        ]
        for item in found[:MOST_TABLES]
    ]
    left = len(found) - len(rows) + figures["tables_left_out"]
    text = table(["table", "rows", "files", "schema version", "position"], rows) if rows else ""
    return text + (f"\n{count(left)} tables more" if left else "")


def _more(number: int) -> str:
    return f" and {count(number)} more" if number > 0 else ""


def _behind(position: str | None, lag: float | None) -> str:
    return (position or "-") + ("" if lag is None else f" ({duration(lag)})")


def _count(number: int | None) -> str:
    return "-" if number is None else count(number)


def _size(number: int | None) -> str:
    return "-" if number is None else size(number)


def _rate(number: float | None, text: Any) -> str:
    return "-" if number is None else text(round(number))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
