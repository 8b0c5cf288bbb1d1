"""The asker's end of the live socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.live.address import address
from afterbay.live.protocol import MOST_ANSWER, line, parse
from afterbay.printable import visible
from afterbay.schema import Json

SECONDS = 5.0
"""A run answers at once; one that is stopped or stuck does not."""


class Connection:
    """One connection to a run. Used by one thread at a time; owns the socket."""

    def __init__(self, connected: socket.socket, directory: Path) -> None:
        self._socket = connected
        self._file = connected.makefile("rb")
        self._directory = directory

    @classmethod
    def open(cls, directory: Path) -> Connection:
        """To the run that has the state in `directory`.

        Raises EnvironmentRefused: `live.absent` (nobody listens), `live.denied` (it is another user's).
        """
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.settimeout(SECONDS)
        try:
            with address(directory) as where:
                connected.connect(where)
        except PermissionError as error:
            connected.close()
            raise EnvironmentRefused(
                "live.denied",
                f"the run in {directory} is another user's",
                hint="ask as the user that runs the pipeline; `afterbay status` may read the state all the same",
            ) from error
        except OSError as error:
            connected.close()
            raise EnvironmentRefused(
                "live.absent",
                f"no run can be asked in {directory}",
                hint="start it with `afterbay run`; `afterbay status` tells how far the last one came",
            ) from error
        return cls(connected, directory)

    def ask(self, ask: str, **what: Json) -> dict[str, Json]:
        """The answer. Raises PipelineInvalid with what the run refused, EnvironmentRefused `live.lost` if it ended."""
        try:
            self._socket.sendall(line({"ask": ask, **what}))
            text = self._file.readline(MOST_ANSWER)
        except OSError as error:
            raise self._lost(str(error)) from error
        if not text.endswith(b"\n"):
            raise self._lost("it ended")
        try:
            answer = parse(text)
        except ValueError as error:
            raise self._lost(f"it does not speak this protocol: {error}") from error
        found, refused = answer.get("answer"), answer.get("error")
        if isinstance(found, dict):
            return found
        told: Mapping[str, Json] = refused if isinstance(refused, dict) else {}
        raise PipelineInvalid(
            visible(str(told.get("code", "live.answer"))), visible(str(told.get("message", "the run gave no answer")))
        )

    def close(self) -> None:
        """Ends the connection."""
        self._file.close()
        self._socket.close()

    def _lost(self, why: str) -> EnvironmentRefused:
        return EnvironmentRefused(
            "live.lost", f"the run in {self._directory} answers no more: {why}", hint="see `afterbay status`"
        )


@contextmanager
def connection(directory: Path) -> Iterator[Connection]:
    """See `Connection.open`; closed at the end of the block."""
    found = Connection.open(directory)
    try:
        yield found
    finally:
        found.close()
