"""The arguments and options that several verbs share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="The pipeline file (YAML).", show_default=False)]
StateDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="The state directory; wins over the file's `state`.", show_default=False, file_okay=True
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Give the result (or the error) as JSON on stdout.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write into FILE, not to stdout.", show_default=False),
]
