"""The examples of CSV, canal-json and Debezium JSON in the page for readers are what the encoders write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from afterbay.messages import Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from tests.support.batches import COMMIT_TS, batch, encode, table

PAGE = (Path(__file__).parents[2] / "docs" / "storage-protocol.md").read_text()

GREETINGS = table(Column("id", "int"), Column("text", "varchar"))
THREE = batch(
    GREETINGS,
    [(123, "hello,world"), (123, 'say "hi"'), (123, None)],
    ops=[Op.INSERT, Op.UPDATE, Op.DELETE],
    before=[None, (123, "hello,world"), None],
    commit_ts=[COMMIT_TS, COMMIT_TS + 1, COMMIT_TS + 2],
)
WORDS = batch(
    table(*(Column(name, "varchar") for name in "abcd"), name="test.table2"),
    [("a!b!c", "line\nbreak", "\\N", None)],
    ops=[Op.UPDATE],
)
PERSON = batch(
    table(Column("id", "int", primary_key=True), Column("name", "varchar"), Column("age", "tinyint", unsigned=True)),
    [(1, "Ann Marie", 200)],
    ops=[Op.UPDATE],
    before=[(1, "Ann", None)],
)
CUSTOMER = batch(
    table(
        *(Column("id", "int"), Column("first_name", "varchar"), Column("credit", "decimal", length=10, scale=2)),
        name="inventory.customers",
    ),
    [(1004, "Anne Marie", "1.50")],
    ops=[Op.UPDATE],
    before=[(1004, "Anne", "1.50")],
)

EXAMPLES = {
    "CSV": [
        encode(EncodeCsv(include_commit_ts=True), THREE),
        encode(EncodeCsv(include_commit_ts=True, output_old_value=True), THREE.slice(1, 3)),
        encode(EncodeCsv(delimiter="!", quote=""), WORDS),
    ],
    "canal-json": [encode(EncodeCanalJson(), PERSON)],
    "Debezium JSON": [encode(EncodeDebeziumJson(), CUSTOMER)],
}


@pytest.mark.parametrize("section", EXAMPLES)
def test_the_examples_are_what_is_written(section: str) -> None:
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert text is not None
    shown = re.findall(r"^```(?:csv|json)\n(.*?)^```$", text[1], re.MULTILINE | re.DOTALL)
    assert shown == [body.decode().replace("\r\n", "\n") for body in EXAMPLES[section]]
