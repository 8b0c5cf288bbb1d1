"""The invariants in plain words, and which of them a refusal protects.

A run that cannot go on says what it would break if it did (`Diagnostic`): not an annoyance to be forced away, but a
promise that is kept. Numbers and words are those of docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Invariant(Enum):
    """Number -> what must be true, for people."""

    I1 = "honest checkpoint: what the checkpoint says is stored, is stored"
    I2 = "three commits, in order: object, then checkpoint, and only then may the source discard"
    I3 = "DDL order: a schema file is visible only after every earlier change of its tables"
    I4 = "table order: a table's rows reach the store in commit order"
    I5 = "nothing lost: every change is stored or dropped for a told reason, or the run fails"
    I6 = "nothing repeated: every change is in exactly one indexed data file"
    I7 = "spool: what comes out is byte for byte what went in"
    I8 = "bounded: memory and disk stay within their configured bytes"
    I9 = "live: a run that is stuck says so, and where"
    I10 = "refused, not mangled: what is not understood is refused with its place"

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


PROTECTED: Mapping[str, Invariant] = {
    # I1
    "ledger.mint": Invariant.I1,
    "ledger.promise": Invariant.I1,
    "state.checkpoint": Invariant.I1,
    "state.withdraw": Invariant.I1,
    "state.corrupt": Invariant.I1,
    "cloud_storage.root_lost": Invariant.I1,
    "cloud_storage.file_damaged": Invariant.I1,
    "metadata.unreadable": Invariant.I1,
    "store.ahead": Invariant.I1,
    # I3
    "state.schema": Invariant.I3,
    "schema_file.conflict": Invariant.I3,
    "barrier.disagree": Invariant.I3,
    "ddl.incomplete": Invariant.I3,
    # I4
    "state.order": Invariant.I4,
    # I5
    "ledger.twice": Invariant.I5,
    "ledger.lost": Invariant.I5,
    "version.stale": Invariant.I5,
    "change_log.begins": Invariant.I5,
    "change_log.cursor": Invariant.I5,
    "change_log.late": Invariant.I5,
    "demo.cursor": Invariant.I5,
    "rebuild.store": Invariant.I5,
    "rebuild.source": Invariant.I5,
    "rebuild.renamed": Invariant.I6,
    "rebuild.partitions": Invariant.I6,
    "rebuild.sinks": Invariant.I6,
    # I6
    "state.locked": Invariant.I6,
    "state.open": Invariant.I6,
    "state.number": Invariant.I6,
    "state.repeated": Invariant.I6,
    "state.intent": Invariant.I6,
    "replay.count": Invariant.I6,
    "recovery.mismatch": Invariant.I6,
    "cloud_storage.root_not_empty": Invariant.I6,
    "cloud_storage.state_older": Invariant.I6,
    "cloud_storage.straddle": Invariant.I6,
    "index.unreadable": Invariant.I6,
    "store.exists": Invariant.I6,
    "store.changed": Invariant.I6,
    # I7
    "spool.damaged": Invariant.I7,
    "spool.misuse": Invariant.I7,
    "spool.size": Invariant.I7,
    "spool.locked": Invariant.I7,
    # I8
    "store.large": Invariant.I8,
    # I9
    "run.stuck": Invariant.I9,
    # I10
    "spool.foreign": Invariant.I10,
    "state.foreign": Invariant.I10,
    "state.identity": Invariant.I10,
    "state.newer": Invariant.I10,
    "state.pipeline": Invariant.I10,
    "store.folded": Invariant.I10,
    "store.foreign": Invariant.I10,
    "schema_file.unreadable": Invariant.I10,
}
"""Code of an error -> what going on would break."""
