"""The house: what may import what, and how large a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import afterbay

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for top in ("framework", "nodes", "migrations") for path in sorted((ROOT / top).rglob("*.py"))]
MOST_LINES = 400

# What nodes may not import: they get all they need through the face, the contracts and their contexts.
# The ledger's token is part of a sink's contract.
ACKNOWLEDGEMENTS = ("afterbay.runtime.ledger.Token",)
ENGINE = ("afterbay.runtime", "afterbay.compile", "afterbay.cli", "afterbay.diagram", "afterbay.pipeline")


def imports(path: Path, *, at_run_time_only: bool = False) -> Iterator[str]:
    """The modules that a file imports, at the top or inside functions; without those for type checkers if asked."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if at_run_time_only and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {inner for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "framework")], ids=named)
def test_the_framework_imports_no_node(path: Path) -> None:
    assert not [name for name in imports(path) if name.partition(".")[0] == "afterbay_nodes"]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "migrations")], ids=named)
def test_migrations_import_neither_framework_nor_nodes(path: Path) -> None:
    assert not [name for name in imports(path) if name.partition(".")[0] in ("afterbay", "afterbay_nodes")]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "nodes")], ids=named)
def test_nodes_do_not_reach_into_the_engine(path: Path) -> None:
    reached = [name for name in imports(path, at_run_time_only=True) if name.startswith(ENGINE)]
    assert set(reached) <= set(ACKNOWLEDGEMENTS)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_has_one_subject_and_is_short(path: Path) -> None:
    assert path.stem not in ("utils", "util", "helpers", "common", "misc")
    assert len(path.read_text().splitlines()) < MOST_LINES


def test_every_name_of_the_public_face_can_be_loaded() -> None:
    for name in afterbay.__all__:
        assert getattr(afterbay, name) is not None
    assert set(afterbay.__all__) <= set(dir(afterbay))


def test_a_name_that_the_face_does_not_have_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'pipelin'"):
        afterbay.pipelin  # noqa: B018 - the access is the test


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_face_loads_nothing_heavy() -> None:
    assert not loaded_after("import afterbay") & {"pydantic", "pyarrow", "networkx", "ruamel.yaml", "boto3"}


def test_compiling_a_pipeline_loads_no_store_no_database_and_no_graph_library() -> None:
    text = (
        "nodes: {a: {type: demo}, csv: {type: encode_csv, inputs: a}, "
        "spool: {type: spool, inputs: csv}, lake: {type: cloud_storage, inputs: spool, uri: s3://b/x}, "
        "parquet: {type: encode_parquet, inputs: a}, avro: {type: encode_avro, inputs: a}, "
        "one: {type: blackhole, inputs: parquet}, two: {type: blackhole, inputs: avro}}"
    )
    compile_it = (
        "import pathlib, tempfile\nfrom afterbay import Pipeline\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    file = pathlib.Path(folder, 'orders.yaml')\n"
        f"    file.write_text({text!r})\n"
        "    Pipeline.from_yaml(file).compile()"
    )
    heavy = {"networkx", "boto3", "botocore", "sqlite_utils", "opentelemetry.sdk", "fastavro", "pyarrow.parquet"}
    assert not loaded_after(compile_it) & heavy
