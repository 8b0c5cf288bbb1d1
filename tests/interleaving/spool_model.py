"""The spool under threads: one puts, two read and release, the catalog's own commits and unlinks (I7, I8, I9)."""

from __future__ import annotations

from pathlib import Path

from afterbay import credit
from afterbay.credit import CreditWindow
from afterbay.spool import budget, catalog, segments, spool
from afterbay.spool.limits import Limits
from afterbay.spool.spool import Entry, Reservoir
from afterbay.telemetry import Telemetry
from tests.interleaving.scheduler import Turns
from tests.support.encoded import encoded
from tests.support.spool import rows

MODULES = (budget, catalog, segments, spool, credit)
LIMITS = Limits(quota=60_000, memory=12_000, segment=8_000)


class SpoolModel:
    """One run: each size is a batch; `holds` is how many entries the readers keep while the spool has room."""

    def __init__(self, turns: Turns, folder: Path, sizes: list[int], holds: int) -> None:
        self.turns, self.folder, self.sizes, self.holds = turns, folder, sizes, holds
        self.live: list[tuple[Entry, bytes]] = []
        self.putting = True

    def run(self, seed: int) -> None:
        """One interleaving to the end, with the closing."""
        self.turns.run(seed, self._main)

    def _main(self) -> None:
        meter = Telemetry("test").node("spool")
        self.spool = Reservoir.open(self.folder, LIMITS, self.turns, meter)
        self.window = CreditWindow(30_000, self.turns)
        self.turns.checks.append(self._bounded)
        threads = [self.turns.spawn("putter", self._put_all)]
        threads += [self.turns.spawn(f"reader {number}", self._read_all) for number in range(2)]
        for thread in threads:
            thread.join()
        self.spool.drain()
        self._nothing_is_left()
        self.spool.close()
        assert [path.name for path in self.folder.glob("segment-*")] == []

    def _bounded(self) -> None:
        """At every moment (I8); without its lock, which is not to be taken here."""
        held = self.spool._budget
        if held._changed.locked():  # type: ignore[attr-defined]
            return  # somebody is counting
        assert held._heap >= 0
        assert held._disk >= 0
        within = held._heap + held._disk <= LIMITS.quota or held._entries == 1  # one that is larger is alone
        assert within, f"{held._heap} + {held._disk} bytes are held in {held._entries} entries"

    def _put_all(self) -> None:
        for number, size in enumerate(self.sizes):
            payload = bytes([number % 251]) * size
            credit = self.window.take(size)
            entry = self.spool.put(encoded(payload))
            self.spool.enqueued(credit)
            self.live.append((entry, payload))
        self.putting = False

    def _read_all(self) -> None:
        while True:
            self.turns.until("an entry", lambda: not self.putting or len(self.live) > self._kept())
            if not self.live:
                return
            entry, payload = self.live.pop(0)
            assert b"".join(bytes(piece) for piece in entry.read()) == payload, "wrong bytes (I7)"
            entry.release()

    def _kept(self) -> int:
        # As the sink does: it flushes while the spool is over its watermark.
        held = self.spool._budget
        return 0 if held._high or held._waiting else self.holds

    def _nothing_is_left(self) -> None:
        levels = self.spool.levels()
        assert (levels.memory, levels.disk, levels.entries, levels.segments) == (0, 0, 0, 0), levels
        assert self.spool.references() == {}
        assert rows(self.folder, "select count(*) from segments") == [(0,)]
        assert rows(self.folder, "select count(*) from entries") == [(0,)]
        assert [path.name for path in self.folder.glob("segment-*")] == []
        assert self.window.under_way == 0, "a credit was not given back (I9)"
