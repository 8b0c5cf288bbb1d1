"""Each sink has a root of its own: none in another's, and nothing of the pipeline's own in one, nor around one.

A root holds nothing but what its sink wrote there: a reader takes whatever looks like a table for one, and a sink
removes what looks like its own (I10).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from afterbay.compile.findings import Findings
from afterbay.compile.wiring import Wired
from afterbay.node import Sink
from afterbay.printable import visible


def check_roots(wired: Wired, findings: Findings) -> None:
    """Adds a finding for each sink whose root meets another sink's, or a folder of the pipeline."""
    folders = list(_folders(wired))
    taken: list[tuple[str, str]] = []
    for name, item in wired.nodes.items():
        root = item.node.exclusive_root() if isinstance(item.node, Sink) else None
        if root is None:
            continue
        spot = wired.draft.locator.key_spot("nodes", name)
        for what, folder in folders if root.startswith("/") else ():
            if meeting := _meeting(root, str(folder)):
                way = "would store in" if meeting != "around" else "has a root around"
                findings.add(
                    "graph.root",
                    f"node '{name}' {way} the {what}, {visible(str(folder))}",
                    spot,
                    "give the sink a root of its own, beside it",
                )
        for other, its in taken:
            if meeting := _meeting(root, its):
                inner, outer = (root, its) if meeting == "inside" else (its, root)
                told = (
                    f"the sinks '{other}' and '{name}' would both store under {visible(root)}"
                    if meeting == "same"
                    else f"the roots of the sinks '{other}' and '{name}' are one in the other: "
                    f"{visible(inner)} lies in {visible(outer)}"
                )
                findings.add("graph.root", told, spot, "give each sink a root of its own")
                break
        taken.append((name, root))


def _folders(wired: Wired) -> Iterator[tuple[str, Path]]:
    yield "folder of the state", wired.draft.state_dir.resolve()
    for name, item in wired.nodes.items():
        for folder in item.node.folders():
            yield f"folder of node '{name}'", folder.resolve()


def _meeting(root: str, other: str) -> str:
    """How a root lies to another place: `same`, `inside` it, `around` it, or "" if they do not meet."""
    mine, its = _levels(root), _levels(other)
    shorter = min(len(mine), len(its))
    if mine[:shorter] != its[:shorter]:
        return ""
    return "same" if len(mine) == len(its) else "inside" if len(mine) > len(its) else "around"


def _levels(place: str) -> list[str]:
    """A folder's or a URI's levels: `s3://bucket/a` lies in `s3://bucket`, and not in `s3://buck`."""
    scheme, colon, path = place.rpartition("://")
    return [scheme + colon, *(path.rstrip("/").split("/"))]
