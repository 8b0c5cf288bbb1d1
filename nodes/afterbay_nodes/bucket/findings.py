"""What a reader finds wrong in a store, as data: a verifier goes on behind it, an apply stops before it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from afterbay.errors import Diagnostic, Place
from afterbay.printable import visible


class Rule(StrEnum):
    """The rules that a store can break. A `note` breaks none that a reader relies on."""

    INDEX_WITHOUT_FILE = "index.without_file"
    INDEX_BEHIND = "index.behind"
    INDEX_UNREADABLE = "index.unreadable"
    NUMBER_GAP = "number.gap"
    NUMBER_TWICE = "number.twice"
    NUMBER_ORPHAN = "number.orphan"
    KEY_UNKNOWN = "key.unknown"
    METADATA_UNREADABLE = "metadata.unreadable"
    SCHEMA_UNREADABLE = "schema_file.unreadable"
    SCHEMA_CHECKSUM = "schema_file.checksum"
    SCHEMA_NAMES = "schema_file.names"
    SCHEMA_FORM = "schema_file.form"
    SCHEMA_TWICE = "schema_file.twice"
    SCHEMA_MISSING = "schema_file.missing"


NOTES = frozenset({Rule.NUMBER_ORPHAN, Rule.KEY_UNKNOWN, Rule.SCHEMA_FORM})
"""A file that is not in the index (a writer may be at it, or died over it), one that no rule gives a name, and a schema
file that says what it should in other bytes."""

_HINTS = {
    Rule.INDEX_WITHOUT_FILE: "bring the file back; its rows are lost to every reader",
    Rule.INDEX_BEHIND: "the index was lost or set back: bring it back",
    Rule.INDEX_UNREADABLE: "it holds the base name of the newest complete data file and a line feed",
    Rule.NUMBER_GAP: "bring the file back; its rows are lost to every reader",
    Rule.NUMBER_TWICE: "two pipelines wrote into one directory: find out which file is whose",
    Rule.NUMBER_ORPHAN: "a writer is at it, or died over it: the next run of its pipeline settles it",
    Rule.KEY_UNKNOWN: "it is not part of the protocol and is passed over",
    Rule.METADATA_UNREADABLE: 'it holds {"checkpoint-ts":N}',
    Rule.SCHEMA_UNREADABLE: "bring back the bytes that were written",
    Rule.SCHEMA_CHECKSUM: "bring back the bytes that were written, under the name that they had",
    Rule.SCHEMA_NAMES: "it lies where it does not belong",
    Rule.SCHEMA_FORM: "nothing is lost by it; but the writer did not write these bytes",
    Rule.SCHEMA_TWICE: "one of them is of another pipeline",
    Rule.SCHEMA_MISSING: "bring the schema file back: without it the rows have no columns",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong: where (a key of the store), which rule, and in words what was found."""

    key: str
    rule: Rule
    message: str

    @property
    def is_fault(self) -> bool:
        """True if what a reader relies on does not hold; False for a note."""
        return self.rule not in NOTES

    def diagnostic(self) -> Diagnostic:
        """As every other finding of Afterbay is told."""
        return Diagnostic(str(self.rule), self.message, Place(file=visible(self.key)), _HINTS[self.rule])
