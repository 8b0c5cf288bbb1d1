"""The nasty change log arrives complete, in order, exactly once as Debezium JSON, with every value as it was."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support.cli import afterbay
from tests.support.nasty_kinds import Cell, Kind
from tests.support.nasty_log import Name, WantedRow, WantedVersion, nasty_log
from tests.support.nasty_pipeline import canal_pipeline
from tests.support.reference_floats import go_v


def test_as_debezium_json(tmp_path: Path) -> None:
    log = nasty_log()
    encoder = {"type": "encode_debezium_json", "terminator": "\n"}
    pipeline = canal_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"), rows=encoder)
    done = afterbay("run", pipeline.file, "--json", cwd=pipeline.folder)
    assert done.exit_code == 0, done.err
    found = stored(pipeline.lake)
    assert found.keys() == {name for name, versions in log.tables.items() if any(v.rows for v in versions)}
    for name, events in found.items():
        wanted = [(version, row) for version in log.tables[name] for row in version.rows]
        assert len(events) == len(wanted)
        for event, (version, row) in zip(events, wanted, strict=True):
            assert plain(event, version) == (row.op, row.commit_ts, *images(row))


def stored(lake: Path) -> dict[Name, list[dict[str, Any]]]:
    """The events of each table, by version and file number, in which (commit-ts, ordinal) rises."""
    found: dict[Name, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(lake.glob("*/*/*/**/CDC*.json"), key=lambda path: (int(path.parts[-3]), path.name)):
        for line in path.read_bytes().splitlines():
            event = json.loads(line)
            found[event["source"]["db"], event["source"]["table"]].append(event)
    for events in found.values():
        stamps = [(event["source"]["commit_ts"], event["source"]["ordinal"]) for event in events]
        assert all(first < second for first, second in pairwise(stamps))
    return found


def plain(event: dict[str, Any], version: WantedVersion) -> tuple[Any, ...]:
    """(operation, commit-ts, before, after) in CSV's notation of values."""
    before, after = (
        None if image is None else [text(column.kind, image[column.name]) for column in version.columns]
        for image in (event["before"], event["after"])
    )
    return {"c": "I", "u": "U", "d": "D"}[event["op"]], event["source"]["commit_ts"], before, after


def images(row: WantedRow) -> tuple[list[str | None] | None, list[str | None] | None]:
    """(before, after) as wanted."""
    image, old = shown(row.cells), None if row.old is None else shown(row.old)
    return {"I": (None, image), "U": (old, image), "D": (image, None)}[row.op]


def shown(cells: tuple[Cell, ...]) -> list[str | None]:
    return [cell.csv for cell in cells]


def text(kind: Kind, value: Any) -> str | None:
    if value is None:
        return None
    name = kind.file_type.partition(" ")[0]
    if name in ("FLOAT", "DOUBLE"):
        assert isinstance(value, float)
        return go_v(value, single=False)  # of a FLOAT, too: JSON has just the digits that it needs
    if name == "BIT":
        return str(int.from_bytes(base64.b64decode(value), "little"))
    assert isinstance(value, int) == (name.endswith("INT") or name == "YEAR")
    return str(value)
