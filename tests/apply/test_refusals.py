"""Bad input: a clear error with its place, and nothing applied half."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from afterbay.errors import AfterbayError, EnvironmentRefused, PipelineInvalid, RunFailed
from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Transform
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.sql_dialect import quote
from afterbay_nodes.apply.targets import sqlite
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.apply.targets.postgres import cut
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.apply.conftest import Applies
from tests.support.landed import Landed
from tests.support.made_store import CSV, MadeStore

ID = Column("id", "bigint", nullable=False, primary_key=True)
V = Column("v", "varchar", length=20)
T = (ID, V)
CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20))"
SECOND = "s/t/10/CDC00000000000000000002.csv"
Damage = Callable[[MadeStore], None]


def begun(encoder: Transform[ChangeBatch, EncodedBatch] = CSV) -> MadeStore:
    store = MadeStore(encoder)
    store.ddl("s.t", 10, CREATE, 3, T)
    store.rows("s.t", ("I", 11, (1, "a")))
    store.rows("s.t", ("I", 12, (2, "b")), ("I", 13, (3, "c")))
    store.checkpoint(99)
    return store


def changed(key: str, old: bytes, new: bytes) -> Damage:
    def damage(store: MadeStore) -> None:
        assert old in store.objects[key]
        store.objects[key] = store.objects[key].replace(old, new, 1)

    return damage


def gone(key: str) -> Damage:
    def damage(store: MadeStore) -> None:
        del store.objects[key]

    return damage


def wrong_checksum(store: MadeStore) -> None:
    (key,) = (key for key in store.objects if "schema_10" in key)
    store.objects[key[:-15] + "0000000001.json"] = store.objects.pop(key)


def schema_file_cut_off(store: MadeStore) -> None:
    (key,) = (key for key in store.objects if "schema_10" in key)
    store.objects[key] = store.objects[key][:-9]


# name -> (damage, code, what the message names, how many files' rows are there)
DAMAGES: dict[str, tuple[Damage, str, tuple[str, ...], int]] = {
    "a damaged index": (changed("s/t/10/meta/CDC.index", b"CDC", b"XYZ"), "index.unreadable", ("meta/CDC.index",), 0),
    "a file missing under the index": (gone("s/t/10/CDC00000000000000000001.csv"), "number.gap", ("s/t/10/CDC",), 0),
    "the newest file missing": (gone(SECOND), "index.without_file", ("meta/CDC.index",), 0),
    "a wrong checksum": (wrong_checksum, "schema_file.checksum", ("schema_10_0000000001",), 0),
    "a checkpoint cut off": (changed("metadata", b"99}", b"9"), "metadata.unreadable", ("metadata",), 0),
    "a schema file cut off": (schema_file_cut_off, "schema_file.unreadable", ("s/t/meta/schema_10_",), 0),
    "a truncated CSV": (changed(SECOND, b'"c"\r\n', b'"c'), "csv.torn", (SECOND, "row 2"), 1),
    "a row without its end": (changed(SECOND, b'"c"\r\n', b'"c"'), "csv.torn", (SECOND, "row 2"), 1),
    "a column too much": (changed(SECOND, b'"c"', b'"c",1'), "csv.columns", (SECOND, "row 2"), 1),
    "a column too much in every row": (
        lambda store: store.objects.update({SECOND: store.objects[SECOND].replace(b"\r\n", b",1,1,1\r\n")}),
        "csv.columns",
        (SECOND, "row 1"),
        1,
    ),
    "a column too few": (changed(SECOND, b',"c"', b""), "csv.columns", (SECOND, "row 2"), 1),
    "a value that is no number": (changed(SECOND, b"13,3,", b"13,x,"), "csv.value", (SECOND, "row 2", "id"), 1),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damage(case: str, apply: Applies, landed: Landed) -> None:
    damage, code, names, files = DAMAGES[case]
    store = begun()
    damage(store)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.exit_code == 1
    assert code in [item.code for item in caught.value.diagnostics], str(caught.value)
    for name in names:
        assert name in str(caught.value)
    assert (landed.rows("s.t") if files else landed.tables()) == ([(1, "a")] if files else set())


# The second file of another format, its bytes changed: (encoder, extension, change, code, what the message names too)
OTHERS: dict[str, tuple[Transform[ChangeBatch, EncodedBatch], str, Callable[[bytes], bytes], str, str]] = {
    "canal-json, truncated": (EncodeCanalJson(), "json", lambda data: data[:-9], "canal.torn", "row 2"),
    "canal-json, a column too few": (
        EncodeCanalJson(),
        "json",
        lambda data: data.replace(b',"v":"c"', b""),
        "canal.columns",
        "row 2",
    ),
    "debezium-json, truncated": (EncodeDebeziumJson(), "json", lambda data: data[:-9], "debezium.torn", "row 2"),
    "debezium-json, a column too few": (
        EncodeDebeziumJson(),
        "json",
        lambda data: data.replace(b',"v":"c"', b""),
        "debezium.columns",
        "row 2",
    ),
    "parquet, truncated": (EncodeParquet(), "parquet", lambda data: data[:-9], "parquet.damaged", ""),
    "parquet, a wrong checksum": (
        EncodeParquet(compression="none"),
        "parquet",
        lambda data: data.replace(b"\x01\0\0\0b\x01\0\0\0c", b"\x01\0\0\0b\x01\0\0\0d", 1),
        "parquet.damaged",
        "",
    ),
    "parquet, other columns": (
        EncodeParquet(),
        "parquet",
        lambda data: other_columns(EncodeParquet()),
        "parquet.columns",
        "'w'",
    ),
    "avro, truncated": (EncodeAvro(), "avro", lambda data: data[:-9], "avro.damaged", "row 1"),
    "avro, other columns": (EncodeAvro(), "avro", lambda data: other_columns(EncodeAvro()), "avro.columns", "'w'"),
}


def other_columns(encoder: Transform[ChangeBatch, EncodedBatch]) -> bytes:
    store = MadeStore(encoder)
    store.ddl("s.t", 10, CREATE, 3, (*T, Column("w", "int")))
    return store.objects[store.rows("s.t", ("I", 12, (2, "b", 1)))]


@pytest.mark.parametrize("case", OTHERS)
def test_damage_in_other_formats(case: str, apply: Applies, landed: Landed) -> None:
    encoder, extension, damage, code, named = OTHERS[case]
    store, second = begun(encoder), SECOND.replace("csv", extension)
    good = store.objects[second]
    store.objects[second] = damage(good)
    assert store.objects[second] != good
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == code, str(caught.value)
    assert second in str(caught.value)
    assert named in str(caught.value)
    assert landed.rows("s.t") == [(1, "a")]  # nothing of the damaged file, not even what is before the damage


def test_a_store_that_is_mended_goes_on(apply: Applies, landed: Landed) -> None:
    store = begun()
    good = store.objects[SECOND]
    store.objects[SECOND] = good[:-3]
    with pytest.raises(RunFailed):
        apply(store)
    store.objects[SECOND] = good
    apply(store)
    assert [row[0] for row in landed.rows("s.t")] == [1, 2, 3]


def test_a_file_that_became_shorter_behind_its_watermark(apply: Applies) -> None:
    store = begun()
    store.checkpoint(12)
    apply(store)
    store.objects[SECOND] = b""
    store.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.changed"


# -- a target that is not as it should be


MEDDLED = {
    "a column renamed": ("ALTER TABLE {} RENAME COLUMN v TO w", ("'v' is missing", "'w' is none of the store's")),
    "a column added": ("ALTER TABLE {} ADD COLUMN extra INT", ("'extra' is none of the store's",)),
    "a column dropped": ("ALTER TABLE {} DROP COLUMN v", ("'v' is missing",)),
    "dropped": ("DROP TABLE {}", ("it is not there",)),
}


@pytest.mark.parametrize("case", MEDDLED)
def test_a_table_that_somebody_changed(case: str, apply: Applies, landed: Landed) -> None:
    statement, told = MEDDLED[case]
    store = begun()
    apply(store)
    store.rows("s.t", ("I", 20, (9, "z")))
    landed.run(statement.format(landed.name("s.t")))
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.shape"
    assert "CDC00000000000000000003.csv" in str(caught.value)
    for text in told:
        assert text in str(caught.value)


THERE = {
    "another shape": ("id BIGINT PRIMARY KEY, v INTEGER", "", "apply.shape"),
    "rows of others": ("id BIGINT PRIMARY KEY, v {text}", "INSERT INTO {} VALUES (77, 'mine')", "apply.occupied"),
    "the same, empty": ("id BIGINT PRIMARY KEY, v {text}", "", None),
}


@pytest.mark.parametrize("case", THERE)
def test_a_table_that_is_there_already(case: str, apply: Applies, landed: Landed) -> None:
    columns, more, code = THERE[case]
    types = {"sqlite": ("INTEGER", "TEXT"), "duckdb": ("BIGINT", "VARCHAR"), "postgres": ("bigint", "text")}
    whole, text = types[landed.kind]
    name = landed.name("s.t")
    schema = [] if landed.kind == "sqlite" else ["CREATE SCHEMA s"]
    columns = columns.format(text=text).replace("BIGINT", whole)
    landed.run(*schema, f"CREATE TABLE {name} ({columns})", *filter(None, [more.format(name)]))
    if code is None:
        apply(begun())
        assert len(landed.rows("s.t")) == 3
        return
    with pytest.raises(RunFailed) as caught:
        apply(begun())
    assert caught.value.code == code
    assert "s/t/meta/schema_10" in str(caught.value)
    assert landed.rows("s.t") == ([(77, "mine")] if more else [])


def test_a_key_that_is_another_one(apply: Applies, landed: Landed) -> None:
    if landed.kind == "duckdb":
        return  # keys are no constraints there
    kinds = "id INTEGER, v TEXT" if landed.kind == "sqlite" else "id bigint, v text"
    schema = [] if landed.kind == "sqlite" else ["CREATE SCHEMA s"]
    landed.run(*schema, f"CREATE TABLE {landed.name('s.t')} ({kinds})")
    with pytest.raises(RunFailed) as caught:
        apply(begun())
    assert "primary key is nothing, not id" in str(caught.value)


# -- names


HOSTILE = ('we"ird', "a b", "semi;colon--", "%s", "?", "ünï", "x" * 64, "'; DROP TABLE t; --", "select", "a.b", "\\")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str, apply: Applies, landed: Landed) -> None:
    """Of a schema, a table and a column at once, with rows, a DDL and a rename."""
    store = MadeStore()
    table, renamed = TableName(name, name), TableName(name, f"{name}2")
    column = Column(name, "varchar", length=9)
    store.ddl(table, 10, "", 0, (ID, column))
    store.rows(table, ("I", 11, (1, name)), ("I", 11, (2, name)), ("D", 12, (2, name)))
    more = (ID, column, Column(f"{name}2", "varchar", length=9, nullable=False, default=name))
    store.ddl(table, 20, "ALTER TABLE t ADD x", 5, more)
    quoted = [f"`{part.replace('`', '``')}`" for part in (*table, *renamed)]
    store.ddl(renamed, 30, "RENAME TABLE {}.{} TO {}.{}".format(*quoted), 14, more)
    store.rows(renamed, ("U", 31, (1, "changed", name)))
    store.checkpoint(99)
    apply(store)
    assert apply(store).rows == 0
    chosen = "schema_name, table_name, target_name"
    ((schema, bare, target),) = landed.query(f"SELECT {chosen} FROM _afterbay_tables WHERE columns_json IS NOT NULL")
    assert (schema, bare) == renamed
    places = [cut(part) for part in (schema, bare)] if landed.kind == "postgres" else [schema, bare]
    place = quote(target) if landed.kind == "sqlite" else ".".join(map(quote, places))
    assert landed.query(f"SELECT * FROM {place}") == [(1, "changed", name)]


def test_two_names_that_the_target_takes_for_one(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.T", 14, CREATE, 3, T)
    store.rows("s.T", ("I", 15, (5, "T")))
    if landed.kind == "postgres":
        apply(store)
        assert landed.rows("s.T") == [(5, "T")]
        return
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.name"
    assert "s.t" in str(caught.value)


def test_dots_do_not_mix_two_tables_up(apply: Applies, landed: Landed) -> None:
    """Also where there are no schemas, and both names are one."""
    store = MadeStore()
    for number, name in enumerate((TableName("a.b", "c"), TableName("a", "b.c"))):
        store.ddl(name, 10 + number, "", 0, T)
        store.rows(name, ("I", 20, (number, "x")))
    store.checkpoint(99)
    apply(store)
    places = ['"a%2Eb.c"', '"a.b.c"'] if landed.kind == "sqlite" else ['"a.b"."c"', '"a"."b.c"']
    assert [landed.query(f"SELECT id FROM {place}") for place in places] == [[(0,)], [(1,)]]


def test_a_long_name_is_cut_and_told_apart() -> None:
    """PostgreSQL would cut it itself, and take two for the same."""
    assert cut("x" * 63) == "x" * 63
    names = [f"{'é' * 60}{end}" for end in "ab"]
    assert len({cut(name) for name in names}) == 2
    assert all(len(cut(name).encode()) <= 63 for name in names)


@pytest.mark.parametrize("column", ["_afterbay_row", "_AFTERBAY_op"])
def test_a_column_that_is_called_like_ours(column: str, apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 10, "", 0, (replace(ID, primary_key=False), Column(column, "int")))
    store.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.name"


# -- targets that cannot be opened


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("copy.db", "target.scheme"),
        ("sqllite:///copy.db", "target.scheme"),
        ("mysql://root:secret@host/db", "target.scheme"),
        ("sqlite://copy.db", "target.path"),
        ("sqlite:///", "target.path"),
        ("sqlite:///copy.db?mode=ro", "target.query"),
        ("duckdb:///copy.duckdb?password=secret", "target.query"),
        ("postgresql://me:secret@host:port/db", "target.form"),
    ],
)
def test_targets_that_are_written_wrong(uri: str, code: str) -> None:
    with pytest.raises(PipelineInvalid) as caught:
        open_target(uri)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(EnvironmentRefused) as caught:
        open_target("postgresql://me:secret@127.0.0.1:1/db?connect_timeout=5")
    assert caught.value.code == "target.unavailable"
    assert "postgresql://127.0.0.1:1/db" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_another_has_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(tmp_path / "copy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    target = open_target(f"sqlite:///{tmp_path}/copy.db")
    try:
        with pytest.raises(EnvironmentRefused) as caught, target.transaction():
            pytest.fail("the transaction began")
    finally:
        target.close()
        other.close()
    assert caught.value.code == "target.unavailable"


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_file_that_is_none(scheme: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "text").write_text("this is no database, by no means whatsoever, and it is long enough to say so" * 99)
    for uri, code in (
        (f"{scheme}:///{folder}/text", "target.unavailable"),
        (f"{scheme}:///{folder}/no/x", "target.folder"),
    ):
        with pytest.raises(AfterbayError) as caught:
            open_target(uri)
        assert (caught.value.code, caught.value.exit_code) == (code, 3)
