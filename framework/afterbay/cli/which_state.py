"""Which state a verb is about: a pipeline's, or the one in a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.errors import PipelineInvalid

if TYPE_CHECKING:
    from afterbay.pipeline import Pipeline

MaybePipeline = Annotated[
    Path | None, typer.Argument(metavar="[PIPELINE]", help="The pipeline file (YAML).", show_default=False)
]


def declared(pipeline: Path | None) -> Pipeline | None:
    """The pipeline of a file, read but not compiled."""
    from afterbay.pipeline import Pipeline

    return None if pipeline is None else Pipeline.from_yaml(pipeline)


def state_directory(pipeline: Pipeline | None, state: Path | None, verb: str) -> Path:
    """The state directory; `state` wins. Raises PipelineInvalid if neither is given."""
    if state is not None:
        return state
    if pipeline is None:
        raise PipelineInvalid(
            "call.invalid",
            f"{verb} of what? neither a pipeline nor a state directory is given",
            hint=f"afterbay {verb} PIPELINE, or afterbay {verb} --state DIR",
        )
    return pipeline.state_dir
