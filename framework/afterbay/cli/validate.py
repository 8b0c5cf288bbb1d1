"""`afterbay validate`: every finding in pipeline files, without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterbay.cli import console
from afterbay.cli.amounts import plural
from afterbay.cli.failure import Failure
from afterbay.cli.options import AsJson
from afterbay.errors import AfterbayError

EXAMPLES = """\b
Examples:
  afterbay validate orders.yaml
  afterbay validate pipelines/*.yaml --json
"""


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Pipeline files.", show_default=False)],
    as_json: AsJson = False,
) -> int:
    """Check pipeline files, tell every finding.

    Nothing is opened or written. Exit code 2 if a file has findings.
    """
    from afterbay.pipeline import Pipeline

    results: list[dict[str, object]] = []
    warned: set[str] = set()
    worst = 0
    for file in files:
        try:
            plan = Pipeline.from_yaml(file).compile()
        except AfterbayError as error:
            failure = Failure.of(error)
            worst = max(worst, failure.exit_code)
            results.append({"file": str(file), "ok": False, **failure.to_dict()})
            if not as_json:
                failure.tell(as_json=False)
                console.note(f"{file}: {plural(len(failure.diagnostics), 'finding')}")
        else:
            results.append(
                {
                    "file": str(file),
                    "ok": True,
                    "nodes": len(plan.nodes),
                    "fingerprint": plan.fingerprint(),
                    "warnings": [item.to_dict() for item in plan.warnings],
                }
            )
            if not as_json:
                for text in (str(item) for item in plan.warnings):
                    if text not in warned:  # a broken pack is told once, not for every file
                        warned.add(text)
                        console.note(f"warning: {text}")
                console.result(f"{file}: ok ({plural(len(plan.nodes), 'node')})")
    if as_json:
        console.data({"ok": worst == 0, "files": results})
    return worst
