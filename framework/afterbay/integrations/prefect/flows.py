"""The task that brings a store up to date, and a flow of nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.flows import Flow

from afterbay.integrations.carrying import carry, pipeline_of
from afterbay.integrations.figures import checkpoint_of, of_run, of_table
from afterbay.integrations.prefect.blocks import PipelineCredentials

if TYPE_CHECKING:
    from afterbay.pipeline import Pipeline
    from afterbay.runtime.report import RunReport

MOST_ROWS = 200
"""Tables that an artifact lists."""


@task(name="bring up to date", task_run_name="{pipeline}")
def bring_up_to_date(
    pipeline: str | Path,
    *,
    state: str | None = None,
    credentials: PipelineCredentials | None = None,
    until: str = "caught-up",
    wait: str = "0s",
    adopt: bool = False,
    stop_timeout: str = "30s",
) -> dict[str, Any]:
    """Runs the pipeline of a file until it has caught up; gives the sums of the run, and `tables` with theirs.

    Leaves a markdown artifact `afterbay-<pipeline>` with the figures and the graph (Mermaid). A run that is cancelled
    is drained within `stop_timeout`; so call it in the flow's own thread, not submitted to another. Raises what failed.
    """
    found = pipeline_of(pipeline, state=state, env=None if credentials is None else credentials.env())
    report = carry(found, until=until, wait=wait, adopt=adopt, stop_timeout=stop_timeout, tell=get_run_logger().info)
    create_markdown_artifact(
        markdown=markdown(found, report), key=artifact_key(found.name), description=f"What {found.name} has stored."
    )
    return {**of_run(report), "tables": {table: of_table(report, table) for table in report.tables}}


def pipeline_flow(pipeline: str | Path, *, name: str | None = None, **options: Any) -> Flow[[], dict[str, Any]]:
    """A flow that brings one pipeline up to date: `pipeline_flow("orders.yaml").serve(cron="*/15 * * * *")`.

    `options` are those of `bring_up_to_date`; `credentials` may be the name of a saved block.
    """
    block = options.pop("credentials", None)

    @flow(name=name or f"afterbay {Path(pipeline).stem}")
    def up_to_date() -> dict[str, Any]:
        found = PipelineCredentials.load(block) if isinstance(block, str) else block
        return bring_up_to_date(pipeline, credentials=found, **options)

    return up_to_date


def artifact_key(name: str) -> str:
    """The key of a pipeline's artifact: Prefect takes small letters, digits and dashes."""
    return "afterbay-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def markdown(pipeline: Pipeline, report: RunReport) -> str:
    """A report for people: the sums, the tables, the graph."""
    lines = [
        f"# {report.pipeline}: {report.outcome}",
        "",
        f"{report.rows_stored:,} rows in {report.files:,} files ({report.bytes:,} bytes), {report.seconds:.1f} s. "
        f"Checkpoint {checkpoint_of(report) or 'none yet'}.",
        "",
        "| table | rows | files | bytes | position |",
        "|---|--:|--:|--:|--:|",
    ]
    for table in list(report.tables)[:MOST_ROWS]:
        totals = report.tables[table]
        lines.append(f"| {_cell(table)} | {totals.rows:,} | {totals.files:,} | {totals.bytes:,} | {totals.commit_ts} |")
    if len(report.tables) > MOST_ROWS:
        lines.append(f"| and {len(report.tables) - MOST_ROWS:,} more | | | | |")
    return "\n".join([*lines, "", "```mermaid", pipeline.mermaid().rstrip(), "```", ""])


def _cell(name: str) -> str:
    """A table's name is from outside: nothing of it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#!])", r"\\\1", name.replace("\n", " "))
