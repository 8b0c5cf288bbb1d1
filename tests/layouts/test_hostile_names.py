"""Names are data: whatever tables and databases are called, they stay in their folders and meet nobody else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.schema import TableName, TableSchema
from afterbay_nodes.sources.ddl_in_hand import quoted
from afterbay_nodes.storage.layout import METADATA, Layout
from afterbay_nodes.storage.store import levels
from tests.support.canal import ddl, row, watermark
from tests.support.road import Road

ZOO = [
    # out of the folder
    *(
        "..",
        ".",
        "../../etc/passwd",
        "/",
        "//",
        "/etc",
        "a/b",
        "a/../b",
        "..\\..",
        "C:\\x",
        "~",
        ".hidden",
        ".afterbay",
    ),
    # into another's place
    *("meta", "metadata", "Meta", "META", "%6Deta", "%6Detadata", "CDC.index", "CDC00000000000000000001.csv"),
    *("schema_1_2.json", "schema_10_0000000001.json", "2026-01-02", "2026", "445", "0", "-1"),
    # equal once escaped, or almost
    *("a%2Fb", "a%252Fb", "%", "%%", "%_", "%2E", "%~", "a~b", "a\\b", "a%5Cb"),
    # equal to careless eyes or file systems
    *("t", "T", "\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "ﬁ", "fi", "ſ", "s", "ß", "ss", "İ", "i̇", "ı"),
    *("trailing.", "trailing..", "trailing ", "trailing", " leading", "leading", "a b", "a\u00a0b", "a\u200bb", "ab"),
    # hard to write down
    *(
        "new\nline",
        "tab\t",
        "\r\n",
        "nul\x00",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\u2028",
        "\u202egnp.exe",
        "\ufeff",
        "😀",
        "👩‍👩‍👧",
    ),
    *(
        "'",
        '"',
        "`",
        "``",
        ",",
        ";",
        "a.b",
        ".",
        "`; DROP TABLE t; --",
        "\\N",
        "null",
        "NULL",
        "$(id)",
        "${HOME}",
        "*",
        "?",
    ),
    *("<script>", "&amp;", "#", "@", ":", "|", "CON", "nul", "COM1"),
    # long
    *("x" * 200, "x" * 201, "x" * 300, "x" * 299 + "y", "é" * 300, "😀" * 300, "%" * 300, "/" * 300),
]
ZOO = list(dict.fromkeys(ZOO))

names = st.one_of(
    st.sampled_from(ZOO),
    st.text(max_size=12),
    st.text("%/\\.~_ 2Fm\x00eta", max_size=8),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Mn"]), max_size=6),
    st.text("é%a/", min_size=60, max_size=300),
    st.builds("{}{}".format, st.sampled_from(["x" * 160, "é" * 80, "%" * 160]), st.text(min_size=40, max_size=60)),
)
tables = st.builds(TableName, names, names)


def places(name: TableName) -> dict[str, PurePosixPath]:
    """Every directory that is this table's or its database's own."""
    layout = Layout()
    table = TableSchema(name, 445, ())
    return {
        "table": PurePosixPath(layout.table_directory(table)),
        "schema files": PurePosixPath(layout.schema_file(layout.table_directory(table), 445, 1)).parent,
        "database's schema files": PurePosixPath(
            layout.schema_file(layout.database_directory(name.schema), 1, 1)
        ).parent,
    }


@given(tables, tables)
@example(TableName("a", "meta"), TableName("a", "t"))
@example(TableName("a/b", "c"), TableName("a", "b/c"))
@example(TableName("a", "b/c"), TableName("a", "b%2Fc"))
@example(TableName("", ""), TableName("%_", "%_"))
def test_two_tables_never_share_a_path_nor_lie_in_one_another(one: TableName, other: TableName) -> None:
    mine, theirs = places(one), places(other)

    assert (mine["table"] == theirs["table"]) == (one == other)
    if one != other:
        assert not mine["table"].is_relative_to(theirs["table"])
        assert mine["schema files"] != theirs["schema files"]
    for place in (mine["table"], mine["schema files"]):
        assert place != theirs["database's schema files"]
        assert not place.is_relative_to(theirs["database's schema files"])
        assert not theirs["database's schema files"].is_relative_to(mine["table"])
    same = mine["database's schema files"] == theirs["database's schema files"]
    assert same == (one.schema == other.schema)


@given(tables)
def test_a_table_never_leaves_its_folder_nor_takes_a_name_of_the_protocol(name: TableName) -> None:
    table = Layout().table_directory(TableSchema(name, 445, ()))

    assert len(levels(table)) == 2
    assert not {".", ".."} & set(table.split("/"))
    assert table.split("/")[0] != METADATA
    assert table.split("/")[1] != "meta"
    assert all(len(level.encode()) <= 255 for level in levels(table))


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path, {"date_separator": "none", "flush_interval": "10m"})


def test_a_zoo_of_tables_is_stored_and_read_back_complete(road: Road) -> None:
    """Each name as a table, and (where MySQL's own statements can say it) as a database with a table."""
    all_tables = [TableName("zoo", name) for name in ["", *ZOO]] + [TableName(name, "t") for name in ZOO]
    create = "(id BIGINT PRIMARY KEY, v VARCHAR(2000))"
    lines = []
    for number, name in enumerate(all_tables):
        lines.append(ddl(10 + number, f"CREATE TABLE {quoted(name)} {create}", database=name.schema))
    for number, name in enumerate(all_tables):
        lines.append(row(name.table, 10_000 + number, {"id": str(number), "v": name.table}, database=name.schema))
    outside = set(road.folder.iterdir())

    report = road.run(*lines, watermark(20_000))

    assert report.rows_stored == len(all_tables)
    bucket = road.read(date="none")
    assert bucket.tables.keys() == set(all_tables)
    for number, name in enumerate(all_tables):
        assert [found.values for found in bucket.rows(*name)] == [(str(number), name.table)], name
    ours = {road.lake, road.folder / "state", road.folder / "events.jsonl"}
    assert set(road.folder.iterdir()) - outside == ours
    assert {path.name for path in road.lake.iterdir() if path.is_file()} == {"metadata"}


def test_databases_with_hostile_names_have_schema_files_of_their_own(road: Road) -> None:
    lines = [
        ddl(10 + n, f"CREATE DATABASE {quoted(TableName('', name)).partition('.')[2]}") for n, name in enumerate(ZOO)
    ]

    road.run(*lines, watermark(20_000))

    bucket = road.read(date="none")
    assert sorted(files[0].schema for files in bucket.databases.values()) == sorted(ZOO)
    assert bucket.tables == {}


def test_a_name_that_is_no_unicode_is_a_bad_line(road: Road) -> None:
    line = row("t", 10, {"id": "1", "v": "x"}).replace(b'"table": "t"', b'"table": "\\ud800"')

    with pytest.raises(RunFailed, match=r"change_log\.line"):
        road.run(line)
