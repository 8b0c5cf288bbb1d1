"""Rows that are fetched while those before them are decoded."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from afterbay_nodes.sources.postgres.copy_wire import Piece, Rows

AHEAD_BYTES: Final = 4 << 20
"""Of pieces that wait to be taken; one may be larger."""


class ReadAhead:
    """Owns `rows` and the thread that reads them. `get` and `close` are one thread's."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._changed = threading.Condition()
        self._pieces: deque[Piece] = deque()
        self._nbytes = 0
        self._over = False
        self._error: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._read, name="postgres/copy")
        self._thread.start()

    @property
    def done(self) -> bool:
        """There are no more, and nothing was raised that `get` has still to raise."""
        with self._changed:
            return self._over and not self._pieces and self._error is None

    def get(self, seconds: float) -> Piece | None:
        """The next piece; waits for it, then gives None. Raises what reading has raised, behind the last piece."""
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._over, seconds)
            if self._pieces:
                piece = self._pieces.popleft()
                self._nbytes -= len(piece.data)
                self._changed.notify_all()
                return piece
            if self._error is not None:
                raise self._error
            return None

    def close(self) -> None:
        """Ends the thread, within the time that a read takes."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._rows.close()

    def _read(self) -> None:
        try:
            while not self._closing and not self._rows.done:
                piece = self._rows.read()
                if piece is not None:
                    self._put(piece)
        except Exception as error:  # raised again by `get`
            self._error = error
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _put(self, piece: Piece) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or not self._pieces or self._nbytes + len(piece.data) <= AHEAD_BYTES
            )
            self._pieces.append(piece)
            self._nbytes += len(piece.data)
            self._changed.notify_all()
