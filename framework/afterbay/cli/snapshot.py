"""How far a run is, at one moment, and how fast it went since an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from afterbay.cli.amounts import count, duration, size

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan
    from afterbay.instruments import StoreOutage
    from afterbay.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Totals `seconds` after the start. Sizes are bytes; `lag` is seconds of the slowest partition, None if unknown.

    `held_back`: what a spool holds its source back for, "" if none does. `outage`: the longest of a store, if any.
    """

    seconds: float
    rows_in: int = 0
    rows_stored: int = 0
    bytes_stored: int = 0
    files: int = 0
    spool_memory: int = 0
    spool_disk: int = 0
    lag: float | None = None
    spool_quota: int = 0
    held_back: str = ""
    outage: StoreOutage | None = None

    @classmethod
    def take(cls, plan: Plan, telemetry: Telemetry, seconds: float) -> Snapshot:
        """Reads the run's totals and levels. Any thread."""
        from afterbay.runtime.report import Counts

        counts = Counts.of(plan, telemetry)
        spools = list(telemetry.spools().values())
        return cls(
            seconds=seconds,
            rows_in=counts.rows_in,
            rows_stored=counts.rows_stored,
            bytes_stored=counts.bytes,
            files=counts.files,
            spool_memory=sum(levels.memory for levels in spools),
            spool_disk=sum(levels.disk for levels in spools),
            lag=max(telemetry.lag().values(), default=None),
            spool_quota=sum(levels.quota for levels in spools),
            held_back=next((levels.held_back for levels in spools if levels.held_back), ""),
            outage=max(telemetry.outages().values(), key=lambda outage: outage.seconds, default=None),
        )

    def fields(self, since: Snapshot) -> tuple[tuple[str, str], ...]:
        """What the progress line says: (label, value), the rates measured since an earlier snapshot."""
        elapsed = max(self.seconds - since.seconds, 1e-9)
        rows = (self.rows_in - since.rows_in) / elapsed
        megabytes = (self.bytes_stored - since.bytes_stored) / elapsed / 1e6
        return (
            ("rows in", f"{count(self.rows_in)} ({count(round(rows))}/s)"),
            ("stored", f"{count(self.rows_stored)} ({megabytes:.1f} MB/s)"),
            ("files", count(self.files)),
            ("spool", self._spool()),
            ("checkpoint lag", "-" if self.lag is None else duration(self.lag)),
            *([("store failing", f"{duration(self.outage.seconds)} ({self.outage.operation})")] if self.outage else []),
        )

    def _spool(self) -> str:
        used = f"{size(self.spool_memory)} memory, {size(self.spool_disk)} disk"
        held = f", held back ({self.held_back})" if self.held_back else ""
        return used + (f" of {size(self.spool_quota)}" if self.spool_quota else "") + held
