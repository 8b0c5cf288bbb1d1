"""`afterbay run`: runs a pipeline, shows how far it is, and ends with a summary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from afterbay.cli import console
from afterbay.cli.called_as import called_as
from afterbay.cli.failure import Failure
from afterbay.cli.optional_value import PORT, WAIT, completed
from afterbay.cli.options import AsJson, PipelineFile, StateDir
from afterbay.cli.progress import LogLevel, attach_logs, detach_logs, open_progress
from afterbay.cli.summary import summary
from afterbay.cli.supervise import Ended, StopSignals, supervise
from afterbay.cli.ui import AllowControl, page_server
from afterbay.errors import Diagnostic, PipelineInvalid

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan


class RunCommand(TyperCommand):
    """`--wait` may have a duration, or none; `--ui` a port."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, completed(args, {"--wait": WAIT, "--ui": PORT}))


EXAMPLES = """\b
Examples:
  afterbay run pipelines/quickstart.yaml          to the end of its source
  afterbay run orders.yaml --until 10m            ten minutes, then drain
  afterbay run orders.yaml --state /var/lib/orders --json > report.json
  afterbay run orders.yaml --wait 5m              take over from the run that goes on, when it ends
  afterbay run orders.yaml --ui                   with a page that shows it live, on this machine

\b
One SIGINT or SIGTERM drains and exits 0; a second one, or one while it waits, stops at once (130, 143).
Exit codes: 0 ok, 1 the run failed, 2 the pipeline or call is invalid, 3 the environment refused.
"""


def run(
    pipeline: PipelineFile,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="end|caught-up|forever|DURATION",
            help="When to stop by itself. Default: end, if every source ends by itself, else forever.",
            show_default=False,
        ),
    ] = None,
    state: StateDir = None,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Let a fresh state take over a sink root that is not empty. May store changes twice."
        ),
    ] = False,
    wait: Annotated[
        str | None,
        typer.Option(
            metavar="[DURATION]",
            help="While another run has the state, wait for its end, then take over. Default: for ever.",
            show_default=False,
        ),
    ] = None,
    ui: Annotated[
        int | None,
        typer.Option(
            metavar="[PORT]",
            help="Show it on a page while it runs. Default: port 8765; 0: any that is free.",
            show_default=False,
            min=0,
            max=65535,
        ),
    ] = None,
    allow_control: AllowControl = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary, only problems.")] = False,
    log_level: Annotated[LogLevel, typer.Option(help="The least severe log record that is shown.")] = LogLevel.WARNING,
    stop_timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long a drain may take before the rest is given up.")
    ] = "30s",
) -> int:
    """Run a pipeline.

    A run goes on where the last one stopped: its state directory remembers how far it came. Progress and logs go to
    stderr, the summary (or with --json the report) to stdout.
    """
    from afterbay.pipeline import Pipeline, parse_until, parse_wait
    from afterbay.runtime.run import start
    from afterbay.runtime.takeover import patience
    from afterbay.telemetry import Telemetry

    limit, ends, seconds = _stop_timeout(stop_timeout), parse_until(until), parse_wait(wait or False)
    plan = Pipeline.from_yaml(pipeline, state=state).compile()
    telemetry = Telemetry(plan.name)
    page = None if ui is None else page_server(plan.state_dir, plan, ui, control=allow_control)
    with StopSignals() as signals:
        progress = open_progress(quiet=quiet)
        logs = attach_logs(progress, log_level)
        if not quiet:
            progress.say(places(plan))
        try:
            waits = patience(plan.state_dir, seconds, say=progress.say, look=signals.stop_waiting)
            handle = start(plan, until=ends, adopt=adopt, telemetry=telemetry, patience=waits)
            signals.started()
            if page is not None:
                page.start()
                progress.say(page.url)
            ended = supervise(handle, signals, progress, stop_timeout=limit, monotonic=time.monotonic)
        except Exception as error:
            failure = Failure.of(error)
            if not failure.stuck:
                raise
            # Threads that cannot be ended would keep the process alive for ever.
            progress.close()
            failure.tell(as_json=as_json)
            os._exit(failure.exit_code)
        finally:
            if page is not None:
                page.stop()
            progress.close()
            detach_logs(logs)
        _tell(ended, pipeline, plan.warnings, as_json=as_json, quiet=quiet)
    return ended.exit_code


def places(plan: Plan) -> str:
    """Where the run's state and its sinks' roots are, whatever the current directory was meant to be."""
    roots = [root for item, sink in plan.sinks if (root := sink.exclusive_root()) is not None]
    return f"state in {plan.state_dir}" + (f", stored in {', '.join(roots)}" if roots else "")


def _tell(ended: Ended, pipeline: Path, warnings: Sequence[Diagnostic], *, as_json: bool, quiet: bool) -> None:
    if as_json:
        console.data({**ended.report.to_dict(), "warnings": [item.to_dict() for item in warnings]})
    elif not quiet:
        if sys.stderr.isatty() and sys.stdout.isatty():
            console.result("")
        console.result(summary(ended.report, str(pipeline), called_as()))


def _stop_timeout(text: str) -> float:
    from afterbay.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise PipelineInvalid(
            "call.invalid", f"--stop-timeout {text!r}: {error}", hint="give a duration such as 30s or 10m"
        ) from error
