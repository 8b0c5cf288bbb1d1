"""What a verb of a pack is made of.

A pack adds verbs to the command line by the entry-point group `afterbay.commands`: a mapping from verbs to
``"module:function"``, or a function without arguments that returns one::

    [project.entry-points."afterbay.commands"]
    my_pack = "my_package.commands:pack"

The function's parameters are typer's, annotated, `as_json: AsJson = False` among them; its docstring is the help, and
its module's `EXAMPLES` stand below. It returns the exit code, prints its result by `result` (with `--json` by `data`),
and everything else by `note`; it raises `AfterbayError`s, which the command line tells as it tells its own. The module
is imported for `afterbay --help`, too: what is heavy is imported inside the function.
"""

from __future__ import annotations

from afterbay.cli.amounts import count, duration, plural, size
from afterbay.cli.console import data, note, result, table
from afterbay.cli.options import AsJson
from afterbay.cli.supervise import StopSignals

__all__ = [
    "AsJson",
    "StopSignals",
    "count",
    "data",
    "duration",
    "note",
    "plural",
    "result",
    "size",
    "table",
]
