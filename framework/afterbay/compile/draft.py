"""A pipeline as declared, before it is checked: the same from a YAML file and from the Python builder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from afterbay.compile.source_text import Spot
from afterbay.errors import Diagnostic, Place
from afterbay.node import Node


class Locator(Protocol):
    """Finds the place of a declaration. Paths start at the pipeline: `("nodes", "csv", "inputs", 0)`."""

    def value_spot(self, *path: str | int) -> Spot:
        """Where the value at `path` was given."""
        ...

    def key_spot(self, *path: str | int) -> Spot:
        """Where the key of `path` was given."""
        ...


class InCode:
    """The locator of a pipeline built in Python: the place is the node."""

    def value_spot(self, *path: str | int) -> Spot:
        return Spot(Place(node=str(path[1])) if len(path) > 1 and path[0] == "nodes" else Place())

    def key_spot(self, *path: str | int) -> Spot:
        return self.value_spot(*path)


@dataclass(frozen=True, slots=True)
class DraftNode:
    """One declared node. `inputs` are `node` or `node.port`, as written."""

    name: str
    node: Node
    inputs: tuple[str, ...] = ()
    parallelism: int = 1


@dataclass(frozen=True, slots=True)
class Draft:
    """A declared pipeline. `origin` is the file it came from, `warnings` what was taken otherwise than written.

    `sensitive`: columns whose values are not shown.
    """

    name: str
    state_dir: Path
    nodes: tuple[DraftNode, ...]
    locator: Locator
    origin: str | None = None
    warnings: tuple[Diagnostic, ...] = ()
    sensitive: tuple[str, ...] = ()
