"""The resource: how pipelines run inside Dagster's runs, and what an op or asset of one's own asks of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from afterbay.integrations.carrying import carry, pipeline_of

if TYPE_CHECKING:
    from afterbay.pipeline import Pipeline
    from afterbay.runtime.report import RunReport
    from afterbay.state.status import StateStatus


class AfterbayResource(dg.ConfigurableResource):
    """Runs pipelines as far as a Dagster run wants them.

    Terminating the Dagster run drains the pipeline: what was received is stored, and the next run goes on there.
    """

    until: str = Field(default="caught-up", description="caught-up, end, or a duration such as 10m")
    wait: str = Field(
        default="0s", description="how long a run waits for another one that has the state: forever, or a duration"
    )
    adopt: bool = Field(default=False, description="a fresh state may take over a root that is not empty")
    stop_timeout: str = Field(default="30s", description="how long a run that is terminated may take to drain")

    def run(self, context: Any, pipeline: str | Pipeline) -> RunReport:
        """Runs a pipeline (or the file of one) inside this step, and tells its log how far it is."""
        found = pipeline_of(pipeline) if isinstance(pipeline, str) else pipeline
        return carry(
            found,
            until=self.until,
            wait=self.wait,
            adopt=self.adopt,
            stop_timeout=self.stop_timeout,
            tell=context.log.info,
        )

    def status(self, pipeline: str | Pipeline) -> StateStatus:
        """How far a pipeline is, whoever runs it. Raises EnvironmentRefused before its first run."""
        return (pipeline_of(pipeline) if isinstance(pipeline, str) else pipeline).status()
