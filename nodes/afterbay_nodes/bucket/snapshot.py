"""A store at one moment: consistent even while it is being written (I3)."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.errors import RunFailed
from afterbay.schema import TableName
from afterbay_nodes.bucket.findings import Finding
from afterbay_nodes.bucket.steps import FileStep, Progress, SchemaStep, Step

MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a reader may use. `checkpoint` was read first, so everything at or below it is in `steps`.

    It is None if there is no metadata. Rows above it are in files too: others of their time may still come.
    `findings` are sorted by key. `orphans` are data files above their index, which nobody may use.
    """

    display: str
    checkpoint: int | None
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    orphans: tuple[FileStep, ...] = ()

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that there are, dropped ones included."""
        return frozenset(step.table for step in self.steps if step.table is not None)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that break what a reader relies on."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    def raise_for_faults(self) -> None:
        """Raises RunFailed with the first faults, if there are any."""
        told = [fault.diagnostic() for fault in self.faults[:MOST_TOLD]]
        if told:
            raise RunFailed(told[0].code, f"{len(self.faults)} fault(s) in {self.display}", diagnostics=told)

    def after(self, progress: Progress) -> tuple[Step, ...]:
        """The steps that `progress` does not have yet, in order.

        Raises RunFailed `bucket.late` if a data file of an old version is new although its table's next version was
        begun, or the table was renamed: its rows would meet the wrong columns.
        """
        left = tuple(step for step in self.steps if not progress.has(step))
        renamed: dict[TableName, int] = {}
        for step in self.steps:
            if isinstance(step, SchemaStep) and step.renamed_from is not None and progress.has(step):
                renamed[step.renamed_from] = step.version
        for step in left:
            if isinstance(step, FileStep):
                begun = max(progress.schemas.get(step.owner, -1), renamed.get(step.table, -1))
                if step.version < begun:
                    raise RunFailed(
                        "bucket.late",
                        f"'{step.key}' in {self.display} is of version {step.version}, but its table was read up to "
                        f"version {begun} before it came",
                        hint="its writer broke the order of the protocol; read the store again into an empty target",
                    )
        return left

    def progress(self) -> Progress:
        """How far a reader has come that took every step."""
        files: dict[str, int] = {}
        schemas: dict[str, int] = {}
        for step in self.steps:
            if isinstance(step, SchemaStep):
                schemas |= dict.fromkeys(step.owners, step.version)
            else:
                files[step.series] = step.number
        return Progress(files, schemas)
