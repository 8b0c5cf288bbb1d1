"""`afterbay ui`: a page that shows a pipeline live; also what `run --ui` shows."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.cli import console
from afterbay.cli.options import StateDir
from afterbay.cli.which_state import MaybePipeline, declared, state_directory
from afterbay.errors import EnvironmentRefused

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan
    from afterbay.web.server import PageServer

PORT = 8765

AllowControl = Annotated[
    bool,
    typer.Option("--allow-control", help="Let who has the page's printed address pause, resume and drain the run."),
]

EXAMPLES = """\b
Examples:
  afterbay ui orders.yaml --open
  afterbay ui --state ./state/orders --port 0
  afterbay ui orders.yaml --allow-control     with buttons: pause, resume, drain

\b
The page is on 127.0.0.1 only. From elsewhere: ssh -L 8765:127.0.0.1:8765 HOST
"""


def ui(
    pipeline: MaybePipeline = None,
    state: StateDir = None,
    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65535)] = PORT,
    allow_control: AllowControl = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> int:
    """Show a pipeline on a page, live: the graph and what flows, waits, fails and is stored.

    A run that goes on is asked by the socket in its state directory; one that has ended, or is another user's, is read
    from its state. Ctrl-C ends the page, not the run.
    """
    known = declared(pipeline)
    directory = state_directory(known, state, "ui")
    server = page_server(directory, None if known is None else known.compile(), port, control=allow_control)
    console.note(f"{server.url}\nCtrl-C ends the page")
    if open_:
        import webbrowser

        webbrowser.open(server.url)
    with suppress(KeyboardInterrupt):  # the server has ended in good order, and passes it on
        server.serve()
    return 0


def page_server(directory: Path, plan: Plan | None, port: int, *, control: bool = False) -> PageServer:
    """The page of the pipeline whose state is in `directory`. Raises EnvironmentRefused."""
    try:
        from afterbay.web.server import PageServer
    except ModuleNotFoundError as error:
        raise EnvironmentRefused(
            "ui.missing",
            f"the page needs {error.name}, which is not installed",
            hint='pip install "afterbay[ui]"; `afterbay top` shows the same in a terminal without it',
        ) from error
    from afterbay.live.look import Looker

    return PageServer(Looker(directory, plan), port, control=control)
