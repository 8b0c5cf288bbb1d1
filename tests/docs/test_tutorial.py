"""The tutorial, run as it stands against a real server: what it ends with is a copy that verify finds equal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.docs.test_snippets import FENCE, ROOT
from tests.support.postgres_server import PostgresServer

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SETTINGS = "set -eu; afterbay() { python -c 'from afterbay.cli import main; raise SystemExit(main())' \"$@\"; }; "


def test_every_step_runs(tmp_path: Path) -> None:
    fences = FENCE.findall(PAGE)
    (tmp_path / "shop.yaml").write_text(next(text for kind, text in fences if kind == "yaml"))
    for name, text in zip(("shop.sql", "more.sql"), (text for kind, text in fences if kind == "sql"), strict=True):
        (tmp_path / name).write_text(text)
    steps = [line.removeprefix("$ ") for kind, text in fences if kind == "console" for line in text.splitlines()]
    with PostgresServer(wal_level="logical") as server:
        uri = server.database()
        path = f"{Path(sys.executable).parent}:{server.binaries}:{os.environ['PATH']}"
        for step in steps:
            done = subprocess.run(
                ["bash", "-c", SETTINGS + step],
                cwd=tmp_path, env=os.environ | {"SHOP_DSN": uri, "PATH": path},
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, (step, done.stdout, done.stderr)
        with psycopg.connect(uri) as db:
            assert db.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)
    names = {step.split()[1] for step in steps if step.startswith("afterbay ")}
    assert names == {"validate", "graph", "run", "ls", "status", "verify", "apply", "state"}
