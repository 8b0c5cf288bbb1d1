"""The component: a pipeline's file in a folder of definitions, described by a few lines of YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import dagster as dg
from pydantic import Field

from afterbay.integrations.carrying import pipeline_of
from afterbay.integrations.dagster.assets import afterbay_assets, afterbay_checks
from afterbay.integrations.dagster.resource import AfterbayResource


class AfterbayPipeline(dg.Component, dg.Model, dg.Resolvable):
    """An Afterbay pipeline: an asset for each output table, checks by `verify`, and a schedule if it is given one."""

    pipeline: str = Field(description="the pipeline's file, relative to this component's folder")
    tables: Sequence[str] | None = Field(
        default=None, description="output tables, as schema.table; default: those that the store holds"
    )
    state: str | None = Field(default=None, description="the state's folder, instead of the file's")
    env: Mapping[str, str] = Field(default={}, description="variables of the file, besides the environment's")
    key_prefix: Sequence[str] = Field(default=[], description="what every asset key begins with")
    group_name: str | None = Field(default=None, description="the assets' group")
    owners: Sequence[str] = Field(default=[], description="the assets' owners")
    tags: Mapping[str, str] = Field(default={}, description="the assets' tags")
    checks: bool = Field(default=True, description="an asset check `verify` for each asset")
    cron_schedule: str | None = Field(default=None, description="materialises all of them, such as */15 * * * *")
    execution_timezone: str | None = Field(default=None, description="of the schedule; default: UTC")
    until: str = Field(default="caught-up", description="how far a run goes: caught-up, end, or a duration")
    wait: str = Field(default="0s", description="how long a run waits for another that has the state")
    adopt: bool = Field(default=False, description="a fresh state may take over a root that is not empty")
    stop_timeout: str = Field(default="30s", description="how long a terminated run may take to drain")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions. Raises PipelineInvalid for a pipeline that is wrong."""
        file = Path(context.path) / self.pipeline
        build = partial(pipeline_of, file, state=self.state, env=dict(self.env))
        tables = self.tables
        assets = afterbay_assets(
            build,
            tables=tables,
            key_prefix=self.key_prefix,
            group_name=self.group_name,
            owners=self.owners,
            tags=self.tags,
            resource=AfterbayResource(
                until=self.until, wait=self.wait, adopt=self.adopt, stop_timeout=self.stop_timeout
            ),
        )
        name = build().name
        return dg.Definitions(
            assets=[assets],
            asset_checks=[afterbay_checks(build, tables=tables, key_prefix=self.key_prefix)] if self.checks else [],
            schedules=[] if self.cron_schedule is None else [self._schedule(name, assets)],
        )

    def _schedule(self, name: str, assets: dg.AssetsDefinition) -> dg.ScheduleDefinition:
        identifier = "".join(letter if letter.isalnum() else "_" for letter in name)
        selection = dg.AssetSelection.assets(*assets.keys)
        job = dg.define_asset_job(f"{identifier}_job", selection=selection)
        return dg.ScheduleDefinition(
            name=f"{identifier}_schedule",
            job=job,
            cron_schedule=self.cron_schedule,
            execution_timezone=self.execution_timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
