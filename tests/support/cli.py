"""The `afterbay` command as a user has it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-c", "import sys; from afterbay.cli import main; sys.exit(main())")
REPOSITORY = Path(__file__).parents[2]
DISTURBED = (sys.executable, str(Path(__file__).with_name("disturbed.py")))


@dataclass(frozen=True, slots=True)
class Finished:
    """How a call ended."""

    exit_code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        """The codes of the findings that `--json` printed."""
        return [item["code"] for item in self.data["diagnostics"]]


def afterbay(*arguments: str | Path, cwd: Path, timeout: float = 120, **env: str) -> Finished:
    """Runs the command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def dies(step: str, *arguments: str | Path, cwd: Path) -> None:
    """Runs the command so that it is killed at `step` (see `disturbed`). AssertionError if it lives on."""
    command = [*DISTURBED, step, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, f"it did not come to {step}:\n{done.stdout}{done.stderr}"


@contextmanager
def started(
    *arguments: str | Path, cwd: Path, errors: Path, step: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, started; what it says on stderr goes to the file `errors`. It has ended when the block is left.

    With `step` it is disturbed there. A block that is left by an error kills it: a run that hangs must not make the
    test hang too.
    """
    command = [*COMMAND] if step is None else [*DISTURBED, step]
    with errors.open("ab") as file:
        run = subprocess.Popen(
            [*command, *map(str, arguments)], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file
        )
    try:
        yield run
    except BaseException:
        run.kill()
        raise
    finally:
        run.wait()
