"""`afterbay top`: a running pipeline in figures, again and again, on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afterbay.cli import console
from afterbay.cli.options import AsJson, StateDir
from afterbay.cli.which_state import MaybePipeline, declared, state_directory

if TYPE_CHECKING:
    from afterbay.live.look import Looker

EXAMPLES = """\b
Examples:
  afterbay top orders.yaml                    until Ctrl-C
  afterbay top orders.yaml | tee figures.log  plain lines, one look below the other
  afterbay top --state ./state/orders --json --once | jq .figures.partitions
"""

LEAST_SECONDS = 0.2


def top(
    pipeline: MaybePipeline = None,
    state: StateDir = None,
    interval: Annotated[float, typer.Option(metavar="SECONDS", help="Between two looks.", min=LEAST_SECONDS)] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One look (of two moments, for the rates), then end.")] = False,
    as_json: AsJson = False,
) -> int:
    """Watch a running pipeline: what each node does, what fills up, how far it is.

    Asks the run by the socket in its state directory, and costs it nothing while nobody asks. Without a run: the last
    one, from its state. With --json one object a line.
    """
    from afterbay.live.look import Looker

    looker = Looker(state_directory(declared(pipeline), state, "top"))
    try:
        _watch(looker, interval, once, as_json)
    except KeyboardInterrupt:
        return 0
    finally:
        looker.close()
    return 0


def _watch(looker: Looker, interval: float, once: bool, as_json: bool) -> None:
    import json
    import time

    from afterbay.cli.top_text import screen

    found = looker.look()
    if found["live"]:
        time.sleep(min(interval, 0.5) if once else LEAST_SECONDS)  # rates take two moments
        found = looker.look()
    if as_json or once or not sys.stdout.isatty():
        while True:
            console.result(json.dumps(found) if as_json else screen(found))
            if once or not found["live"]:
                return
            time.sleep(interval)
            found = looker.look()
    _on_terminal(looker, found, interval)


def _on_terminal(looker: Looker, found: dict[str, Any], interval: float) -> None:
    import time

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from afterbay.cli.top_text import screen
    from afterbay.printable import visible_lines

    with Live(console=Console(), auto_refresh=False, screen=True) as live:
        while found["live"]:
            live.update(Text(visible_lines(screen(found)), no_wrap=True, overflow="ellipsis"), refresh=True)
            time.sleep(interval)
            found = looker.look()
    console.result(screen(found))
