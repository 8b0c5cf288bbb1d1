"""Asks everything, each question in a thread of its own that is given a while: a dead network disk answers nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from afterbay.clock import Clock
from afterbay.compile.plan import Plan
from afterbay.doctor.finding import Examines, Finding, NeedsExtras, fail, ok, warn
from afterbay.doctor.folders import spool_folder, state_folder
from afterbay.doctor.versions import extra, versions
from afterbay.errors import AfterbayError
from afterbay.spool.inspection import KeepsSpool
from afterbay.state.status import read_status

SECONDS = 45.0
"""For one question: longer than the deadlines of a store's own checks."""


def checkup(plan: Plan | None, clock: Clock, seconds: float = SECONDS) -> Iterator[Finding]:
    """All findings, as they come. `plan` None: only what is installed."""
    yield from _asked("versions", versions, seconds)
    if plan is None:
        return
    for warning in plan.warnings:
        yield warn("pipeline", warning.message, warning.hint or "see `afterbay validate`")
    yield ok("pipeline", f"{plan.name}: {len(plan.nodes)} nodes")
    yield from _asked("state folder", lambda: state_folder(plan.state_dir), seconds)
    yield from _asked("state", lambda: state(plan), seconds)
    for item in plan.nodes:
        node, name = item.node, item.name
        if isinstance(node, NeedsExtras):
            yield from (extra(needed, name) for needed in node.extras)
        if isinstance(node, KeepsSpool):
            place = node.spool_folder(plan.state_dir / "nodes" / name)
            quota = node.spool_quota
            yield from _asked(f"spool '{name}'", _bind(spool_folder, name, place, quota), seconds)
        if isinstance(node, Examines):
            yield from _asked(f"{item.kind} '{name}'", _bind(node.examine, name, clock), seconds)


def state(plan: Plan) -> Iterator[Finding]:
    """What the state says: is it whole, has a run it, what was left open, what is out of reach."""
    try:
        found = read_status(plan.state_dir)
    except AfterbayError as refused:
        if refused.code != "state.absent":
            raise
        yield ok("state", f"none yet in {plan.state_dir}: the first run makes it")
        return
    if found.pipeline != plan.name:
        yield fail(
            "state",
            f"{plan.state_dir} belongs to pipeline '{found.pipeline}', not to '{plan.name}'",
            "give each pipeline a state directory of its own (`state:` or --state)",
        )
    else:
        yield ok("state", f"whole, version {found.migrations[-1]}")
    yield ok("lock", f"held by {found.holder or 'a run'}" if found.locked else "free")
    if found.intents and not found.locked:
        paths = ", ".join(f"'{intent.path}'" for intent in found.intents[:3])
        yield warn(
            "files under way",
            f"{len(found.intents)} were begun by a run that died: {paths}",
            "nothing to do: the next run looks for each in the store and settles it (I6)",
        )
    else:
        yield ok("files under way", f"{len(found.intents)}" if found.intents else "none")
    for sink, outage in found.outages.items():
        yield warn(
            f"sink '{sink}' outage",
            f"{outage.operation} of '{outage.key}' fails since {outage.since}: {outage.reason}",
            "nothing is lost, and it is tried again for up to 15 minutes: mend the store",
        )


def _bind(question: Callable[..., Iterable[Finding]], *arguments: object) -> Callable[[], Iterable[Finding]]:
    return lambda: question(*arguments)


def _asked(subject: str, question: Callable[[], Iterable[Finding]], seconds: float) -> Iterator[Finding]:
    """The answers to one question; what it raises, and silence, are answers too."""
    found: list[Finding] = []

    def ask() -> None:
        try:
            answers = iter(question())
            # One by one: what came before a failure counts.
            while (finding := next(answers, None)) is not None:
                found.append(finding)
        except AfterbayError as error:
            found.extend(fail(subject, item.message, item.hint) for item in error.diagnostics)
        except OSError as error:
            found.append(fail(subject, f"{error.strerror or error}", "see whether the user may read and write there"))

    # A thread that hangs in the system cannot be ended: it must not keep the process alive.
    asking = threading.Thread(target=ask, name=f"doctor/{subject}", daemon=True)
    asking.start()
    asking.join(seconds)
    if asking.is_alive():
        yield from list(found)
        yield fail(subject, f"no answer within {seconds:g} s", "see whether its disk or server is in reach")
        return
    yield from found
