"""A drill in words and figures."""

from __future__ import annotations

from collections.abc import Sequence

from tests.drill.outage import Drill, Sample

MIB = 1 << 20


def summary(found: Drill) -> str:
    """One line a fact."""
    facts = {**before_after(found), "verify against the log and the state": found.verdict}
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())


def before_after(found: Drill) -> dict[str, str]:
    """What was measured, by name."""
    during = [one for one in found.samples if found.stopped <= one.at <= found.started]
    full = next((one.at - found.stopped for one in during if one.held_back), None)
    settled = next((one.at for one in found.samples if one.at > found.started and caught_up(one)), None)
    after = [one for one in found.samples if found.started <= one.at <= (settled or found.samples[-1].at)]
    return {
        "rows fed": f"{found.rows:,} ({found.plan.rows_per_second:,} a second)",
        "the store was away": f"{found.started - found.stopped:.0f} s",
        "the source was held back after": "never" if full is None else f"{full:.0f} s",
        "spool, most": f"{max(one.spool for one in found.samples) / MIB:,.0f} MiB of {found.plan.quota / MIB:,.0f}",
        "rows waiting upstream, most": f"{max(one.waiting for one in found.samples):,}",
        "lag, most": f"{max(one.lag for one in found.samples):.0f} s",
        "memory before, most": f"{_most(found.samples, found.stopped)} and {_peak(found.samples)} MiB",
        "caught up after": "not" if settled is None else f"{settled - found.started:.0f} s",
        "stored a second while catching up": f"{_rate(after):,.0f} rows",
    }


def caught_up(one: Sample) -> bool:
    """True if no more waits than a moment's rows."""
    return one.lag < 15 and not one.held_back and one.outage == 0


def _rate(samples: Sequence[Sample]) -> float:
    if len(samples) < 2 or samples[-1].at == samples[0].at:
        return 0.0
    return (samples[-1].stored - samples[0].stored) / (samples[-1].at - samples[0].at)


def _most(samples: Sequence[Sample], until: float) -> str:
    return f"{max(one.memory for one in samples if one.at <= until) / MIB:,.0f}"


def _peak(samples: Sequence[Sample]) -> str:
    return f"{max(one.memory for one in samples) / MIB:,.0f}"
