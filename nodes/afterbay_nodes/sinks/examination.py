"""A sink's store as the doctor looks at it: in reach, ours to write, and what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from afterbay.clock import Clock
from afterbay.doctor.finding import Finding, fail, ok, warn
from afterbay.doctor.folders import file_system, is_network, nearest
from afterbay_nodes.bucket.bucket import Tally
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.store import StoreOptions
from afterbay_nodes.storage.traits import TellsTraits

if TYPE_CHECKING:
    from afterbay_nodes.sinks.cloud_storage import CloudStorage

BRIEF = StoreOptions(
    connections=2,
    connect_timeout=5.0,
    read_timeout=10.0,
    operation_deadline=10.0,
    tries_deadline=10.0,
    check_deadline=10.0,
)
LARGEST_SKEW = 60.0
"""Seconds. Requests are signed with the time, and refused by S3 from 15 minutes on; dates in paths come from here."""


def examine(node: CloudStorage, name: str, clock: Clock) -> Iterator[Finding]:
    """See `afterbay.doctor.finding.Examines`."""
    place, subject = node.store_uri, f"store of '{name}'"
    if not place.keeps:
        yield warn(subject, f"{place.display} keeps nothing", "give a folder or a bucket, if the data is wanted")
        return
    if place.scheme == "file":
        there = nearest(Path(place.path))
        kind = file_system(there)
        if is_network(kind):
            yield warn(
                f"{subject} disk",
                f"{there} is on a network file system ({kind})",
                "whether a file that is synced there survives its server is up to that server",
            )
        if there != Path(place.path).absolute():
            yield ok(subject, f"{place.display} is not there yet; the first run makes it in {there}")
            return
    with closing(open_store(place, BRIEF, clock=clock, meter=Tally())) as store:
        store.check()
        yield ok(subject, f"{place.display} is in reach and may be written")
        if isinstance(store, TellsTraits):
            before = clock.now()
            traits = store.traits()
            yield from _promises(subject, traits.conditional, traits.compares)
            if traits.time is not None:
                skew = (before - traits.time).total_seconds()
                text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the store's clock"
                if abs(skew) > LARGEST_SKEW:
                    yield fail(f"{subject} clock", f"this machine is {text}", "set the clock (NTP)")
                else:
                    yield ok(f"{subject} clock", "as the store's" if abs(skew) < 2 else f"this machine is {text}")


def _promises(subject: str, conditional: bool, compares: bool) -> Iterator[Finding]:
    if conditional and compares:
        yield ok(f"{subject} conditions", "it knows conditional writes and replacing")
    else:
        what = "replacing" if conditional else "writes"
        yield warn(
            f"{subject} conditions",
            f"it does not know conditional {what}",
            "let only this pipeline write there: names are looked up before they are written, which does not keep a "
            "second writer out",
        )
