"""The hook: a pipeline, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseHook

from afterbay.integrations.carrying import pipeline_of
from afterbay.pipeline import Pipeline


class AfterbayHook(BaseHook):
    """The pipeline of a file. `state` wins over the file's, `env` adds to the environment's variables."""

    def __init__(self, pipeline: str, state: str | None = None, env: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.state = state
        self.env = dict(env or {})

    def get_conn(self) -> Pipeline:
        """The pipeline, read now. Raises PipelineInvalid."""
        return pipeline_of(self.pipeline, state=self.state, env=self.env)

    def status(self) -> dict[str, Any]:
        """How far it is, as plain data, whoever runs it. Raises EnvironmentRefused before its first run."""
        found = self.get_conn().status()
        return {
            "pipeline": found.pipeline,
            "running": found.locked,
            "rows": found.rows,
            "files": found.files,
            "bytes": found.bytes,
            "checkpoints": {name: str(point.commit_ts) for name, point in found.checkpoints.items()},
            "updated_at": found.updated_at,
        }

    def test_connection(self) -> tuple[bool, str]:
        """Whether the pipeline is valid."""
        from afterbay.errors import AfterbayError

        try:
            plan = self.get_conn().compile()
        except AfterbayError as error:
            return False, str(error)
        return True, f"{plan.name}: {len(plan.nodes)} nodes"
