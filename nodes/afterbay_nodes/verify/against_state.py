"""A store against the state of the pipeline that writes it: numbers of files, last changes, totals, files under way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from afterbay.checksum import crc32
from afterbay.errors import Diagnostic, PipelineInvalid, Place
from afterbay.printable import visible
from afterbay.state.records import Intent
from afterbay.state.stored import StoredFiles, StoredState, read_stored
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.storage.layout import METADATA
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.file_check import FileFacts
from afterbay_nodes.verify.report import Question, Unchecked
from afterbay_nodes.verify.verifier import Checked, Findings

_ADOPTED = "files that were there before the state, or another pipeline's (`--adopt` lets both be)"


class AgainstState:
    """A `Comparison` with a state directory, which is read when this is made: before the store, so that whatever the
    state says is stored is there, however a run goes on.
    """

    answers = frozenset[Question]()

    def __init__(self, directory: Path, sink: str = "") -> None:
        """Raises EnvironmentRefused if there is no readable state, PipelineInvalid if it does not have the sink."""
        self._state = read_stored(directory)
        self._files = _of(self._state, sink)
        self.name = f"the state {directory}"

    def __call__(self, checked: Checked) -> Findings:
        """See `Comparison`."""
        found = Findings()
        series = _Series(checked)
        found.faults += self._checkpoint(checked)
        found.faults += self._numbers(series, found)
        found.faults += self._positions(series)
        for intent in self._files.intents:
            found.faults += _under_way(checked, intent)
        if self._state.locked or self._files.cleaned_before or series.unknown(self._files):
            found.unchecked.append(Unchecked("how many files, changes and bytes are stored in all", self._why_open()))
        else:
            found.faults += self._totals(checked)
        found.unchecked.append(
            Unchecked("size and CRC-32 of files that are finished", "a state keeps them while a file is under way only")
        )
        return found

    def _checkpoint(self, checked: Checked) -> Iterator[Fault]:
        # A root that was taken shows 0 from then on, which promises nothing.
        shown, ours = checked.snapshot.checkpoint, max(self._state.checkpoints.values(), default=0)
        if shown is not None and shown > ours and not self._state.locked:
            told = "no checkpoint" if not self._state.checkpoints else f"the checkpoint {ours}"
            yield Fault(METADATA, 0, "state.checkpoint", f"it says {shown}, and the state has {told}")

    def _numbers(self, series: _Series, found: Findings) -> Iterator[Fault]:
        """The last number of each directory is in its index, and no directory is gone."""
        begun = {intent.directory: intent.number for intent in self._files.intents}
        gone: dict[str, None] = {}
        for directory, number in self._files.directories.items():
            newest = series.newest.get(_name(directory), 0)
            day = directory.partition("|")[0].rpartition("/")[2]
            if newest == 0 and day < self._files.cleaned_before:
                gone[directory] = None
            elif newest < number:
                message = f"the state has stored {number} files in it, its index ends at {newest}"
                yield Fault(_name(directory), 0, "state.number", message)
            elif newest > max(number, begun.get(directory, 0)) and not self._state.locked:
                message = f"its index ends at {newest}, and the state knows of {number} files"
                yield Fault(_name(directory), 0, "state.number", message)
        if gone:
            why = f"files of days before {self._files.cleaned_before} were removed by the sink's cleanup"
            found.unchecked.append(Unchecked("whether all files of old days were removed on purpose", why, tuple(gone)))
        for name in () if self._state.locked else series.unknown(self._files):
            place = Place(file=visible(name))
            found.notes.append(Diagnostic("state.unknown", f"the state does not know this folder: {_ADOPTED}", place))

    def _positions(self, series: _Series) -> Iterator[Fault]:
        """The file of a dispatcher's last change ends with it."""
        for position in self._files.positions.values():
            facts = series.files.get((_name(position.directory), position.number))
            if facts is None or facts.broken or not facts.dated:
                continue  # told by the numbers, or by the file itself
            row = position.row
            same = facts.last == row if facts.ordinals else facts.last.commit_ts == row.commit_ts
            if not same:
                told = f"{facts.last.commit_ts}/{facts.last.ordinal}" if facts.ordinals else str(facts.last.commit_ts)
                wanted = f"{row.commit_ts}/{row.ordinal}" if facts.ordinals else str(row.commit_ts)
                message = f"its last row is of {told}; the state has stored {wanted} in it"
                yield Fault(facts.step.key, facts.rows, "state.position", message, str(facts.step.table))

    def _totals(self, checked: Checked) -> Iterator[Fault]:
        begun = {intent.path for intent in self._files.intents}
        finished = [facts for facts in checked.files if facts.step.size and facts.step.key not in begun]
        counted = [("data files", len(finished), self._files.files)]
        counted.append(("bytes in data files", sum(facts.step.size for facts in finished), self._files.bytes))
        if not any(facts.broken for facts in finished):
            counted.append(("changes", sum(facts.changes for facts in finished), self._files.rows))
        for what, held, wanted in counted:
            if held != wanted:
                yield Fault("", 0, "state.totals", f"the store has {held} {what}, the state has stored {wanted}")

    def _why_open(self) -> str:
        if self._state.locked:
            return "a run is writing"
        return "the sink's cleanup removes old files" if self._files.cleaned_before else _ADOPTED


class _Series:
    """The store's files as the state names them: by directory and number."""

    def __init__(self, checked: Checked) -> None:
        self.files: dict[tuple[str, int], FileFacts] = {}
        self.newest: dict[str, int] = defaultdict(int)
        for facts in checked.files:
            step = facts.step
            self.files[step.series, step.number] = facts
            self.newest[step.series] = max(self.newest[step.series], step.number)

    def unknown(self, files: StoredFiles) -> list[str]:
        """Series that the state has never written to."""
        known = {_name(directory) for directory in files.directories} | {_name(it.directory) for it in files.intents}
        return sorted(self.newest.keys() - known)


def _name(directory: str) -> str:
    """A series as a reader names it: directory and stem."""
    plain, _, stem = directory.partition("|")
    return f"{plain}/{stem or 'CDC'}"


def _under_way(checked: Checked, intent: Intent) -> Iterator[Fault]:
    """A file that was begun is there as a whole, or not at all (or fenced by an empty one)."""
    steps = [facts.step for facts in checked.files] + list(checked.snapshot.orphans)
    step: FileStep | None = next((step for step in steps if step.key == intent.path), None)
    if step is None or step.size == 0:
        return
    if step.size != intent.size:
        message = f"it has {step.size} bytes; the state began to write {intent.size}"
        yield Fault(step.key, 0, "state.file", message, str(step.table))
        return
    crc = crc32(checked.bucket.load(step), 0)
    if crc != intent.crc:
        message = f"its CRC-32 is {crc:08x}; the state began to write {intent.crc:08x}"
        yield Fault(step.key, 0, "state.file", message, str(step.table))


def _of(state: StoredState, sink: str) -> StoredFiles:
    names: Mapping[str, StoredFiles] = state.sinks
    if sink:
        if sink in names:
            return names[sink]
        raise PipelineInvalid(
            "call.invalid", f"the state {state.directory} has no sink '{visible(sink)}'", hint=f"it has {_told(names)}"
        )
    stores = {name: files for name, files in names.items() if "root" in files.options}
    if len(stores) == 1:
        return next(iter(stores.values()))
    raise PipelineInvalid(
        "call.invalid",
        f"the state {state.directory} has {len(stores)} sinks that write stores",
        hint=f"say which with --sink: {_told(names)}",
    )


def _told(names: Mapping[str, StoredFiles]) -> str:
    return ", ".join(visible(name) for name in names) or "none"
