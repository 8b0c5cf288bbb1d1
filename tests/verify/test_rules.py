"""Each rule, broken once in a good store: exactly that fault is told, with its file and row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from afterbay.schema import Column
from tests.reader.trees import (
    DATABASE_SUM,
    FIRST,
    NAME,
    NEXT,
    SECOND,
    TABLE_V1,
    V1_SUM,
    V2_SUM,
    healthy,
)
from tests.reader.trees import write as written
from tests.support.buckets import ID, schema_file
from tests.verify.histories import told, verified

Files = dict[str, str]
Edit = Callable[[Files], Files]
OLD, NEW = "zoo/pets/1000/2026-01-02", "zoo/pets/2000/2026-01-02"
V1, V2 = f"zoo/pets/meta/schema_1000_{V1_SUM}.json", f"zoo/pets/meta/schema_2000_{V2_SUM}.json"
DATABASE = f"zoo/meta/schema_900_{DATABASE_SUM}.json"
INDEX = f"{OLD}/meta/CDC.index"
BEYOND = NAME.replace("1.csv", "3.csv")
LATER = OLD.replace("02", "03")
SECOND_V2 = {
    key: data.decode() for key, data in schema_file("zoo.pets", 2000, columns=(ID, Column("w", "int"))).items()
}


def without(name: str) -> Edit:
    return lambda files: {path: text for path, text in files.items() if path != name}


def plus(name: str, text: str) -> Edit:
    return lambda files: files | {name: text}


def edited(name: str, old: str, new: str) -> Edit:
    def edit(files: Files) -> Files:
        assert old in files[name]
        return files | {name: files[name].replace(old, new, 1)}

    return edit


def both(*edits: Edit) -> Edit:
    def edit(files: Files) -> Files:
        for one in edits:
            files = one(files)
        return files

    return edit


def statement(old: str, new: str) -> Edit:
    """The second version's statement changed."""
    return edited(V2, old, new)


RULES: Mapping[str, tuple[Edit, str, str, int]] = {
    "a data file is gone": (without(f"{OLD}/{NAME}"), "number.gap", f"{OLD}/CDC", 0),
    "the newest file is gone": (without(f"{OLD}/{NEXT}"), "index.without_file", INDEX, 0),
    "the index is ahead": (plus(INDEX, f"{BEYOND}\n"), "index.without_file", INDEX, 0),
    "the index names another kind of file": (
        plus(INDEX, NEXT.replace("csv", "json") + "\n"), "index.without_file", INDEX, 0
    ),
    "the index names a shorter number": (plus(INDEX, "CDC2.csv\n"), "index.without_file", INDEX, 0),
    "the index is no name": (plus(INDEX, f"../{NEXT}\n"), "index.unreadable", INDEX, 0),
    "there is no index for two files": (without(INDEX), "index.behind", INDEX, 0),
    "a number without its zeros": (
        both(plus(f"{OLD}/CDC3.csv", ""), plus(INDEX, "CDC3.csv\n")), "number.form", f"{OLD}/CDC3.csv", 0
    ),
    "a number twice": (
        plus(f"{OLD}/{NEXT.replace('csv', 'json')}", ""), "number.twice", f"{OLD}/{NEXT.replace('csv', 'json')}", 0
    ),
    "a date that is none": (
        lambda files: {path.replace("2000/2026-01-02", "2000/2026-13-02"): text for path, text in files.items()},
        "date.form", f"{NEW.replace('01-02', '13-02')}/{NAME}", 0,
    ),
    "a changed column": (edited(V1, '"VARCHAR"', '"CHAR"'), "schema_file.checksum", V1, 0),
    "half a schema file": (plus(V1, TABLE_V1[:200]), "schema_file.unreadable", V1, 0),
    "another version inside": (edited(V1, 'TableVersion": 1000', 'TableVersion": 1001'), "schema_file.names", V1, 0),
    "another indent": (plus(V1, TABLE_V1.replace("    ", "  ")), "schema_file.form", V1, 0),
    "a key of the schema file out of order": (
        edited(V1, '    "Table": "pets",\n    "Schema": "zoo",', '    "Schema": "zoo",\n    "Table": "pets",'),
        "schema_file.form", V1, 0,
    ),
    "a second schema file of one version": (
        lambda files: files | SECOND_V2, "schema_file.twice", next(iter(SECOND_V2)), 0,
    ),
    "no schema file": (without(V2), "schema_file.missing", NEW, 0),
    "a number of another statement": (statement('"Type": 6', '"Type": 4'), "schema_file.statement", V2, 0),
    "a number without a statement": (
        statement("ALTER TABLE pets DROP COLUMN name", ""), "schema_file.statement", V2, 0
    ),
    "a database's statement under another number": (edited(DATABASE, ": 1,\n    \"TableC", ": 2,\n    \"TableC"),
        "schema_file.statement", DATABASE, 0),
    "a column that was dropped": (statement("DROP COLUMN name", "ADD INDEX (id)"), "schema_file.statement", V2, 0),
    "a column that nobody made": (
        edited(V1, "id INT PRIMARY KEY, name VARCHAR(20)", "id INT PRIMARY KEY, nome VARCHAR(20)"),
        "schema_file.statement", V1, 0,
    ),
    "a row is torn": (plus(f"{OLD}/{NEXT}", SECOND[:-8]), "csv.torn", f"{OLD}/{NEXT}", 2),
    "a field too many": (edited(f"{OLD}/{NEXT}", '"\\N"', '"\\N","x"'), "csv.columns", f"{OLD}/{NEXT}", 2),
    "a row of another table": (edited(f"{OLD}/{NAME}", '"pets"', '"cars"'), "csv.names", f"{OLD}/{NAME}", 1),
    "a value that is none": (edited(f"{OLD}/{NAME}", "1005,1", "1005,x"), "csv.value", f"{OLD}/{NAME}", 3),
    "commit-ts falls in a file": (edited(f"{OLD}/{NAME}", "1005", "1000"), "commit_ts.order", f"{OLD}/{NAME}", 3),
    "commit-ts falls from file to file": (
        edited(f"{OLD}/{NEXT}", "1009", "1004"), "commit_ts.order", f"{OLD}/{NEXT}", 1
    ),
    "a later date is older": (
        both(plus(f"{LATER}/{NAME}", FIRST), plus(f"{LATER}/meta/CDC.index", f"{NAME}\n")),
        "date.order", f"{LATER}/{NAME}", 1,
    ),
    "a transaction is split": (edited(f"{OLD}/{NEXT}", "1009", "1005"), "transaction.split", f"{OLD}/{NEXT}", 1),
    "a row older than its version": (
        edited(f"{OLD}/{NAME}", '"I","pets","zoo",1001', '"I","pets","zoo",999'), "version.bounds", f"{OLD}/{NAME}", 1
    ),
    "a row of the next version": (edited(f"{OLD}/{NEXT}", "1010", "2001"), "version.bounds", f"{OLD}/{NEXT}", 2),
    "rows at or below the checkpoint in no index": (
        plus(f"{OLD}/{BEYOND}", '"I","pets","zoo",1011,9,\\N\r\n'), "checkpoint.ahead", f"{OLD}/{BEYOND}", 0
    ),
    "metadata with a line feed": (plus("metadata", '{"checkpoint-ts":2001}\n'), "metadata.form", "metadata", 0),
    "metadata that is none": (plus("metadata", '{"checkpoint-ts":-1}'), "metadata.unreadable", "metadata", 0),
}  # fmt: skip
FOLLOWS = {
    "a date that is none": {"key.unknown"},
    "a changed column": {"schema_file.missing"},
    "half a schema file": {"schema_file.missing"},
    "another version inside": {"schema_file.missing"},
    "there is no index for two files": {"checkpoint.ahead"},
    "the index is no name": {"index.behind", "checkpoint.ahead"},
}
"""Codes of what follows from it."""


@pytest.mark.parametrize("name", RULES)
def test_a_broken_rule_is_told_with_its_file(name: str, tmp_path: Path) -> None:
    edit, code, key, row = RULES[name]
    found = told(verified(written(tmp_path, edit(healthy()))))
    assert (code, key, row) in found
    assert {other for other, *_ in found} - FOLLOWS.get(name, set()) == {code}


def test_the_good_store_is_good(tmp_path: Path) -> None:
    report = verified(written(tmp_path, healthy()))
    assert report.is_clean
    assert report.notes == ()
