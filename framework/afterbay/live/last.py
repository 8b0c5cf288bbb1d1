"""What a run leaves in its state directory to be looked at: its graph, and its last figures when it has ended.

For eyes only: nothing that a run does depends on it, and where it cannot be written the run goes on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afterbay.live.protocol import LAST_FILE, MOST_ANSWER, VERSION, parse
from afterbay.schema import Json

log = logging.getLogger("afterbay.live")


def leave(directory: Path, content: Mapping[str, Json]) -> None:
    """Writes it, readable by its owner alone; whoever reads meanwhile sees the former or this one."""
    beside = directory / f"{LAST_FILE}.new"
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"afterbay": VERSION, **content}, file)
        beside.replace(directory / LAST_FILE)
    except OSError as error:
        log.info("what the run looked like at last is not kept: %s", error)


def left(directory: Path) -> dict[str, Any] | None:
    """What the last run left, or None: nothing that can be read as such."""
    try:
        with (directory / LAST_FILE).open("rb") as file:
            content = parse(file.read(MOST_ANSWER))
    except (OSError, ValueError):
        return None
    shaped = isinstance(content.get("graph"), dict) and isinstance(content.get("figures"), dict | None)
    return content if content.get("afterbay") == VERSION and shaped else None
