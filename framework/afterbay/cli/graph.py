"""`afterbay graph`: the pipeline as a diagram."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from afterbay.cli import console
from afterbay.cli.options import AsJson, Output, PipelineFile, StateDir
from afterbay.errors import PipelineInvalid

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

    chosen = _chosen(format, output, as_json)
    drawn = render(Pipeline.from_yaml(pipeline, state=state).compile())
    console.document(PRINTERS[chosen.value](drawn), output)
    return 0


def _chosen(format: DiagramFormat | None, output: Path | None, as_json: bool) -> DiagramFormat:
    """Raises PipelineInvalid where what is asked for contradicts itself, or cannot be drawn."""
    if as_json:
        if format not in (None, DiagramFormat.JSON):
            raise PipelineInvalid(
                "call.invalid", f"--json is another format than --format {format}", hint="leave one of them out"
            )
        return DiagramFormat.JSON
    if format is not None or output is None:
        return format or DiagramFormat.MERMAID
    by_name = _BY_SUFFIX.get(output.suffix.lower())
    if by_name is None and output.suffix:
        raise PipelineInvalid(
            "call.invalid",
            f"there is no diagram format for the ending of {output}",
            hint=f"end it in {', '.join(_BY_SUFFIX)}, or say --format; --format dot | dot -Tpng makes a PNG",
        )
    return by_name or DiagramFormat.MERMAID
