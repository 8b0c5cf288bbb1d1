"""`file_expiration_days` and `file_cleanup_cron_spec`: what is taken, and what is refused before a run (I10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterbay.compile.registry import Registry
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from tests.support.nodes import Numbers
from tests.support.pipelines import compiled, findings, heads

REGISTRY = Registry.installed().with_nodes(Numbers)
TEXT = """\
nodes:
  changes: {{type: {source}}}
  csv: {{type: encode_csv, inputs: changes}}
  spool: {{type: spool, inputs: csv}}
  lake:
    type: cloud_storage
    inputs: spool
    uri: {uri}
    {options}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def text(options: str = "shards: 2", source: str = "demo", uri: str = "./lake") -> str:
    return TEXT.format(options=options, source=source, uri=uri)


def lake(options: str, **more: str) -> CloudStorage:
    node = compiled(text(options, **more), registry=REGISTRY)["lake"].node
    assert isinstance(node, CloudStorage)
    return node


def test_files_are_kept_for_ever_unless_that_is_asked_for() -> None:
    node = lake("shards: 2")
    assert (node.file_expiration_days, node.file_cleanup_cron_spec) == (0, "0 0 2 * * *")
    assert node.needs_time() is None
    assert "expires" not in node.facts()


def test_what_is_asked_for_is_shown_and_is_no_part_of_the_format() -> None:
    node = lake('file_expiration_days: 7\n    file_cleanup_cron_spec: "30 0 4 * * MON"')
    assert node.facts()["expires"] == "after 7 days"
    assert node.identity() == lake("shards: 2").identity()


def test_the_uri_sets_both_by_ticdcs_names_and_wins() -> None:
    uri = '"file://./lake?file-expiration-days=3&file-cleanup-cron-spec=0%200%204%20*%20*%20*"'
    node = lake("file_expiration_days: 7", uri=uri)
    assert (node.file_expiration_days, node.file_cleanup_cron_spec) == (3, "0 0 4 * * *")
    assert node.store_uri.query == {}


@pytest.mark.parametrize("separator", ["none", "month", "year"])
def test_days_without_a_date_level_of_days_are_refused(separator: str) -> None:
    found = findings(text(f"date_separator: {separator}\n    file_expiration_days: 7"), registry=REGISTRY)
    assert heads(found) == ["orders.yaml:10:27 [cloud_storage.expiration]"]
    assert f"`date_separator: {separator}` gives them none" in found[0].message
    assert "set `date_separator: day`" in (found[0].hint or "")


def test_a_source_whose_commit_ts_tells_no_time_is_refused() -> None:
    found = findings(text("file_expiration_days: 7", source="numbers"), registry=REGISTRY)
    assert heads(found) == ["orders.yaml:9:27 [graph.time]"]
    assert "the commit-ts of 'changes' (numbers) tells no time" in found[0].message
    assert "leave `file_expiration_days` out" in (found[0].hint or "")
    assert lake("shards: 2", source="numbers").file_expiration_days == 0


def test_days_that_the_uri_asks_for_are_refused_at_the_node() -> None:
    found = findings(text(source="numbers", uri='"file://./lake?file-expiration-days=3"'), registry=REGISTRY)
    assert heads(found) == ["orders.yaml:5:3 [graph.time]"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("file_expiration_days: -1", "greater than or equal to 0"),
        ("file_expiration_days: 36501", "less than or equal to 36500"),
        ("file_expiration_days: soon", "integer"),
        ('file_cleanup_cron_spec: "0 2 * * *"', "six fields, seconds first"),
        ('file_cleanup_cron_spec: "0 0 25 * * *"', "'0 0 25 * * *' is no cron spec: Bad hour"),
        ('file_cleanup_cron_spec: "0 0 2 31 2 *"', "Bad day-of-month"),
        ('file_cleanup_cron_spec: "@daily"', "six fields"),
    ],
)
def test_a_wrong_value_is_told_at_its_place(options: str, says: str) -> None:
    found = findings(text(options), registry=REGISTRY)
    assert len(found) == 1
    assert str(found[0].place).startswith("orders.yaml:9:")
    assert says in found[0].message
