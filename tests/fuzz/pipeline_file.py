"""The YAML loader: whatever is in the file, a plan or PipelineInvalid; data come through as they are; no code runs."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from afterbay.compile.document import Document
from afterbay.compile.registry import Registry
from afterbay.compile.tree import read_tree
from afterbay.errors import PipelineInvalid
from afterbay.pipeline import Pipeline
from tests.fuzz.damage import edited, edits
from tests.fuzz.target import Target, refusal

PIPELINE = b"""name: orders
state: ./state/orders
nodes:
  changes: {type: change_log, path: "logs/*.jsonl", on_bad_line: error}
  keep: &anchor
    type: filter
    inputs: changes
    rules: [{match: ["shop.*"], keep_ops: [insert, update]}]
  csv: {type: encode_csv, inputs: keep, delimiter: "|", parallelism: ${N:-2}}
  spool: {type: spool, inputs: csv, disk_quota: 1GiB}
  lake: {type: cloud_storage, inputs: spool, uri: "file:///nowhere/lake?flush-interval=2s", shards: 4}
"""
TAGS = [
    b"!!python/object/apply:os.system ['touch hacked']",
    b"!!python/name:antigravity.fly",
    b"!!python/module:antigravity",
    b"&a [*a]",
    b"{<<: *anchor}",
    b"? [a, b]\n: c",
    b"!!binary AAAA",
    b"0x" + b"f" * 5000,
]
SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=12)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)
EXAMPLES = (
    st.tuples(st.just("edited"), edits(5))
    | st.tuples(st.just("tagged"), st.tuples(st.sampled_from(TAGS), st.floats(0, 1)))
    | st.tuples(st.just("data"), st.dictionaries(st.text(max_size=6), DATA, max_size=5))
    | st.tuples(st.just("raw"), st.binary(max_size=300))
)
REGISTRY = Registry.installed()


def check(example: tuple[str, Any]) -> str:
    kind, what = example
    if kind == "data":
        return _data(what)
    if kind == "edited":
        data = edited(PIPELINE, what)
    elif kind == "tagged":
        values = [at for at, byte in enumerate(PIPELINE) if byte == ord(" ")]
        at = values[min(int(what[1] * len(values)), len(values) - 1)]
        data = PIPELINE[:at] + b" " + what[0] + PIPELINE[at:]
    else:
        data = what
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.yaml"
        file.write_bytes(data)
        code = refusal(lambda: Pipeline.from_yaml(file, env={}, registry=REGISTRY).compile())
        assert sorted(path.name for path in Path(folder).iterdir()) == ["any.yaml"], "it wrote something"
    assert "antigravity" not in sys.modules, "it imported something"
    return code or "right"


def _data(data: dict[str, Any]) -> str:
    """JSON is YAML: the values come through as they are."""
    text = json.dumps(data).encode()
    try:
        tree, source = read_tree(text, "any.yaml")
        found = Document(tree, source, {}).root
    except PipelineInvalid as error:
        codes = {item.code for item in error.diagnostics}
        assert codes <= {"yaml.depth", "yaml.size", "yaml.character", "yaml.syntax", "variable.syntax"}, codes
        return error.code
    assert json.dumps(found, sort_keys=True) == json.dumps(data, sort_keys=True)
    return "right"


TARGET = Target(EXAMPLES, check)
