"""Order with ordinals, cut transactions, shared folders, halves of updates: what a plain good store does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from afterbay.errors import RunFailed
from afterbay.schema import TableSchema
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.storage.store import NotFound
from afterbay_nodes.verify.report import Report
from afterbay_nodes.verify.verifier import verify
from tests.reader.trees import DAY, NAME, NEXT, TABLE_V1, V1_SUM, healthy, write
from tests.support.buckets import COLUMNS, schema_file
from tests.support.memory_store import MemoryStore
from tests.verify.histories import told, verified

OLD = f"zoo/pets/1000/{DAY}"
FILE, SECOND_FILE = f"{OLD}/{NAME}", f"{OLD}/{NEXT}"


class Numbered(Decoders):
    """Gives the rows of CSV files ordinals, as formats that store them do: `number(key, row)`, rows from 0."""

    def __init__(self, number: Callable[[str, int], int]) -> None:
        super().__init__()
        self._number = number

    def rows(self, data: pa.Buffer, extension: str, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        for chunk in super().rows(data, extension, schema, key):
            first = chunk.first_row - 1
            ordinals = [self._number(key, row) for row in range(first, first + chunk.num_rows)]
            yield replace(chunk, ordinals=pa.array(ordinals, pa.uint32()))


def one_version(root: Path, first: str, second: str, *, statement: str | None = None) -> Path:
    """A table of one version in two files."""
    files = healthy()
    kept = {key: text for key, text in files.items() if "2000" not in key}
    schema = f"zoo/pets/meta/schema_1000_{V1_SUM}.json"
    if statement is not None:
        kept[schema] = TABLE_V1.replace("CREATE TABLE pets (id INT PRIMARY KEY, name VARCHAR(20))", statement)
    return write(root, kept | {FILE: first, SECOND_FILE: second})


def rows(*stamps: int) -> str:
    return "".join(f'"I","pets","zoo",{commit_ts},{number},"x"\r\n' for number, commit_ts in enumerate(stamps))


def numbered(root: Path, number: Callable[[str, int], int]) -> list[tuple[str, str, int]]:
    return told(verified(root, decoders=Numbered(number)))


def test_ordinals_rise_within_a_commit(tmp_path: Path) -> None:
    root = one_version(tmp_path, rows(1001, 1001, 1002), rows(1003))
    assert numbered(root, lambda key, row: row) == []
    assert numbered(root, lambda key, row: 0) == [("ordinal.order", FILE, 2)]


def test_ordinals_rise_from_file_to_file(tmp_path: Path) -> None:
    root = one_version(tmp_path, rows(1001, 1001), rows(1001, 1002))
    assert numbered(root, lambda key, row: row + (key == SECOND_FILE)) == [("ordinal.order", SECOND_FILE, 1)]


def test_rising_ordinals_prove_that_a_transaction_was_cut(tmp_path: Path) -> None:
    root = one_version(tmp_path, rows(1001, 1001), rows(1001, 1002))
    report = verified(root, decoders=Numbered(lambda key, row: row + 2 * (key == SECOND_FILE)))
    assert told(report) == []
    assert ("zoo.pets (1)",) in cuts(report)


def cuts(report: Report) -> list[tuple[str, ...]]:
    return [it.where for it in report.unchecked if "several files" in it.what]


def test_a_large_transaction_may_have_been_cut(tmp_path: Path) -> None:
    root = one_version(tmp_path, rows(1001, 1002, 1002), rows(1002, 1002, 1003))
    assert told(verified(root)) == [("transaction.split", SECOND_FILE, 1)]
    size = len(rows(1002, 1002, 1002, 1002))
    assert told(verified(root, transaction_limit=size + 1)) == [("transaction.split", SECOND_FILE, 1)]
    report = verified(root, transaction_limit=size)
    assert told(report) == []
    assert cuts(report) == [("zoo.pets (1)",)]


def test_a_transaction_in_three_files_is_one_fault(tmp_path: Path) -> None:
    third = NAME.replace("1.csv", "3.csv")
    root = one_version(tmp_path, rows(1001, 1002), rows(1002, 1002))
    write(root, {f"{OLD}/{third}": rows(1002, 1002, 1003), f"{OLD}/meta/CDC.index": f"{third}\n"})
    assert told(verified(root)) == [("transaction.split", SECOND_FILE, 1)]


def test_partitions_that_share_a_folder_are_left_open(tmp_path: Path) -> None:
    """Along the shared index commit-ts rises within each partition only; within a file it must."""
    parted = "CREATE TABLE pets (id INT PRIMARY KEY, name VARCHAR(20)) PARTITION BY HASH (id) PARTITIONS 2"
    root = one_version(tmp_path, rows(1001, 1005), rows(1003, 1005), statement=parted)
    report = verified(root)
    assert told(report) == []
    (left,) = [it for it in report.unchecked if "from file to file" in it.what]
    assert left.where == ("zoo.pets",)
    one_version(tmp_path, rows(1005, 1001), rows(1003, 1005), statement=parted)
    assert told(verified(root)) == [("commit_ts.order", FILE, 2)]


def test_partitions_with_folders_of_their_own_are_followed(tmp_path: Path) -> None:
    schema = {key: data.decode() for key, data in schema_file("zoo.pets", 1000, columns=COLUMNS).items()}
    files = {
        f"zoo/pets/1000/{partition}/{DAY}/{NAME}": rows(*stamps)
        for partition, stamps in (("71", (1001, 1009)), ("72", (1002, 1003)))
    }
    indexes = {f"{key.rpartition('/')[0]}/meta/CDC.index": f"{NAME}\n" for key in files}
    root = write(tmp_path, schema | files | indexes)
    assert told(verified(root)) == []
    broken = f"zoo/pets/1000/72/{DAY}/{NAME}"
    write(root, {broken: rows(1002, 1001)})
    assert told(verified(root)) == [("commit_ts.order", broken, 2)]


def half(op: str, commit_ts: int, flag: bool, id: int = 1) -> str:
    return f'"{op}","pets","zoo",{commit_ts},{str(flag).lower()},{id},"x"\r\n'


UPDATE = half("D", 1001, True) + half("I", 1001, True)
PAIRS = {
    "whole": (UPDATE + half("I", 1002, False) + UPDATE.replace("1001", "1003"), None),
    "a delete and an insert": (half("D", 1001, False) + half("I", 1001, False), None),
    "the second half is missing": (half("D", 1001, True) + half("I", 1002, False), 2),
    "the file ends between them": (half("I", 1001, False) + half("D", 1001, True), 2),
    "the first half is missing": (half("I", 1001, False) + half("I", 1001, True), 2),
    "two first halves": (half("D", 1001, True) + UPDATE, 2),
    "two second halves": (UPDATE + half("I", 1001, True), 3),
    "an update of its own": (half("U", 1001, True), 1),
}


@pytest.mark.parametrize("name", PAIRS)
def test_halves_of_updates(name: str, tmp_path: Path) -> None:
    text, row = PAIRS[name]
    root = one_version(tmp_path, text, half("I", 1009, False))
    report = verified(root)
    assert told(report) == ([] if row is None else [("rows.update_pair", FILE, row)])
    if name == "whole":
        (counts,) = report.tables.values()
        assert (counts.inserts, counts.updates, counts.deletes) == (2, 2, 0)


def test_a_rename_ends_the_old_name_s_version(tmp_path: Path) -> None:
    files = healthy() | {
        key: data.decode()
        for key, data in schema_file("zoo.cats", 2500, "RENAME TABLE pets TO cats", 14, columns=COLUMNS[:1]).items()
    }
    third = f"zoo/pets/2000/{DAY}/{NAME}"
    assert told(verified(write(tmp_path, files))) == []
    assert told(verified(write(tmp_path, {third: '"I","pets","zoo",2500,4\r\n'}))) == []
    assert told(verified(write(tmp_path, {third: '"I","pets","zoo",2501,4\r\n'}))) == [("version.bounds", third, 1)]


def test_a_dropped_database_ends_the_versions_of_its_tables(tmp_path: Path) -> None:
    dropped = {key: data.decode() for key, data in schema_file("zoo", 2500, "DROP DATABASE zoo", 2).items()}
    third = f"zoo/pets/2000/{DAY}/{NAME}"
    root = write(tmp_path, healthy() | dropped | {third: '"I","pets","zoo",2501,4\r\n'})
    assert told(verified(root)) == [("version.bounds", third, 1)]


class Fickle(MemoryStore):
    """Loses a file, changes one, or fails, once files are read."""

    def __init__(self, how: str) -> None:
        super().__init__(**{key: text.encode() for key, text in healthy().items()})
        self._how = how

    def open_read(self, key: str) -> Iterator[memoryview]:
        if key == FILE and self._how == "fails":
            raise RunFailed("store.failed", "the disk is on fire")
        if key == FILE and self._how == "loses":
            raise NotFound(key, self.display)
        yield memoryview(self.get(key)[: -1 if key == FILE else None])


@pytest.mark.parametrize(("how", "said"), [("loses", "does not exist"), ("changes", "and had")])
def test_a_file_that_is_another_one_when_it_is_read(how: str, said: str) -> None:
    report = verify(Bucket(Fickle(how)), Decoders())
    (fault,) = report.faults
    assert (fault.code, fault.key, fault.table) == ("bucket.changed", FILE, "zoo.pets")
    assert said in fault.message


def test_a_store_that_fails_is_no_fault_of_its_files() -> None:
    with pytest.raises(RunFailed, match="on fire"):
        verify(Bucket(Fickle("fails")), Decoders())


def test_rows_without_commit_ts_are_named_as_not_checkable(tmp_path: Path) -> None:
    text = "".join(f'"I","pets","zoo",{number},"x"\r\n' for number in range(3))
    report = verified(one_version(tmp_path, text, text))
    assert told(report) == []
    (left,) = [it for it in report.unchecked if "commit-ts" in it.why]
    assert left.where == ("zoo.pets",)
