"""A run whose store goes away says so: in the log, in its telemetry, and to whoever asks for its status."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterbay.instruments import StoreOutage
from afterbay.runtime.run import start
from afterbay.state.status import OutageStatus, read_status
from afterbay.telemetry import Telemetry
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.storage import outage
from afterbay_nodes.transforms.spool import Spool
from tests.support.faulty_proxy import Fault, Proxy, Request, faulty_proxy
from tests.support.flow import SCRIPTS, Promise, Rows, Scripted, plan
from tests.support.stores import s3_server, s3_uri


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with s3_server("lake") as address, faulty_proxy(address) as proxy:
        yield proxy


def test_a_store_that_goes_away_and_comes_back(
    tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outage, "TOLD_AFTER", 0.0)  # no test waits for what makes an outage of a hiccup
    telemetry = Telemetry("test")
    status: list[OutageStatus] = []
    seen: list[StoreOutage] = []

    def away(request: Request) -> Fault:
        """The first data file is refused until the outage is seen."""
        if request.method != "PUT" or "/CDC" not in request.path or status:
            return Fault.NONE
        seen.extend(telemetry.outages().values())
        status.extend(read_status(tmp_path).outages.values())
        return Fault.NONE if status else Fault.REFUSE

    proxy.choose = away
    SCRIPTS["s"] = {"": [Rows("a", ((1, 0),)), Promise(1)]}
    flow = plan(
        tmp_path,
        ("log", Scripted(script="s"), ()),
        ("csv", EncodeCsv(), ("log",)),
        ("spool", Spool(), ("csv",)),
        ("lake", CloudStorage(uri=s3_uri(proxy.address, "lake/root"), date_separator="none"), ("spool",)),
    )
    with caplog.at_level(logging.WARNING):
        report = start(flow, telemetry=telemetry).wait(60)
    assert report is not None
    assert report.rows_stored == 1
    assert (status[0].operation, seen[0].operation) == ("put", "put")
    assert status[0].key == "s/a/0/CDC00000000000000000001.csv"
    begins, ends = [record.getMessage() for record in caplog.records if record.name == "afterbay.store"]
    assert begins.startswith(
        "sink 'lake' (s3://lake/root): put of 's/a/0/CDC00000000000000000001.csv' has been failing"
    )
    assert ends.startswith("sink 'lake' (s3://lake/root): works again after")
    assert telemetry.outages() == {}
    assert "secret" not in begins
