"""The reader on stores made by hand: a healthy one is read, and each damage is found by name."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reader.bucket import Bucket, read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.reader.trees import DATABASE_SUM, DAY, FIRST, NAME, NEXT, SECOND, TABLE_V1, V1_SUM, V2_SUM, healthy, write

SHAPE = StoreShape("csv")
FORM = CsvDialect(commit_ts=True)
OLD = f"zoo/pets/1000/{DAY}"
Files = dict[str, str]


def read(root: Path, files: Files) -> Bucket:
    return read_bucket(write(root, files), SHAPE, FORM)


def test_a_healthy_store_is_read_in_order(tmp_path: Path) -> None:
    bucket = read(tmp_path, healthy())
    assert bucket.findings == ()
    assert bucket.unindexed == ()
    assert bucket.checkpoint == 2001
    old, new = bucket.tables["zoo", "pets"]
    assert [(row.op, row.commit_ts, row.values) for row in old.rows] == [
        ("I", 1001, ("1", "Tom")),
        ("I", 1001, ("2", 'Jerry "the mouse"')),
        ("U", 1005, ("1", None)),
        ("D", 1009, ("2", "line\r\nbreak")),
        ("I", 1010, ("3", "\\N")),
    ]
    assert [row.values for row in new.rows] == [("4",)]
    assert [(file.version, file.type) for file in bucket.ddls] == [(900, 1), (1000, 3), (2000, 6)]
    assert [column.name for column in old.schema.columns if column.primary_key] == ["id"]
    assert [column.nullable for column in old.schema.columns] == [False, True]


def test_a_file_that_is_not_yet_in_the_index_is_named_and_not_read(tmp_path: Path) -> None:
    files = healthy() | {f"{OLD}/meta/CDC.index": f"{NAME}\n"}
    bucket = read(tmp_path, files)
    assert bucket.findings == ()
    assert bucket.unindexed == (f"{OLD}/{NEXT}",)
    assert len(bucket.rows("zoo", "pets")) == 4


def test_what_a_dead_writer_left_in_its_hidden_folder_is_named_apart(tmp_path: Path) -> None:
    bucket = read(tmp_path, healthy() | {".writer/half": "torn"})
    assert bucket.findings == ()
    assert bucket.temporary == (".writer/half",)
    assert [finding.rule for finding in read(tmp_path, {".half": "torn"}).findings] == ["name.unknown"]


def test_rows_below_the_checkpoint_that_are_not_there_are_counted(tmp_path: Path) -> None:
    bucket = read(tmp_path, healthy())
    pets = [1001, 1001, 1005, 1009, 1010, 2001]
    assert bucket.missing(bucket.checkpoint, {("zoo", "pets"): [*pets, 2002]}) == []
    assert bucket.missing(bucket.checkpoint, {("zoo", "pets"): [*pets, 1999]}) == [
        "zoo.pets holds 6 of 7 rows at or below 2001"
    ]


def without(name: str) -> Callable[[Files], Files]:
    return lambda files: {path: text for path, text in files.items() if path != name}


def plus(name: str, text: str) -> Callable[[Files], Files]:
    return lambda files: files | {name: text}


def edited(name: str, old: str, new: str) -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        assert old in files[name]
        return files | {name: files[name].replace(old, new, 1)}

    return edit


V1_PATH = f"zoo/pets/meta/schema_1000_{V1_SUM}.json"
THIRD_NAME = "CDC00000000000000000003.csv"
DAMAGES: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a data file is gone": (without(f"{OLD}/{NAME}"), "number.gap"),
    "a number is left out": (plus(f"{OLD}/CDC00000000000000000004.csv", ""), "number.gap"),
    "the newest indexed file is gone": (without(f"{OLD}/{NEXT}"), "index.ahead"),
    "the index is ahead": (plus(f"{OLD}/meta/CDC.index", f"{THIRD_NAME}\n"), "index.ahead"),
    "the index is two files behind": (plus(f"{OLD}/meta/CDC.index", ""), "index.form"),
    "there is no index for two files": (without(f"{OLD}/meta/CDC.index"), "index.behind"),
    "the index has no line feed": (plus(f"{OLD}/meta/CDC.index", NEXT), "index.form"),
    "the index names another kind of file": (plus(f"{OLD}/meta/CDC.index", "CDC2.csv\n"), "index.form"),
    "the index names a path": (plus(f"{OLD}/meta/CDC.index", f"../{NEXT}\n"), "index.form"),
    "a row is torn in a string": (plus(f"{OLD}/{NEXT}", SECOND[:-8]), "row.torn"),
    "a row is torn between fields": (plus(f"{OLD}/{NEXT}", SECOND[: SECOND.rindex(",") + 1]), "row.torn"),
    "the last terminator is missing": (plus(f"{OLD}/{NEXT}", SECOND[:-2]), "row.torn"),
    "a quote is not doubled": (edited(f"{OLD}/{NAME}", '""the', '"the'), "row.torn"),
    "a row has a field too many": (edited(f"{OLD}/{NAME}", '"Tom"', '"Tom","Cat"'), "row.width"),
    "a row has a field too few": (edited(f"{OLD}/{NAME}", ',"Tom"', ""), "row.width"),
    "a row is of another table": (edited(f"{OLD}/{NAME}", '"pets"', '"cars"'), "row.names"),
    "an unknown operation": (edited(f"{OLD}/{NAME}", '"I"', '"X"'), "row.names"),
    "a string without quotes": (edited(f"{OLD}/{NAME}", '"Tom"', "Tom"), "row.quoting"),
    "a number in quotes": (edited(f"{OLD}/{NAME}", "1001,1", '1001,"1"'), "row.quoting"),
    "an empty bare number": (edited(f"{OLD}/{NAME}", "1001,1", "1001,"), "row.value"),
    "commit-ts falls in a file": (edited(f"{OLD}/{NAME}", "1005", "1000"), "commit.falls"),
    "commit-ts falls from file to file": (edited(f"{OLD}/{NEXT}", "1009", "1004"), "commit.falls"),
    "a transaction is split": (edited(f"{OLD}/{NEXT}", "1009", "1005"), "transaction.split"),
    "a row older than its version": (edited(f"{OLD}/{NAME}", "1001", "999"), "version.bounds"),
    "a row that the next version begins with": (edited(f"{OLD}/{NEXT}", "1010", "2000"), "version.bounds"),
    "no schema file": (without(V1_PATH), "schema.missing"),
    "a wrong checksum in the name": (
        lambda files: without(V1_PATH)(plus(f"zoo/pets/meta/schema_1000_{V2_SUM}.json", TABLE_V1)(files)),
        "schema.checksum",
    ),
    "a changed column": (edited(V1_PATH, '"VARCHAR"', '"CHAR"'), "schema.checksum"),
    "another version inside": (edited(V1_PATH, '"TableVersion": 1000', '"TableVersion": 1001'), "schema.version"),
    "another table inside": (edited(V1_PATH, '"Table": "pets"', '"Table": "cars"'), "schema.names"),
    "a key out of order": (
        edited(V1_PATH, '    "Table": "pets",\n    "Schema": "zoo",', '    "Schema": "zoo",\n    "Table": "pets",'),
        "schema.keys",
    ),
    "another indent": (plus(V1_PATH, TABLE_V1.replace("    ", "  ")), "schema.form"),
    "an escape that Go does not write": (edited(V1_PATH, "pets (", "pets \\u0028"), "schema.form"),
    "half a schema file": (plus(V1_PATH, TABLE_V1[:200]), "schema.json"),
    "a wrong number of columns": (edited(V1_PATH, 'Total": 2', 'Total": 3'), "schema.columns"),
    "a second schema file of one version": (plus(f"zoo/pets/meta/schema_1000_{V2_SUM}.json", TABLE_V1), "schema.twice"),
    "a database file in a table's place": (
        plus(f"zoo/dogs/meta/schema_900_{DATABASE_SUM}.json", healthy()[f"zoo/meta/schema_900_{DATABASE_SUM}.json"]),
        "schema.names",
    ),
    "a temporary file": (plus(f"{OLD}/.{NAME}.tmp", ""), "name.unknown"),
    "a file beside the protocol": (plus("README", "hello"), "name.unknown"),
    "a number without its zeros": (plus(f"{OLD}/CDC3.csv", ""), "name.unknown"),
    "file number nought": (plus(f"{OLD}/CDC00000000000000000000.csv", ""), "name.unknown"),
    "another extension": (plus(f"{OLD}/CDC00000000000000000003.json", ""), "name.unknown"),
    "a date that is none": (plus(f"zoo/pets/1000/2026-13-01/{NAME}", ""), "name.unknown"),
    "metadata with a line feed": (plus("metadata", '{"checkpoint-ts":1}\n'), "metadata.form"),
    "metadata below nought": (plus("metadata", '{"checkpoint-ts":-1}'), "metadata.form"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found(name: str, tmp_path: Path) -> None:
    damage, rule = DAMAGES[name]
    found = [finding.rule for finding in read(tmp_path, damage(healthy())).findings]
    assert rule in found


def test_the_store_of_a_later_day_goes_on_where_the_day_before_ended(tmp_path: Path) -> None:
    later = "zoo/pets/1000/2026-01-03"
    files = healthy() | {f"{later}/{NAME}": FIRST, f"{later}/meta/CDC.index": f"{NAME}\n"}
    assert {finding.rule for finding in read(tmp_path, files).findings} == {"commit.falls"}
    good = files | {f"{later}/{NAME}": FIRST.replace("1001", "1500").replace("1005", "1501")}
    assert read(tmp_path, good).findings == ()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, healthy())
    (tmp_path / "zoo" / "elsewhere").symlink_to(tmp_path / "zoo" / "pets")
    bucket = read_bucket(tmp_path, SHAPE, FORM)
    assert [finding.rule for finding in bucket.findings] == ["name.unknown"]


def test_the_reader_knows_nothing_of_the_writer() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            # Parquet is read by the library that its users have, from what the page says of the files.
            barred = {"afterbay", "afterbay_nodes"} | ({"pyarrow"} if path.stem != "described_rows" else set())
            assert not {name.split(".")[0] for name in names} & barred, path
