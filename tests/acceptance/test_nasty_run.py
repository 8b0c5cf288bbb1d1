"""The nasty change log arrives complete, in order, exactly once, with the right schema file for each version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.reader.csv_rows import CsvDialect
from tests.support.cli import afterbay
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import NastyPipeline, avro_pipeline, canal_pipeline, csv_pipeline, parquet_pipeline
from tests.support.verify import CSV, differences, read


def arrives(pipeline: NastyPipeline) -> None:
    log = nasty_log()
    done = afterbay("run", pipeline.file, "--json", cwd=pipeline.folder)
    assert done.exit_code == 0, done.err
    assert differences(read(pipeline.lake, pipeline.form), log, pipeline.form) == []
    report = done.data
    assert report["outcome"] == "completed"
    assert report["rows_stored"] == log.stored_rows
    assert report["rows_repeated"] >= log.repeats
    assert report["ddls"] == log.ddls
    assert report["files"] == pipeline.data_files()


def test_as_csv(tmp_path: Path) -> None:
    arrives(csv_pipeline(tmp_path, nasty_log().write(tmp_path / "events.jsonl")))


def test_as_csv_without_quotes_and_a_header_in_each_file(tmp_path: Path) -> None:
    options = {"quote": "", "delimiter": "|+|", "terminator": "\n", "output_field_header": True}
    pipeline = csv_pipeline(tmp_path, nasty_log().write(tmp_path / "events.jsonl"), rows=options)
    dialect = CsvDialect("|+|", "", terminator="\n", commit_ts=True, header=True)
    arrives(replace(pipeline, form=(CSV[0], dialect)))


def test_as_canal_json(tmp_path: Path) -> None:
    arrives(canal_pipeline(tmp_path, nasty_log().write(tmp_path / "events.jsonl")))


def test_as_parquet(tmp_path: Path) -> None:
    arrives(parquet_pipeline(tmp_path, nasty_log().write(tmp_path / "events.jsonl")))


def test_as_avro(tmp_path: Path) -> None:
    arrives(avro_pipeline(tmp_path, nasty_log().write(tmp_path / "events.jsonl")))


def test_from_plain_gzip_and_zstd_parts(tmp_path: Path) -> None:
    arrives(csv_pipeline(tmp_path, nasty_log().write_parts(tmp_path)))


def test_with_much_room(tmp_path: Path) -> None:
    events = nasty_log().write(tmp_path / "events.jsonl")
    room = {"disk_quota": "1GiB", "memory": "256MiB", "segment": "64MiB"}
    arrives(csv_pipeline(tmp_path, events, spool=room, lake={"shards": 16, "file_size": "64MiB"}))


def test_with_next_to_no_room_transactions_are_cut_and_nothing_else_is_wrong(tmp_path: Path) -> None:
    log = nasty_log()
    room = {"disk_quota": "64KiB", "memory": "4KiB", "segment": "8KiB"}
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"), spool=room, lake={"shards": 1})
    done = afterbay("run", pipeline.file, "--json", cwd=pipeline.folder)
    assert done.exit_code == 0, done.err
    assert done.data["flushes"]["quota"] > 0
    wrong = differences(read(pipeline.lake, pipeline.form), log, pipeline.form)
    assert [text for text in wrong if "[transaction.split]" not in text] == []


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    pipeline = csv_pipeline(tmp_path, nasty_log().write(tmp_path / "events.jsonl"), lake={"file_size": "8MiB"})
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    before = {path: path.read_bytes() for path in pipeline.lake.rglob("*") if path.is_file()}
    again = afterbay("run", pipeline.file, "--json", cwd=tmp_path)
    assert again.exit_code == 0, again.err
    assert (again.data["rows_stored"], again.data["files"], again.data["ddls"]) == (0, 0, 0)
    assert {path: path.read_bytes() for path in pipeline.lake.rglob("*") if path.is_file()} == before
