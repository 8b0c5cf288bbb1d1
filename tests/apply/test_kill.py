"""Killed by SIGKILL at any statement and applied again: the target is the same, its own notes included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from afterbay.schema import Column
from tests.apply.conftest import Makes
from tests.support.cli import REPOSITORY
from tests.support.landed import KINDS, Landed
from tests.support.made_store import MadeStore

SCRIPT = Path(__file__).parents[1] / "support" / "killed_apply.py"
ID = Column("id", "bigint", nullable=False, primary_key=True)
V = Column("v", "varchar", length=20)
N = Column("n", "int", nullable=False, default="5")
LOG = (Column("a", "int"), Column("b", "varchar", length=9))


def stored(root: Path) -> Path:
    """A store with rows, an ALTER, a swap of two names, a truncate and a table without a key."""
    store = MadeStore()
    create = "CREATE TABLE {} (id BIGINT PRIMARY KEY, v VARCHAR(20))"
    for name in ("t", "u"):
        store.ddl(f"s.{name}", 10, create.format(name), 3, (ID, V))
        store.rows(f"s.{name}", *(("I", 11, (number, name)) for number in range(50)))
        store.rows(f"s.{name}", ("U", 12, (1, "changed")), ("D", 12, (2, name)))
    store.ddl("s.log", 13, "CREATE TABLE log (a INT, b VARCHAR(9))", 3, LOG)
    store.rows("s.log", ("I", 14, (1, "x")), ("I", 14, (1, "x")))
    store.ddl(
        "s.t", 20, "ALTER TABLE t ADD COLUMN n INT NOT NULL DEFAULT 5, MODIFY v TEXT", 5, (ID, Column("v", "text"), N)
    )
    store.rows("s.t", ("I", 21, (100, "new", 6)))
    store.ddl("s.tmp", 30, "RENAME TABLE t TO tmp", 14, (ID, Column("v", "text"), N))
    store.ddl("s.t", 30, "RENAME TABLE u TO t", 14, (ID, V))
    store.ddl("s.u", 30, "RENAME TABLE tmp TO u", 14, (ID, Column("v", "text"), N))
    store.rows("s.t", ("D", 31, (3, "u")))
    store.ddl("s.log", 40, "TRUNCATE TABLE log", 11)
    store.rows("s.log", ("I", 41, (2, "y")))
    store.checkpoint(99)
    return store.write(root)


def run(step: str, landed: Landed, lake: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), step, landed.kind, "apply", str(lake), "--to", landed.uri, "-q"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=REPOSITORY, env=os.environ
    )


@pytest.mark.parametrize("kind", KINDS)
def test_killed_anywhere_and_applied_again(kind: str, make_target: Makes, tmp_path: Path) -> None:
    lake = stored(tmp_path / "lake")
    whole = make_target(kind)
    done = run("0", whole, lake)
    assert done.returncode == 0, done.stderr
    statements = int(done.stderr.splitlines()[-1])
    wanted = whole.everything()
    assert wanted["s.t"] == [(n, "changed" if n == 1 else "u") for n in range(50) if n not in (2, 3)]
    assert statements > 40
    for part in range(1, 8):
        number, how = statements * part // 7, ("before", "after")[part % 2]
        landed = make_target(kind)
        killed = run(f"{number}:{how}", landed, lake)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        again = run("0", landed, lake)
        assert again.returncode == 0, again.stderr
        assert landed.everything() == wanted, f"killed {how} statement {number} of {statements}"


@pytest.mark.parametrize("kind", KINDS)
def test_killed_again_and_again_it_arrives(kind: str, make_target: Makes, tmp_path: Path) -> None:
    """Each call dies a little later; together they do what one does."""
    lake = stored(tmp_path / "lake")
    whole, landed = make_target(kind), make_target(kind)
    run("0", whole, lake)
    for number in range(30, 400, 30):
        ended = run(f"{number}:before", landed, lake)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    else:
        pytest.fail("it never arrived")
    assert landed.everything() == whole.everything()
