"""What a measurement is, and how a process's memory is watched from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

MB = 1e6


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the result. `seconds` and `floor_seconds` are all repetitions; the best of each is compared.

    `target` says what is to be reached, `figures` what else was seen. Without a floor the ratio is None.
    """

    name: str
    rows: int
    seconds: tuple[float, ...]
    target: str
    floor_seconds: tuple[float, ...] = ()
    floor_name: str = ""
    figures: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Rows a second, best repetition."""
        return self.rows / min(self.seconds)

    @property
    def ratio(self) -> float | None:
        """This rate by the floor's: 1.0 is as fast as the floor, more is faster."""
        return min(self.floor_seconds) / min(self.seconds) if self.floor_seconds else None

    def to_dict(self) -> dict[str, object]:
        """Plain data for `--json`."""
        return asdict(self) | {"rate": self.rate, "ratio": self.ratio}

    @classmethod
    def from_dict(cls, data: dict[str, object]) -> Measurement:
        """The inverse of :meth:`to_dict`."""
        known = {name: data[name] for name in cls.__dataclass_fields__}
        known |= {name: tuple(known[name]) for name in ("seconds", "floor_seconds")}  # type: ignore[arg-type]
        return cls(**known)  # type: ignore[arg-type]


def timed(step: Callable[[], object]) -> float:
    """Seconds that `step` takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def fresh(folder: Path) -> Path:
    """`folder` as it is before anything was written: not there, but its parent is."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak bytes of a process. `own` is what it holds besides mapped files; `resident` counts those too."""

    own: int
    resident: int


def run_apart(arguments: list[str]) -> tuple[list[Measurement], Memory]:
    """Runs `python -m benchmarks ARGUMENTS` in a process of its own and watches its memory every 10 ms."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
    )
    peak = Memory(0, 0)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            seen = _memory(child.pid)
            peak = Memory(max(peak.own, seen.own), max(peak.resident, seen.resident))

    watcher = threading.Thread(target=watch, name="memory")
    watcher.start()
    output = child.communicate()[0]
    done.set()
    watcher.join()
    if child.returncode != 0:
        raise SystemExit(f"benchmark {' '.join(arguments)} failed with exit code {child.returncode}")
    return [Measurement.from_dict(item) for item in json.loads(output)], peak


def _memory(pid: int) -> Memory:
    found = {"RssAnon": 0, "RssShmem": 0, "VmRSS": 0}
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return Memory(0, 0)
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) * 1024
    return Memory(found["RssAnon"] + found["RssShmem"], found["VmRSS"])
