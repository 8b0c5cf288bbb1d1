"""Stores made by hand for the reader's own tests: every byte is written here, none by a writer."""

from __future__ import annotations

from pathlib import Path

T1, T2 = 1000, 2000
DAY = "2026-01-02"

TABLE_V1 = """{
    "Table": "pets",
    "Schema": "zoo",
    "Version": 1,
    "TableVersion": 1000,
    "Query": "CREATE TABLE pets (id INT PRIMARY KEY, name VARCHAR(20))",
    "Type": 3,
    "TableColumns": [
        {
            "ColumnName": "id",
            "ColumnType": "INT",
            "ColumnPrecision": "11",
            "ColumnNullable": "false",
            "ColumnIsPk": "true"
        },
        {
            "ColumnName": "name",
            "ColumnType": "VARCHAR",
            "ColumnPrecision": "20"
        }
    ],
    "TableColumnsTotal": 2
}"""
TABLE_V2 = """{
    "Table": "pets",
    "Schema": "zoo",
    "Version": 1,
    "TableVersion": 2000,
    "Query": "ALTER TABLE pets DROP COLUMN name",
    "Type": 6,
    "TableColumns": [
        {
            "ColumnName": "id",
            "ColumnType": "INT",
            "ColumnPrecision": "11",
            "ColumnNullable": "false",
            "ColumnIsPk": "true"
        }
    ],
    "TableColumnsTotal": 1
}"""
DATABASE = """{
    "Table": "",
    "Schema": "zoo",
    "Version": 1,
    "TableVersion": 900,
    "Query": "CREATE DATABASE zoo",
    "Type": 1,
    "TableColumns": null,
    "TableColumnsTotal": 0
}"""
# CRC-32 of each document above without Query, Type and TableVersion and with Version 0, computed once with zlib.
V1_SUM, V2_SUM, DATABASE_SUM = "0906328784", "1705192552", "2250213082"

NAME = "CDC00000000000000000001.csv"
NEXT = "CDC00000000000000000002.csv"
FIRST = (
    '"I","pets","zoo",1001,1,"Tom"\r\n"I","pets","zoo",1001,2,"Jerry ""the mouse"""\r\n"U","pets","zoo",1005,1,\\N\r\n'
)
SECOND = '"D","pets","zoo",1009,2,"line\r\nbreak"\r\n"I","pets","zoo",1010,3,"\\N"\r\n'
THIRD = '"I","pets","zoo",2001,4\r\n'


def write(root: Path, files: dict[str, str]) -> Path:
    """Writes `files` (relative path -> text) under `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def healthy() -> dict[str, str]:
    """A table of two versions, two data files in the first, with its database."""
    return {
        "metadata": '{"checkpoint-ts":2001}',
        f"zoo/meta/schema_900_{DATABASE_SUM}.json": DATABASE,
        f"zoo/pets/meta/schema_1000_{V1_SUM}.json": TABLE_V1,
        f"zoo/pets/meta/schema_2000_{V2_SUM}.json": TABLE_V2,
        f"zoo/pets/1000/{DAY}/{NAME}": FIRST,
        f"zoo/pets/1000/{DAY}/{NEXT}": SECOND,
        f"zoo/pets/1000/{DAY}/meta/CDC.index": f"{NEXT}\n",
        f"zoo/pets/2000/{DAY}/{NAME}": THIRD,
        f"zoo/pets/2000/{DAY}/meta/CDC.index": f"{NAME}\n",
    }
