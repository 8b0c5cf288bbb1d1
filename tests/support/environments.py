"""Virtual environments with one extra each: made once a machine, then found; Afterbay lies over them as it is now.

What a package needs is in the environment, under `~/.cache/afterbay-tests`. Afterbay itself is built as a wheel for
each test session and comes by `PYTHONPATH`, so that an environment serves every checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).parents[2]
INSTALLING = 900.0
# Airflow's servers want an older FastAPI than Prefect's: no one list of pins serves both.
APART = {"airflow": ("apache-airflow==3.3.2", "cadwyn==7.0.0", "fastapi==0.136.3")}
RUNNING = 240.0


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python with one extra, and the folder in which Afterbay is."""

    home: Path
    overlay: Path

    @property
    def python(self) -> str:
        return str(self.home / "bin" / "python")

    def variables(self, **more: str) -> dict[str, str]:
        """What a process in it sees: of this one's variables only those that any has."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME") if name in os.environ}
        path = f"{self.overlay / 'bin'}:{self.home / 'bin'}:{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.overlay), "VIRTUAL_ENV": str(self.home), "PYTHONUNBUFFERED": "1"}
        if "PYTHONPATH" in more:
            own["PYTHONPATH"] += ":" + more.pop("PYTHONPATH")
        return {**kept, **own, **more}

    def run(
        self, command: Sequence[str], cwd: Path, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs to the end. Fails with what was printed if the exit code is not 0."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.variables(**(variables or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUNNING,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        return done


def environment(extra: str, *also: str) -> Environment:
    """The environment with `extra`, and the requirements `also`. Raises CalledProcessError if it cannot be made."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *also]
    if extra:
        wanted += project["project"]["optional-dependencies"][extra]
    apart = APART.get(extra, ())
    replaced = ("apache-airflow", *(pin.partition("==")[0] + "==" for pin in apart)) if apart else ()
    shared = project["tool"]["uv"]["constraint-dependencies"]
    pins = [*apart, *(pin for pin in shared if not pin.startswith(replaced or "\n"))]
    said = "\n".join([sys.version, *sorted(wanted), *sorted(pins)])
    name = f"env-{extra or 'core'}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterbay-tests"
    cache_home.mkdir(parents=True, exist_ok=True)
    home = cache_home / name
    with (cache_home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers side by side make it once
        if not (home / "whole").exists():
            _make(home, wanted, pins)
    return Environment(home, overlay())


def _make(home: Path, wanted: Sequence[str], pins: Sequence[str]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    _uv("venv", "--quiet", "--python", sys.executable, str(home))
    constraints = home / "constraints.txt"
    constraints.write_text("\n".join(pins), encoding="utf-8")
    python = ["--python", str(home / "bin" / "python")]
    _uv("pip", "install", "--quiet", *python, "--constraint", str(constraints), *wanted)
    (home / "whole").touch()


@cache
def overlay() -> Path:
    """Afterbay as it is now, built and unpacked, for this process and its children."""
    folder = Path(mkdtemp(prefix="afterbay-overlay-"))
    unpacked(ROOT, folder)
    return folder


def unpacked(project: Path, folder: Path) -> None:
    """Builds the package of `project` and unpacks it into `folder`."""
    _uv("pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder), str(project))


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = os.environ.get("UV") or (str(beside) if beside.exists() else shutil.which("uv"))
    assert uv, "the environments of integrations are made by uv: run the tests by `uv run pytest`"
    subprocess.run([uv, *arguments], cwd="/", check=True, timeout=INSTALLING, capture_output=True, text=True)
