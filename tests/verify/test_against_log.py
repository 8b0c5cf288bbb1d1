"""The log and the store are equal, or the first difference is told: what kind, which row, which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.transforms.table_rules import TableRules
from afterbay_nodes.verify import against_log
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.row_digest import PIECE
from tests.support import canal
from tests.verify.histories import CREATE, CSV, FORMATS, Stored, pet, run, told, two_versions, verified


def faults(stored: Stored, *lines: bytes) -> list[Fault]:
    """What is told of a store when its log is these lines."""
    return list(verified(stored.lake, canal.write(stored.log.with_name("other.jsonl"), *lines)).faults)


def later(commit_ts: int) -> bytes:
    """A row of the second version."""
    return canal.row("pets", commit_ts, {"id": "8", "name": "y"}, types={"id": "bigint", "name": "varchar"})


def only(found: list[Fault]) -> Fault:
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def lines() -> list[bytes]:
    return two_versions()


@pytest.fixture
def stored(tmp_path: Path, lines: list[bytes]) -> Stored:
    return run(tmp_path, lines)


def edit(stored: Stored, key: str, old: str, new: str) -> None:
    path = stored.lake / key
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


def first_of(stored: Stored, version: int = 1000) -> str:
    return next(key for key in stored.data_files() if key.startswith(f"shop/pets/{version}/"))


@pytest.mark.parametrize("name", FORMATS)
def test_an_altered_row_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    stored = run(tmp_path, two_versions(), FORMATS[name])
    key = first_of(stored, 2000)
    edit(stored, key, "Spike", "Spoke")
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.code, fault.key, fault.row) == ("against.row", key, 1)
    assert fault.message.endswith(f"column 'name' is 'Spoke\\r\\nTyke', in the log 'Spike\\r\\nTyke' ({stored.log}:10)")


def test_an_altered_operation_and_commit_ts(stored: Stored) -> None:
    key = first_of(stored)
    edit(stored, key, '"U","pets","shop",1005', '"I","pets","shop",1005')
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.row, fault.message) == (3, f"the operation is 'insert', in the log 'update' ({stored.log}:5)")
    edit(stored, key, '"I","pets","shop",1005', '"U","pets","shop",1004')
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.row, fault.message) == (3, f"the commit-ts is '1004', in the log '1005' ({stored.log}:5)")


def test_an_altered_value_before_an_update(tmp_path: Path, lines: list[bytes]) -> None:
    for encoder, old, new, row in (
        (
            EncodeCanalJson(),
            '"old":[{"id":"1","name":"Tom","age":"5"}]',
            '"old":[{"id":"1","name":"Tim","age":"5"}]',
            3,
        ),
        (EncodeCsv(output_old_value=True), '"D","pets","shop",true,1,"Tom"', '"D","pets","shop",true,1,"Tim"', 4),
    ):
        stored = run(tmp_path / type(encoder).__name__, lines, encoder)
        edit(stored, first_of(stored), old, new)
        fault = only(list(verified(stored.lake, stored.log).faults))
        assert (fault.code, fault.row) == ("against.row", row)
        assert "column 'name' before the update is 'Tim', in the log 'Tom'" in fault.message


def test_a_missing_row(stored: Stored, lines: list[bytes]) -> None:
    edit(stored, first_of(stored), '"U","pets","shop",1005,1,"Tom",6\r\n', "")
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.code, fault.key, fault.row) == ("against.missing", first_of(stored), 3)
    assert f"({stored.log}:5)" in fault.message


def test_rows_that_are_missing_at_the_end(stored: Stored, lines: list[bytes]) -> None:
    more = [later(2004), later(2005)]
    fault = only(faults(stored, *lines[:-1], *more, lines[-1]))
    assert (fault.code, fault.key, fault.row) == ("against.missing", first_of(stored, 2000), 0)
    assert ":12) and 1 more up to the checkpoint is not stored" in fault.message


def test_rows_above_the_checkpoint_are_not_missing(stored: Stored, lines: list[bytes]) -> None:
    above = later(2011)
    assert faults(stored, *lines, above, canal.watermark(2012)) == []


def test_without_a_checkpoint_the_whole_log_is_wanted(stored: Stored, lines: list[bytes]) -> None:
    above = later(2011)
    (stored.lake / "metadata").unlink()
    assert faults(stored, *lines) == []
    assert only(faults(stored, *lines, above)).code == "against.missing"


def test_an_extra_row_in_the_middle_and_at_the_end(stored: Stored, lines: list[bytes]) -> None:
    fault = only(faults(stored, *lines[:4], *lines[5:]))
    assert (fault.code, fault.key, fault.row) == ("against.extra", first_of(stored), 3)
    last = lines[:10] + lines[11:]
    fault = only(faults(stored, *last))
    assert (fault.code, fault.key, fault.row) == ("against.extra", first_of(stored, 2000), 2)
    assert fault.message.endswith("; the log has no more")


def test_a_row_that_is_stored_twice(stored: Stored) -> None:
    edit(stored, first_of(stored), '"U","pets","shop",1005,1,"Tom",6\r\n', '"U","pets","shop",1005,1,"Tom",6\r\n' * 2)
    assert only(list(verified(stored.lake, stored.log).faults)).code == "against.extra"


def test_rows_that_changed_places(stored: Stored) -> None:
    first, second = '"I","pets","shop",1001,1,"Tom",5\r\n', '"I","pets","shop",1001,2,"Jerry ""the mouse""",\\N\r\n'
    edit(stored, first_of(stored), first + second, second + first)
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.code, fault.key, fault.row) == ("against.order", first_of(stored), 1)


def test_a_table_that_is_missing_and_one_too_many(stored: Stored, lines: list[bytes]) -> None:
    dogs = canal.row("do/gs", 1007, {"id": "1"}, types={"id": "bigint"})
    fault = only(faults(stored, *lines[:6], dogs, *lines[6:]))
    assert (fault.code, fault.key) == ("against.missing", "shop/do%2Fgs")
    fault = only(faults(stored, *lines[:5], *lines[6:]))
    assert (fault.code, fault.table, fault.row) == ("against.extra", "shop.cars", 1)


def test_ddls(stored: Stored, lines: list[bytes]) -> None:
    other = canal.ddl(2000, "ALTER TABLE pets DROP COLUMN age /* gone */", table="pets")
    fault = only(faults(stored, *lines[:8], other, *lines[9:]))
    assert (fault.code, fault.message) == (
        "against.ddl",
        "the statement is not 'ALTER TABLE pets DROP COLUMN age /* gone */', as in the log",
    )
    more = canal.ddl(2005, "CREATE TABLE t (id INT)", table="t")
    fault = only(faults(stored, *lines[:-1], more, lines[-1]))
    assert (fault.code, fault.key.partition("schema_")[0]) == ("against.ddl_missing", "shop/t/meta/")
    fault = only(faults(stored, *lines[1:]))
    assert (fault.code, fault.key.partition("schema_")[0]) == ("against.ddl_extra", "shop/meta/")
    later = canal.ddl(2011, "CREATE TABLE t (id INT)", table="t")
    assert faults(stored, *lines, later) == []


def test_columns_that_are_others(stored: Stored, lines: list[bytes]) -> None:
    wider = canal.ddl(1000, CREATE.replace("age INT", "age BIGINT"), table="pets")
    rows = [line.replace(b'"age": "int"', b'"age": "bigint"') for line in lines[2:]]
    found = faults(stored, lines[0], wider, *rows)
    assert {fault.code for fault in found} == {"against.columns", "against.ddl"}
    assert any("column 'age' (int32), the log has 'age' (int64)" in fault.message for fault in found)


def test_a_row_in_another_version_of_equal_columns(tmp_path: Path) -> None:
    """Without commit-ts only the log knows when a row was committed."""
    lines = [
        canal.ddl(1000, CREATE, table="pets"),
        pet(1001, 1, "Tom", 5),
        pet(1003, 2, "Jerry", 5),
        canal.ddl(2000, "ALTER TABLE pets ADD INDEX (name)", table="pets"),
        pet(2001, 3, "Spike", 5),
        canal.watermark(2010),
    ]
    stored = run(tmp_path, lines, EncodeCsv())
    before, after = first_of(stored), first_of(stored, 2000)
    row = '"I","pets","shop",2,"Jerry",5\r\n'
    edit(stored, before, row, "")
    edit(stored, after, '"I","pets"', row + '"I","pets"')
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.code, fault.key, fault.row) == ("against.version", after, 1)
    assert "the log committed it at 1003; this version was in force from 2000 on" in fault.message


def test_a_checkpoint_above_the_log(stored: Stored, lines: list[bytes]) -> None:
    fault = only(faults(stored, *lines[:-1], canal.watermark(2009)))
    assert (fault.code, fault.key, fault.message) == (
        "against.checkpoint",
        "metadata",
        "it says 2010; the log ends at 2009",
    )


def test_updates_of_keys_are_split_or_whole(tmp_path: Path) -> None:
    lines = [
        canal.ddl(1000, CREATE, table="pets"),
        pet(1001, 1, "Tom", 5),
        pet(1002, 2, "Tom", 5, old={"id": "1"}),
        canal.watermark(1010),
    ]
    stored = run(tmp_path, lines)
    assert told(verified(stored.lake, stored.log)) == []
    raw = verified(stored.lake, stored.log, raw_changes=True)
    assert [fault.code for fault in raw.faults] == ["against.row"]


def test_a_difference_behind_many_pieces_and_files(tmp_path: Path) -> None:
    count = 3 * PIECE + 10
    lines = [canal.ddl(1000, CREATE, table="pets")]
    lines += [pet(1001 + number, number, "x" * 50, None) for number in range(count)]
    stored = run(tmp_path, lines, file_size="256KiB")
    files = stored.data_files()
    assert len(files) > 2
    last = max(files)
    rows = (stored.lake / last).read_bytes().split(b"\r\n")
    at = len(rows) - 5
    rows[at] = rows[at].replace(b"x", b"y", 1)
    (stored.lake / last).write_bytes(b"\r\n".join(rows))
    fault = only(list(verified(stored.lake, stored.log).faults))
    assert (fault.code, fault.key, fault.row) == ("against.row", last, at + 1)
    assert fault.message.endswith(f"({stored.log}:{count - 2})")


def test_many_tables_that_differ_are_all_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against_log, "LOCATED", 2)
    lines = [canal.row(f"t{number}", 1001 + number, {"id": "1", "v": "abc"}) for number in range(5)]
    stored = run(tmp_path, lines)
    for key in stored.data_files():
        edit(stored, key, "abc", "abd")
    found = verified(stored.lake, stored.log).faults
    assert [(fault.code, fault.table) for fault in found] == [("against.row", f"shop.t{n}") for n in range(5)]
    assert sum("column 'v' is 'abd', in the log 'abc'" in fault.message for fault in found) == 2


def test_behind_a_damaged_file_nothing_is_compared_and_that_is_said(stored: Stored) -> None:
    edit(stored, first_of(stored), '"Tom",5\r\n', '"Tom"5\r\n')
    report = verified(stored.lake, stored.log)
    assert [fault.code for fault in report.faults] == ["csv.torn"]
    assert ("shop.pets",) in [it.where for it in report.unchecked if "damaged file" in it.what]


def test_deletes_that_keep_only_keys_are_left_open(tmp_path: Path, lines: list[bytes]) -> None:
    stored = run(tmp_path, lines, FORMATS["canal-json, changed columns and keys"])
    report = verified(stored.lake, stored.log)
    assert told(report) == []
    # `age` is null in the log as well: nothing was left out.
    assert ("shop.pets: name",) in [it.where for it in report.unchecked if "deletes" in it.what]
    assert all(
        "deletes" not in it.what for it in verified(run(tmp_path / "b", lines, EncodeCanalJson()).lake).unchecked
    )


def test_tables_in_several_series_are_left_open(tmp_path: Path, lines: list[bytes]) -> None:
    stored = run(tmp_path, lines, enable_table_across_nodes=True)
    key = first_of(stored)
    folder, _, base = key.rpartition("/")
    digit = base[4]
    other = f"{base[:4]}{'0' if digit != '0' else '1'}{base[5:]}"
    (stored.lake / folder / other).write_bytes((stored.lake / key).read_bytes())
    stem = other.rpartition("_")[0]
    (stored.lake / folder / "meta" / f"{stem}.index").write_text(f"{other}\n")
    report = verified(stored.lake, stored.log)
    assert told(report) == []
    assert ("shop.pets",) in [it.where for it in report.unchecked if "against the log" in it.what]


def test_chosen_tables(stored: Stored, lines: list[bytes]) -> None:
    """What a pipeline with a filter left out is no difference."""
    more = [canal.row("trucks", 1007, {"id": "1", "v": "x"}), canal.ddl(1008, "CREATE TABLE t (id INT)", table="t")]
    log = canal.write(stored.log.with_name("other.jsonl"), *lines[:5], *more, *lines[6:])
    assert len(verified(stored.lake, log).faults) == 3
    report = verified(stored.lake, log, rules=TableRules.parse(["shop.pets"]))
    assert told(report) == []
    assert any(it.why == "--tables leaves them out" for it in report.unchecked)


def test_a_bad_line_of_the_log_is_told_with_its_place(stored: Stored, lines: list[bytes]) -> None:
    with pytest.raises(RunFailed) as caught:
        faults(stored, *lines[:3], b"{")
    assert caught.value.place is not None
    assert caught.value.place.line == 4
    with pytest.raises(EnvironmentRefused):
        verified(stored.lake, "no/such/*.jsonl")


def test_a_virtual_column_is_in_neither(tmp_path: Path) -> None:
    create = "CREATE TABLE pets (id BIGINT PRIMARY KEY, name VARCHAR(20), age INT, twice INT AS (age * 2))"
    lines = [canal.ddl(1000, create, table="pets"), pet(1001, 1, "Tom", 5), canal.watermark(1010)]
    stored = run(tmp_path, lines, CSV)
    assert told(verified(stored.lake, stored.log)) == []
