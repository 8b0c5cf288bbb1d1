"""The command line as a whole: its verbs, and how a call ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from afterbay import __version__
from afterbay.cli import (
    console,
    doctor,
    graph,
    init,
    nodes,
    plan,
    run,
    schema,
    spool,
    state,
    state_drop_slot,
    state_rebuild,
    status,
    tap,
    top,
    ui,
    validate,
)
from afterbay.cli.failure import Failure
from afterbay.cli.pack_verbs import Verbs
from afterbay.errors import PipelineInvalid

EXAMPLES = """\b
Start here:
  afterbay init orders.yaml           a commented pipeline to start from
  afterbay validate orders.yaml       every finding, with its line
  afterbay run orders.yaml            run it; ends with a summary
"""

# Plain help: rich's would cost more start-up time than all the rest.
app = typer.Typer(
    name="afterbay",
    cls=Verbs,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXAMPLES,
)
node_app = typer.Typer(rich_markup_mode=None, help="The node types that pipelines can use.", epilog=nodes.EXAMPLES)
app.command("run", cls=run.RunCommand, epilog=run.EXAMPLES)(run.run)
app.command("validate", epilog=validate.EXAMPLES)(validate.validate)
app.command("plan", epilog=plan.EXAMPLES)(plan.plan)
app.command("graph", epilog=graph.EXAMPLES)(graph.graph)
app.command("status", epilog=status.EXAMPLES)(status.status)
app.command("top", epilog=top.EXAMPLES)(top.top)
app.command("tap", epilog=tap.EXAMPLES)(tap.tap)
app.command("ui", epilog=ui.EXAMPLES)(ui.ui)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("schema", epilog=schema.EXAMPLES)(schema.schema)
app.command("init", epilog=init.EXAMPLES)(init.init)
node_app.command("list", epilog=nodes.EXAMPLES)(nodes.list_types)
node_app.command("show", epilog=nodes.EXAMPLES)(nodes.show)
app.add_typer(node_app, name="nodes")
state_app = typer.Typer(rich_markup_mode=None, help="What a pipeline remembers.", epilog=state.EXAMPLES)
state_app.command("show", epilog=state.EXAMPLES)(state.show)
state_app.command("export", epilog=state.EXAMPLES)(state.export)
state_app.command("reset", epilog=state.EXAMPLES)(state.reset)
state_app.command("rebuild", epilog=state_rebuild.EXAMPLES)(state_rebuild.rebuild)
state_app.command("drop-slot", epilog=state_drop_slot.EXAMPLES)(state_drop_slot.drop_slot)
app.add_typer(state_app, name="state")
spool_app = typer.Typer(rich_markup_mode=None, help="What waits for the store.", epilog=spool.EXAMPLES)
spool_app.command("stat", epilog=spool.EXAMPLES)(spool.stat)
spool_app.command("fsck", epilog=spool.EXAMPLES)(spool.fsck)
spool_app.command("purge", epilog=spool.EXAMPLES)(spool.purge)
app.add_typer(spool_app, name="spool")


def _version(wanted: bool) -> None:
    if wanted:
        console.result(f"afterbay {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Carry row changes to object storage: in order, exactly once, through a typed graph."""


def call(arguments: Sequence[str]) -> int:
    """Runs one call and returns its exit code. Every failure is told here, in the form that was asked for."""
    as_json = _asks_for_json(arguments)
    try:
        return int(app(args=list(arguments) or ["--help"], prog_name="afterbay", standalone_mode=False) or 0)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "afterbay"
        message = error.format_message().replace(": Value error, ", ": ")
        refused = PipelineInvalid("call.invalid", message, hint=f"see '{path} --help'")
        failure = Failure.of(refused)
    except Exception as error:
        failure = Failure.of(error)
    failure.tell(as_json=as_json)
    return failure.exit_code


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Read off the words themselves: a call that cannot be parsed is to be answered in JSON too."""
    before_end = list(arguments)[: list(arguments).index("--")] if "--" in arguments else arguments
    return "--json" in before_end


def main() -> int:
    """The `afterbay` command."""
    exit_code = call(sys.argv[1:])
    # The outcome is told. A late signal must not make another of it while the interpreter winds down.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return exit_code
