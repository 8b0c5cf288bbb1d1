"""One series: the files that are numbered together in one directory, held against their index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from afterbay_nodes.bucket.findings import Finding, Rule
from afterbay_nodes.bucket.keys import data_name


@dataclass(frozen=True, slots=True)
class Found:
    """A data file that was listed."""

    key: str
    size: int
    extension: str


@dataclass(slots=True)
class Series:
    """What was listed of one series. `files` maps numbers to files; `newest` is what the index says, 0 without one.

    `named` is the index's own text, "" without one.
    """

    directory: str
    stem: str
    files: dict[int, Found] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    newest: int = 0
    named: str = ""

    @property
    def index_key(self) -> str:
        """Where the index is, if there is one."""
        return f"{self.directory}/meta/{self.stem}.index"

    def add(self, number: int, found: Found) -> None:
        """A file was listed."""
        if self.files.setdefault(number, found) != found:
            self.twice.append(found.key)

    def read_index(self, content: bytes) -> Finding | None:
        """Takes what the index file says: the base name of the newest complete file, and a line feed."""
        base = content.decode(errors="replace")
        named = data_name(self.directory, base.removesuffix("\n"))
        if named is None or named.stem != self.stem or not base.endswith("\n"):
            shown = repr(content[:80])
            return Finding(self.index_key, Rule.INDEX_UNREADABLE, f"the index holds {shown}, not a file's name")
        self.newest, self.named = named.number, base.removesuffix("\n")
        return None

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the numbers."""
        where = f"{self.directory}/{self.stem}"
        if self.newest and self.newest not in self.files:
            yield Finding(self.index_key, Rule.INDEX_WITHOUT_FILE, f"names file {self.newest}, which is not there")
        elif self.named and self.files[self.newest].key != f"{self.directory}/{self.named}":
            there = self.files[self.newest].key.rpartition("/")[2]
            yield Finding(self.index_key, Rule.INDEX_WITHOUT_FILE, f"names '{self.named}'; what is there is '{there}'")
        missing = [number for number in _gaps(self.files, self.newest) if number != self.newest]
        if missing:
            shown = ", ".join(map(str, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            yield Finding(where, Rule.NUMBER_GAP, f"file {shown} of 1 to {self.newest} is not there")
        for key in self.twice:
            yield Finding(key, Rule.NUMBER_TWICE, "another file of this directory has the same number")
        beyond = [number for number in sorted(self.files) if number > self.newest]
        if len(beyond) > 1:
            message = (
                f"{len(beyond)} files are above its number {self.newest}; a writer is never ahead by more than one"
            )
            yield Finding(self.index_key, Rule.INDEX_BEHIND, message)
        else:
            for number in beyond:
                yield Finding(
                    self.files[number].key, Rule.NUMBER_ORPHAN, f"not in the index, which ends at {self.newest}"
                )


def _gaps(files: dict[int, Found], newest: int) -> list[int]:
    """The numbers up to `newest` that are not there; the first ones, if there are very many."""
    held = [0, *sorted(number for number in files if number < newest), newest]
    missing: list[int] = []
    for before, after in pairwise(held):
        missing.extend(range(before + 1, min(after, before + 1001)))
        if len(missing) > 1000:
            break
    return missing
