"""One thing that is wrong with a store, as data, and what would be right."""

from __future__ import annotations

import re
from dataclasses import dataclass

from afterbay.errors import Diagnostic, Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.bucket.findings import Finding, Rule

STRICT = frozenset({Rule.SCHEMA_FORM})
"""What a reader can live with, and no writer writes."""

_ROW = re.compile(r"row ([0-9]+)", re.ASCII)

HINTS = {
    "bucket.changed": "nobody removes or changes a file of an index but the cleanup of old days: verify once more",
    "metadata.form": 'it holds {"checkpoint-ts":N} and nothing else',
    "number.form": "all numbers of a series have as many digits, unless they need more",
    "date.form": "a date level is a year, a month or a day",
    "schema_file.statement": "the file, or one before it, is not what the writer wrote",
    "rows.update_pair": "with old values an update is a D and an I behind it, both with is-update true",
    "commit_ts.order": "commit-ts never falls within a file or along the index of one folder",
    "ordinal.order": "ordinals rise within a commit-ts",
    "date.order": "the date of a folder never goes back: what is in a later one was committed later",
    "version.bounds": "rows are of the schema version that was in force when they were committed",
    "transaction.split": "a transaction of one table is in one file, unless it passed the sink's transaction_limit or "
    "the spool was full: if that may have been, say so with --transaction-limit",
    "canal.frame": "the line was changed, or written by another encoder",
    "against.row": "the row was changed",
    "against.missing": "a change was lost, or the log is of another pipeline",
    "against.extra": "a change was stored twice or comes from elsewhere, or the log does not go back far enough",
    "against.order": "changes of a table are stored in the order in which they were committed",
    "against.columns": "the log and the store do not agree about a DDL, or columns were left out (select_columns)",
    "against.version": "rows are of the schema version that was in force when they were committed",
    "against.table": "apply the store once more (if it was with --tables, verify with the same), or the database is of "
    "another store",
    "against.checkpoint": "give the whole log; or the checkpoint is not honest",
    "against.ddl": "the schema file was changed, or the log is of another pipeline",
    "against.ddl_missing": "bring the schema file back: readers miss a DDL",
    "against.ddl_extra": "the log does not go back far enough, or the schema file is of another pipeline",
    "state.checkpoint": "the state was set back, or is another pipeline's",
    "state.number": "files were lost, or the state was set back or is another pipeline's",
    "state.position": "the file was changed, or the state is another pipeline's",
    "state.totals": "files were lost or changed, or the state was set back or is another pipeline's",
    "state.file": "the next run would refuse it: another writer works in this root, or the file was changed",
    "checkpoint.ahead": "everything at or below the checkpoint is to be in an indexed file",
}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """A rule that does not hold: where (a key of the store; `row` from 1, 0 for the file as a whole), and in words."""

    key: str
    row: int
    code: str
    message: str
    table: str = ""
    hint: str | None = None

    @classmethod
    def of(cls, finding: Finding) -> Fault:
        """What a snapshot found."""
        told = finding.diagnostic()
        return cls(finding.key, 0, told.code, told.message, hint=told.hint)

    @classmethod
    def of_error(cls, error: RunFailed, key: str) -> Fault:
        """What made a file unreadable."""
        told = error.diagnostics[0]
        place = told.place or Place()
        row = _ROW.fullmatch(place.position or "")
        return cls(key, int(row[1]) if row else 0, told.code, told.message, place.table or "", told.hint)

    def diagnostic(self) -> Diagnostic:
        """As every other finding of Afterbay is told."""
        place = Place(
            file=visible(self.key) or None,
            table=visible(self.table) or None,
            position=f"row {self.row}" if self.row else None,
        )
        return Diagnostic(self.code, self.message, place, self.hint or HINTS.get(self.code))


def is_fault(finding: Finding) -> bool:
    """True if a snapshot's finding is a fault for a verifier."""
    return finding.is_fault or finding.rule in STRICT
