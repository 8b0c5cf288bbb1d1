"""Whether a pipeline is as far as a job needs it: by its state alone, whoever runs it."""

from __future__ import annotations

from datetime import UTC, datetime

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.pipeline import Pipeline
from afterbay.positions import ResumePoint
from afterbay.printable import visible


def far_enough(pipeline: Pipeline, *, position: int | None, moment: datetime | None) -> dict[str, str] | None:
    """The checkpoints as text, by partition, if each is at or past `position` and `moment`; else None.

    What is at or below a checkpoint is stored (I1). A partition whose source tells no time never reaches a moment:
    raises PipelineInvalid. None before the first run, too. Raises EnvironmentRefused for a state that cannot be read.
    """
    try:
        status = pipeline.status()
    except EnvironmentRefused as refused:
        if refused.code == "state.absent":
            return None
        raise
    if not status.checkpoints:
        return None
    for partition, point in status.checkpoints.items():
        if position is not None and point.commit_ts < position:
            return None
        if moment is not None and _time(pipeline, partition, ResumePoint(point.commit_ts, point.cursor)) < moment:
            return None
    return {partition: str(point.commit_ts) for partition, point in status.checkpoints.items()}


def position_of(text: str | int | None) -> int | None:
    """A commit-ts as a job writes it; None for nothing. Raises PipelineInvalid."""
    if text is None or text in ("", "None"):
        return None
    try:
        return int(str(text))
    except ValueError as error:
        raise PipelineInvalid(
            "call.invalid", f"'{visible(str(text))}' is no position", hint="a position is a commit-ts: a whole number"
        ) from error


def moment_of(text: str | datetime | None) -> datetime | None:
    """A time as a job writes it, ISO 8601; without a zone it is UTC. None for nothing. Raises PipelineInvalid."""
    if text is None or text in ("", "None"):
        return None
    try:
        found = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    except ValueError as error:
        raise PipelineInvalid(
            "call.invalid", f"'{visible(str(text))}' is no time", hint="write it as 2026-01-02T03:04:05+00:00"
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _time(pipeline: Pipeline, partition: str, point: ResumePoint) -> datetime:
    told = pipeline.commit_time(partition, point)
    if told is None:
        raise PipelineInvalid(
            "call.invalid",
            f"the checkpoints of '{visible(partition)}' have no wall time to wait for",
            hint="wait for a position instead",
        )
    return datetime.fromisoformat(told)
