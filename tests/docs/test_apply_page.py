"""docs/apply.md: its commands run, and its table of types is the one that the targets have."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from afterbay.schema import Column
from afterbay_nodes.apply.type_table import Temporal, duckdb_type, postgres_type, sqlite_type
from afterbay_nodes.sources.ddl.columns import parse_definition
from afterbay_nodes.sources.ddl.tokenizer import Cursor
from tests.support.cli import REPOSITORY, afterbay

PAGE = (REPOSITORY / "docs" / "apply.md").read_text()
ROW = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def types() -> list[pytest.param]:
    """(a MySQL type of the table, its three cells)."""
    return [
        pytest.param(kind, cells, id=kind)
        for kinds, *cells in ROW.findall(PAGE.split("## Types")[1].split("## DDLs")[0])
        for kind in re.findall(r"`([^`]+)`", kinds)
    ]


@pytest.mark.parametrize(("kind", "cells"), types())
def test_the_table_of_types(kind: str, cells: list[str]) -> None:
    column: Column = parse_definition(Cursor(f"c {kind}")).column
    there = [
        sqlite_type(column) or "(none)",
        duckdb_type(column, Temporal.NATIVE),
        postgres_type(column, Temporal.NATIVE),
    ]
    assert there == cells


def test_every_type_is_in_the_table() -> None:
    assert len(types()) > 25


def test_the_commands(tmp_path: Path) -> None:
    """Each as it stands, one after the other."""
    shutil.copytree(REPOSITORY / "pipelines", tmp_path / "pipelines")
    commands = re.findall(r"^\$ afterbay (.+)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = afterbay(*shlex.split(command), cwd=tmp_path)
        assert done.exit_code == 0, done.err
    assert (tmp_path / "bank.db").stat().st_size > 100_000
    assert (tmp_path / "bank.duckdb").stat().st_size > 100_000
