"""`afterbay doctor`: whether all that a pipeline depends on is there, and what to do where it is not."""

from __future__ import annotations

from afterbay.cli import console
from afterbay.cli.amounts import plural
from afterbay.cli.options import AsJson, StateDir
from afterbay.cli.which_state import MaybePipeline

EXAMPLES = """\b
Examples:
  afterbay doctor                          what is installed
  afterbay doctor orders.yaml              and folders, state, spools and stores of a pipeline
  afterbay doctor orders.yaml --json | jq '.findings[] | select(.verdict != "ok")'

\b
Exit code 0: nothing is in the way of a run (there may be warnings). 1: something is.
"""


def doctor(pipeline: MaybePipeline = None, state: StateDir = None, as_json: AsJson = False) -> int:
    """Look at all that a pipeline depends on.

    Versions, folders and their disks, the state and its lock, what a dead run left open, spools and stores. Writes
    nothing but a probe into the store, which it removes. Disturbs no run.
    """
    from afterbay.clock import SystemClock
    from afterbay.doctor.checkup import checkup
    from afterbay.doctor.finding import Finding, Verdict
    from afterbay.pipeline import Pipeline

    plan = None if pipeline is None else Pipeline.from_yaml(pipeline, state=state).compile()
    found: list[Finding] = []
    for finding in checkup(plan, SystemClock()):
        found.append(finding)
        if not as_json:
            console.result(f"{finding.verdict:<5} {finding.subject}: {finding.text}")
            if finding.hint is not None:
                console.result(f"      -> {finding.hint}")
    failed = sum(finding.verdict is Verdict.FAIL for finding in found)
    warned = sum(finding.verdict is Verdict.WARN for finding in found)
    if as_json:
        console.data({"failed": failed, "warned": warned, "findings": [finding.to_dict() for finding in found]})
    else:
        console.result(
            f"\n{plural(failed, 'thing')} in the way of a run, {plural(warned, 'warning')}"
            if failed or warned
            else "\nnothing is in the way of a run"
        )
    return 1 if failed else 0
