"""`afterbay tap`: a few of the rows that pass a node of a running pipeline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afterbay.cli import console
from afterbay.cli.amounts import count, plural, size
from afterbay.cli.options import AsJson, PipelineFile, StateDir

if TYPE_CHECKING:
    from afterbay.live.client import Connection

MOST_A_LOOK = 100

EXAMPLES = """\b
Examples:
  afterbay tap orders.yaml changes                 ten of the rows that leave it
  afterbay tap orders.yaml csv --rows 0            until Ctrl-C
  afterbay tap orders.yaml changes --redact 'customers.e*' --json

\b
Left out are the values of columns named like secrets (password, token, …), of those that the pipeline file lists under
`sensitive`, and of those that --redact names; all within the run, before they can be read elsewhere.
"""


def tap(
    pipeline: PipelineFile,
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node's name.", show_default=False)],
    rows: Annotated[int, typer.Option(help="End after so many; 0: go on until Ctrl-C.", min=0)] = 10,
    redact: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Leave its values out: column, table.column or schema.table.column."),
    ] = None,
    state: StateDir = None,
    as_json: AsJson = False,
) -> int:
    """Print some of the rows that pass a node of a running pipeline.

    A source and a transform show what leaves them, a sink what comes to it. Of batches that are encoded already their
    table, size and positions are told. Ends by telling how many rows passed, and how many of them it did not show. With
    --json one object a line.
    """
    from afterbay.live.client import connection
    from afterbay.pipeline import Pipeline

    directory = state if state is not None else Pipeline.from_yaml(pipeline).state_dir
    with connection(Path(directory)) as run:
        _Watching(run, node, rows, redact or [], as_json).watch()
    return 0


class _Watching:
    def __init__(self, run: Connection, node: str, wanted: int, redact: list[str], as_json: bool) -> None:
        self._run = run
        self._node = node
        self._wanted = wanted
        self._redact = redact
        self._as_json = as_json
        self._printed = 0
        self._shown = 0
        self._passed = 0

    def watch(self) -> None:
        """Until enough was shown, the run ends, or an interrupt."""
        from afterbay.errors import EnvironmentRefused

        try:
            while not self._wanted or self._printed < self._wanted:
                left = self._wanted - self._printed if self._wanted else MOST_A_LOOK
                asked = min(MOST_A_LOOK, left)
                for sample in self._look(asked):
                    self._print(sample)
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        except EnvironmentRefused as error:
            if error.code != "live.lost":
                raise
            console.note("the run has ended")
        console.note(
            f"{plural(self._passed, 'row')} passed {self._node}; {count(self._shown)} shown, "
            f"{count(self._passed - self._shown)} not"
        )

    def _look(self, most: int) -> list[dict[str, Any]]:
        found: dict[str, Any] = self._run.ask("tap", node=self._node, rows=most, redact=list(self._redact))
        self._passed += found["rows_passed"]
        return list(found["samples"])

    def _print(self, sample: Mapping[str, Any]) -> None:
        import json

        if self._wanted and self._printed >= self._wanted:
            return
        self._printed += 1
        self._shown += "row" in sample
        console.result(json.dumps(sample) if self._as_json else _text(sample))


def _text(sample: Mapping[str, Any]) -> str:
    encoded = sample.get("encoded")
    if encoded is not None:
        return (
            f"{sample['table']}  {plural(encoded['rows'], 'row')} as {encoded['extension']}, {size(encoded['size'])}, "
            f"{encoded['first']} to {encoded['last']}"
        )
    values = "  ".join(f"{name}={'NULL' if value is None else value}" for name, value in sample["row"].items())
    return f"{sample['table']}  {sample['op']} at {sample['commit_ts']}  {values}"
