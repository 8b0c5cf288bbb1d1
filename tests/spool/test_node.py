"""The `spool` node: its options, their faults, and what it opens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from afterbay.node import SpoolOperator, TransformContext
from afterbay.pipeline import Pipeline
from afterbay.spool.limits import Limits
from afterbay.telemetry import Telemetry
from afterbay.units import GIB, KIB, MIB
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.spool import Spool
from tests.support.encoded import encoded
from tests.support.spool import StillClock


def test_the_defaults() -> None:
    node = Spool()
    assert node.limits == Limits(10 * GIB, 256 * MIB, 64 * MIB)
    assert node.facts() == {"quota": "10GiB", "memory": "256MiB", "on disk": "43,690 batches"}
    assert list(node.check()) == []
    assert node.capabilities.spools
    assert node.identity() == {}, "what is at rest here is discarded by a start: a state need not remember how"


def test_sizes_are_written_as_people_write_them() -> None:
    node = Spool.model_validate({"disk_quota": "1GiB", "memory": "32MiB", "segment": "1MiB", "dir": "/var/spool/a"})
    assert node.limits == Limits(GIB, 32 * MIB, MIB)
    assert node.facts() == {"quota": "1GiB", "memory": "32MiB", "on disk": "5,461 batches"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"disk_quota": 0}, "greater than 0"),
        ({"disk_quota": -1}, "not -1"),
        ({"disk_quota": "many"}, "a size is a number of bytes"),
        ({"segment": 0}, "greater than 0"),
        ({"dir": "/nul\0byte"}, "NUL"),
        ({"quota": "1GiB"}, "Extra inputs are not permitted"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Spool.model_validate(options)


@pytest.mark.parametrize("part", ["segment", "memory"])
def test_a_part_larger_than_the_quota_is_a_finding_at_its_field(part: str) -> None:
    (finding,) = Spool.model_validate({"disk_quota": "1MiB", part: "2MiB"}).check()
    assert (finding.code, finding.field) == (f"spool.{part}", part)
    assert finding.message == f"{part} 2MiB is larger than disk_quota 1MiB"
    assert list(Spool.model_validate({"disk_quota": "2MiB", part: "2MiB"}).check()) == []


def test_a_relative_folder_is_one_of_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline("bank", state="./state")
    pipeline.add("bank", Demo(rows=100))
    pipeline.add("csv", EncodeCsv(), inputs="bank")
    pipeline.add("spool", Spool(dir=Path("basin")), inputs="csv")
    pipeline.add("lake", CloudStorage(uri="./lake"), inputs="spool")
    pipeline.run()
    assert (tmp_path / "basin").is_dir()


def test_it_works_under_the_runs_folder_or_in_its_own(tmp_path: Path) -> None:
    telemetry = Telemetry("test")
    for number, (node, folder) in enumerate(
        [
            (Spool(disk_quota=64 * KIB), tmp_path / "work" / "spool"),
            (Spool(disk_quota=64 * KIB, dir=tmp_path / "own"), tmp_path / "own"),
        ]
    ):
        meter = telemetry.node(f"spool{number}")
        operator = node.open(TransformContext(meter.name, 0, tmp_path / "work", StillClock(), meter))
        assert isinstance(operator, SpoolOperator)
        assert operator.pressure.quota == 64 * KIB
        entry = operator.process(encoded(b"payload"))
        assert not isinstance(entry, list)
        assert telemetry.spools()[meter.name].entries == 1
        assert (folder / "spool.db").exists()
        operator.close()
        assert [path.name for path in sorted(folder.iterdir())] == ["spool.db", "spool.lock"]
