"""`afterbay graph`: the pipeline as a diagram."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from afterbay.cli import console
from afterbay.cli.options import AsJson, Output, PipelineFile, StateDir

EXAMPLES = """\b
Examples:
  afterbay graph orders.yaml                      Mermaid, for a README
  afterbay graph orders.yaml -o orders.svg        the file's name says the format
  afterbay graph orders.yaml --format dot | dot -Tpng -o orders.png
"""


class DiagramFormat(StrEnum):
    """The languages a diagram can be printed in."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


_BY_SUFFIX: Mapping[str, DiagramFormat] = {
    ".mmd": DiagramFormat.MERMAID,
    ".mermaid": DiagramFormat.MERMAID,
    ".dot": DiagramFormat.DOT,
    ".gv": DiagramFormat.DOT,
    ".svg": DiagramFormat.SVG,
    ".json": DiagramFormat.JSON,
}


def graph(
    pipeline: PipelineFile,
    format: Annotated[
        DiagramFormat | None,
        typer.Option(help="Default: as the name of --output says, else mermaid.", show_default=False),
    ] = None,
    output: Output = None,
    state: StateDir = None,
    as_json: AsJson = False,
) -> int:
    """Draw the pipeline as a diagram.

    Nodes with their instances and quotas, and what travels between them. The same pipeline gives the same bytes.
    SVG needs no Graphviz and follows the reader's light or dark mode.
    """
    from afterbay.diagram import PRINTERS, render
    from afterbay.pipeline import Pipeline

    chosen = DiagramFormat.JSON if as_json else format or _by_name(output)
    drawn = render(Pipeline.from_yaml(pipeline, state=state).compile())
    console.document(PRINTERS[chosen.value](drawn), output)
    return 0


def _by_name(output: Path | None) -> DiagramFormat:
    return DiagramFormat.MERMAID if output is None else _BY_SUFFIX.get(output.suffix.lower(), DiagramFormat.MERMAID)
