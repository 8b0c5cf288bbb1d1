"""Prefect 3: a task, a flow made of it, a block for credentials. Needs `afterbay[prefect]`."""

from afterbay.integrations.prefect.blocks import PipelineCredentials
from afterbay.integrations.prefect.flows import bring_up_to_date, pipeline_flow

__all__ = ["PipelineCredentials", "bring_up_to_date", "pipeline_flow"]
