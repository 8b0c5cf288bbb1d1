"""The page of limits: each limit in the code is on it with its code, and its number is the code's."""

from __future__ import annotations

import re

import pytest

from afterbay import foreign_sqlite
from afterbay.compile import compiler, document, tree
from afterbay_nodes import column_limits
from afterbay_nodes.bucket import bucket
from afterbay_nodes.decoders import avro_blocks, decode_parquet, parquet_pages
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.sources.ddl import altered, tokenizer
from afterbay_nodes.sources.postgres import row_run
from afterbay_nodes.storage import advance, layout, names, numbering, store, uri
from tests.docs.test_snippets import ROOT
from tests.fuzz.target import MOST_MEMORY, MOST_SECONDS
from tests.fuzz.targets import TARGETS

PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
MIB, GIB = 1 << 20, 1 << 30


def row(beginning: str) -> str:
    """The row of the table that begins so."""
    (found,) = [line for line in PAGE.splitlines() if line.startswith(f"| {beginning}")]
    return found


def shown(number: int) -> str:
    """As the page writes a number of bytes."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if number >= unit and number % unit == 0:
            return f"{number // unit} {name}"
    return str(number)


@pytest.mark.parametrize(
    ("beginning", "limits", "code"),
    [
        ("a pipeline file", [shown(tree.MAX_BYTES)], "yaml.size"),
        ("values and characters", [str(tree.MAX_VALUES), str(tree.MAX_CHARACTERS)], "yaml.alias"),
        ("levels in it", [str(tree.MAX_DEPTH)], "yaml.depth"),
        ("characters that variables", [str(document.MAX_CHARACTERS)], "variable.size"),
        ("nodes", [str(compiler.MOST_NODES)], "graph.size"),
        ("characters of a URI", [str(uri.LONGEST_URI)], "uri.long"),
        ("bytes of a database", [str(names.LONGEST_NAME)], ""),
        ("bytes of a level", [str(store.LONGEST_LEVEL)], "store.key"),
        ("digits of a version", [str(layout.LONGEST_PAD)], "key.unknown"),
        ("a data file", [shown(bucket.LARGEST_FILE)], "bucket.large"),
        ("a schema file", [shown(store.SMALL_OBJECT)], "store.large"),
        ("an index", [str(numbering.LONGEST_INDEX)], "store.large"),
        ("`metadata`", [str(advance.LONGEST)], "store.large"),
        ("length of a column", [str(column_limits.MOST_LENGTH), "64", "10 MiB"], "schema_file.column"),
        ("scale of a column", [str(column_limits.MOST_SCALE)], "schema_file.column"),
        ("elements of", [str(number) for number in column_limits.MOST_ELEMENTS.values()], "schema_file.column"),
        ("a row group", [shown(parquet_pages.LARGEST_GROUP), str(parquet_pages.MOST_TIMES)], "parquet.large"),
        ("texts of a Parquet", [shown(decode_parquet._WRITTEN_OUT)], ""),
        ("a block of an Avro", [shown(avro_blocks.LARGEST_BLOCK), str(avro_blocks.MOST_TIMES)], "avro.large"),
        ("codecs of an Avro", [*avro_blocks._DECOMPRESSORS, "deflate", "null"], "avro.codec"),
        ("a line", [shown(ChangeLog.model_fields["longest_line"].default)], "change_log.line"),
        ("characters of a DDL", [shown(tokenizer.LONGEST_STATEMENT)], ""),
        ("columns that a DDL", [str(altered.MOST_COLUMNS)], ""),
        ("row messages", [shown(row_run.MOST_BYTES)], ""),
        ("bytes of a value", [shown(foreign_sqlite.LARGEST_VALUE)], "state.large"),
        ("bytes of a statement", [shown(foreign_sqlite.LONGEST_SQL)], "state.corrupt"),
    ],
)
def test_a_limit_is_on_the_page_as_it_is_in_the_code(beginning: str, limits: list[str], code: str) -> None:
    cells = row(beginning)
    assert [limit for limit in limits if limit not in cells] == []
    assert f"`{code}`" in cells if code else True


def test_every_code_and_file_of_the_page_is_in_the_code() -> None:
    sources = {path: path.read_text() for top in ("framework", "nodes") for path in (ROOT / top).rglob("*.py")}
    cells = [line.split("|") for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| what")]
    codes = {code for cell in cells for code in re.findall(r"`([a-z_]+\.[a-z_]+)`", cell[3])}
    everything = "".join(sources.values())
    assert [code for code in sorted(codes) if f'"{code}"' not in everything] == []
    files = {name for cell in cells for name in re.findall(r"`([a-z_0-9/]+\.py)`", cell[4])}
    assert [name for name in sorted(files) if not any(str(path).endswith(f"/{name}") for path in sources)] == []


def test_the_fuzz_targets_and_their_bounds_are_told() -> None:
    assert [name for name in TARGETS if f"`{name}`" not in PAGE] == []
    assert f"{MOST_SECONDS:.0f} seconds" in PAGE
    assert f"{MOST_MEMORY >> 20} MiB" in PAGE
