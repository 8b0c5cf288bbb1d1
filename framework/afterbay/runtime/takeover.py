"""Taking over from another run of the same pipeline: the start waits for the state, and says for whom."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from afterbay.state.lock import Holder, Patience

log = logging.getLogger("afterbay.run")


def patience(
    directory: Path,
    seconds: float | None,
    *,
    say: Callable[[str], None] = log.warning,
    look: Callable[[], None] = lambda: None,
) -> Patience | None:
    """How a run waits for the state in `directory`: `seconds` at most, 0: not at all (None), None: for ever.

    `say` is told whom it waits for, once a holder. `look` is called before each wait; what it raises ends the waiting.
    """
    if seconds == 0:
        return None
    told: list[Holder | None] = []
    limit = "" if seconds is None else f", for {seconds:g} s at most"

    def looked(holder: Holder | None) -> None:
        look()
        # A holder that has not written its name yet has one at the next look, as a rule.
        if holder is not None and holder not in told:
            told[:] = [holder]
            say(f"waiting for the end of the run that has the state {directory}: {holder}{limit}")

    return Patience(seconds, looked)
