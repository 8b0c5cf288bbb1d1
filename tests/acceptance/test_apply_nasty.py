"""The nasty log through a pipeline into a store, and out of it again: the copy is what the upstream holds."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterbay.schema import Column
from tests.support.cli import afterbay
from tests.support.landed import Landed
from tests.support.landed_values import found, wanted
from tests.support.nasty_kinds import Cell
from tests.support.nasty_log import Col, nasty_log
from tests.support.nasty_pipeline import NastyPipeline, canal_pipeline, csv_pipeline

ROWS = 6_000


def column_of(col: Col) -> Column:
    """What the comparison needs of a column. `level` was a FLOAT: made a DOUBLE, 0.1 became 0.10000000149011612."""
    kind = col.kind.file_type.lower().removesuffix(" unsigned")
    return Column(col.name, "float" if col.name == "level" else kind)


def value_of(col: Col, cell: Cell) -> Any:
    """A cell as its target must show it."""
    column = column_of(col)
    if cell.csv is None:
        return None
    if column.type in ("enum", "set"):
        return cell.csv
    if column.type in ("blob", "binary"):
        return base64.b64decode(cell.csv)
    if column.type in ("float", "double"):
        return wanted(column, float(cell.csv))
    if column.type.endswith("int") or column.type in ("bit", "year"):
        return int(cell.csv)
    return wanted(column, cell.csv)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("pipeline_of", [csv_pipeline, canal_pipeline])
def test_out_and_back(pipeline_of: Callable[..., NastyPipeline], kind: str, tmp_path: Path) -> None:
    log = nasty_log(ROWS)
    pipeline = pipeline_of(tmp_path / "run", log.write(tmp_path / "events.jsonl"))
    ran = afterbay("run", pipeline.file, "-q", cwd=tmp_path)
    assert ran.exit_code == 0, ran.err
    copy = Landed(kind, f"{kind}:///copy", str(tmp_path / "copy"))
    done = afterbay("apply", pipeline.lake, "--to", copy.uri, "--temporal", "text", "--json", cwd=tmp_path)
    assert done.exit_code == 0, done.out
    assert done.data["rows"] == log.stored_rows
    assert done.data["notes"] == []
    assert {tuple(name.split(".", 1)) for name in copy.tables()} == log.live.keys()
    for (schema, table), (cols, rows) in log.live.items():
        chosen = ", ".join('"' + col.name.replace('"', '""') + '"' for col in cols)
        got = copy.query(f"SELECT {chosen} FROM {copy.name(f'{schema}.{table}')}")
        there = Counter(
            tuple(found(column_of(col), value) for col, value in zip(cols, row, strict=True)) for row in got
        )
        assert there == Counter(tuple(map(value_of, cols, row)) for row in rows), f"{schema}.{table}"
