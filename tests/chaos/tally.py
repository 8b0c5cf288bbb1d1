"""What a chaos run did and found, counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.checker import Violation


@dataclass
class Tally:
    """Counts of one chaos run. `rows` and `files` are those stored at the ends of scenarios."""

    seed: int
    scenarios: int = 0
    lives: int = 0
    kills: int = 0
    restarts: int = 0
    checks: int = 0
    rows: int = 0
    files: int = 0
    seconds: float = 0.0
    memory: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def violated(self, place: str, found: list[Violation]) -> None:
        """Notes violations of one look."""
        self.violations += [f"{place}: {violation}" for violation in found]

    def to_dict(self) -> dict[str, object]:
        """All of it, for `--json`."""
        return {
            "seed": self.seed,
            "minutes": round(self.seconds / 60, 1),
            "scenarios": self.scenarios,
            "lives": self.lives,
            "kills": self.kills,
            "restarts": self.restarts,
            "checks": self.checks,
            "rows": self.rows,
            "files": self.files,
            "most_memory": self.memory,
            "faults": dict(sorted(self.faults.items())),
            "refusals": dict(sorted(self.codes.items())),
            "violations": self.violations,
        }

    def text(self) -> str:
        """The summary for people."""
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        codes = ", ".join(f"{name} {count}" for name, count in sorted(self.codes.items()))
        return "\n".join(
            [
                f"seed {self.seed}: {self.scenarios} scenarios in {self.seconds / 60:.1f} min",
                f"{self.lives} lives, {self.kills} killed, {self.restarts} restarts, {self.checks} checks",
                f"{self.rows} rows in {self.files} files, {self.memory >> 20} MiB of memory at most",
                f"{self.faults.total()} faults: {faults}",
                f"ended with: {codes}",
                f"violations: {len(self.violations)}",
                *self.violations,
            ]
        )

    def markdown(self) -> str:
        """The table of docs/reliability.md."""
        groups: Counter[str] = Counter()
        for name, count in self.faults.items():
            groups[name.partition(" ")[0]] += count
        rows = [
            ("seed", self.seed),
            ("minutes", f"{self.seconds / 60:.0f}"),
            ("pipelines", self.scenarios),
            ("lives (processes)", self.lives),
            ("killed by SIGKILL", self.kills),
            ("restarts", self.restarts),
            ("checks of I1 to I8", self.checks),
            ("rows stored", self.rows),
            ("files stored", self.files),
            ("most memory of a process", f"{self.memory >> 20} MiB"),
            ("faults that happened", self.faults.total()),
            *((f"… {name}", count) for name, count in sorted(groups.items())),
            ("violations", len(self.violations)),
        ]
        return "\n".join(["| what | figure |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])

    def json(self) -> str:
        """As one line."""
        return json.dumps(self.to_dict())
