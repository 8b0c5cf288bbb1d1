"""The page, served for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from afterbay.live.look import Looker
from afterbay.web.server import PageServer


@contextmanager
def shown(looker: Any, *, control: bool = False) -> Iterator[PageServer]:
    """The page of what `looker` sees, on a port that is free."""
    server = PageServer(looker if not isinstance(looker, Path) else Looker(looker), 0, control=control)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Told:
    """A looker that sees what a test says."""

    def __init__(self, look: dict[str, Any]) -> None:
        self.now = look

    def look(self) -> dict[str, Any]:
        return self.now

    def command(self, ask: str) -> None:
        raise AssertionError(ask)

    def close(self) -> None:
        """Nothing is open."""


def a_look(nodes: int = 1, shards: int = 1, table: str = "shop.orders", **figures: Any) -> dict[str, Any]:
    """A chain of transforms between a source and a sink with `shards`; `nodes` in all, at least two."""
    names = [f"n{index}" for index in range(nodes)]
    node = {
        "rows": 1000, "bytes": 5000, "filtered": 0, "repeated": 0, "rejected": 0, "retries": 0, "files": 3, "ddls": 0,
        "threads": 1, "busy_seconds": 1.0, "blocked_seconds": 0.5,
        "rows_per_second": 10.0, "bytes_per_second": 50.0, "busy": 0.5, "blocked": 0.25, "idle": 0.25,
    }  # fmt: skip
    shard = {"items": 0, "bytes": 0, "tables": 1, "rows": 7, "files": 1}
    links = [{"source": one, "port": "out", "target": other} for one, other in pairwise(names)]
    kinds = ["source", *["transform"] * (nodes - 2), "sink"][:nodes]
    return {
        "live": True,
        "why": "",
        "holder": None,
        "graph": {
            "pipeline": "made",
            "nodes": [
                {"name": name, "type": "made", "kind": kind, "instances": 1, "facts": {}}
                for name, kind in zip(names, kinds, strict=True)
            ],
            "edges": links,
        },
        "figures": {
            "pipeline": "made", "version": "0", "pid": 1, "phase": "running", "started_at": "", "seconds": 1.0,
            "nodes": [
                {"name": name, **node, **({"shards": [shard] * shards} if name == names[-1] else {})} for name in names
            ],
            "edges": [{**link, "items": 3, "bytes": 9, "fill": 0.9} for link in links],
            "spools": [], "partitions": [], "barriers": [], "flushes": [], "errors": [], "upstreams": {},
            "tables": [{
                "node": names[-1], "table": table, "dispatcher": table, "rows": 1, "files": 1, "bytes": 1,
                "schema_version": "1", "position": "1", "ordinal": 0,
            }],
            "tables_left_out": 0,
            **figures,
        },
    }  # fmt: skip
