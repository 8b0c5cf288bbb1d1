"""From a good pipeline to its plan: order, types, names, places."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterbay.errors import PipelineInvalid
from afterbay.messages import ChangeBatch, EncodedBatch, SpoolEntry
from afterbay.node import Until
from afterbay.pipeline import Pipeline, parse_until
from tests.support.nodes import REGISTRY, Encode, Numbers, Rest, Store
from tests.support.pipelines import compiled

ORDERS = """
name: orders
state: ./state/orders
nodes:
  lake: {type: store, inputs: spool, uri: "./lake", shards: 4, file_size: 1MiB}
  spool: {type: rest, inputs: csv}
  csv: {type: encode, inputs: changes, parallelism: 4}
  changes: {type: numbers, rows: 100}
"""


def built() -> Pipeline:
    """The same in Python, declared in another order of calls but the same order of names."""
    pipeline = Pipeline("orders", state="./state/orders", registry=REGISTRY)
    pipeline.add("lake", Store(uri="./lake", shards=4, file_size=1 << 20), inputs="spool")
    pipeline.add("spool", Rest(), inputs=["csv"])
    return pipeline.add("csv", Encode(), inputs="changes", parallelism=4).add("changes", Numbers(rows=100))


def test_nodes_come_in_topological_order_with_their_types() -> None:
    plan = compiled(ORDERS)
    assert [(node.name, node.kind, node.takes, node.gives) for node in plan.nodes] == [
        ("changes", "source", None, (("out", ChangeBatch),)),
        ("csv", "transform", ChangeBatch, (("out", EncodedBatch),)),
        ("spool", "transform", EncodedBatch, (("out", SpoolEntry),)),
        ("lake", "sink", SpoolEntry, ()),
    ]
    assert [(edge.source, edge.port, edge.target, edge.payload) for edge in plan.edges] == [
        ("changes", "out", "csv", ChangeBatch),
        ("csv", "out", "spool", EncodedBatch),
        ("spool", "out", "lake", SpoolEntry),
    ]
    assert (plan["csv"].parallelism, plan["lake"].shards) == (4, 4)
    assert plan.origin == "orders.yaml"


def test_ties_keep_the_order_of_declaration() -> None:
    plan = compiled("nodes:\n  z: {type: numbers}\n  b: {type: hole, inputs: z}\n  a: {type: hole, inputs: z}\n")
    assert [node.name for node in plan.nodes] == ["z", "b", "a"]


def test_a_file_and_a_builder_make_the_same_plan() -> None:
    from_file, from_code = compiled(ORDERS), built().compile()
    assert from_file.nodes == from_code.nodes
    assert from_file.edges == from_code.edges
    assert (from_file.name, from_file.state_dir) == (from_code.name, from_code.state_dir)
    assert from_file.fingerprint() == from_code.fingerprint()


def test_the_same_plan_twice_is_equal_and_hashes_alike() -> None:
    first, second = compiled(ORDERS), compiled(ORDERS)
    assert first == second
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    ("old", "new"), [("rows: 100", "rows: 101"), ("parallelism: 4", "parallelism: 3"), ("name: orders", "name: other")]
)
def test_another_option_makes_another_fingerprint(old: str, new: str) -> None:
    assert compiled(ORDERS).fingerprint() != compiled(ORDERS.replace(old, new)).fingerprint()


def test_the_same_size_written_otherwise_is_the_same_pipeline() -> None:
    assert compiled(ORDERS).fingerprint() == compiled(ORDERS.replace("1MiB", "1024KiB")).fingerprint()


def test_the_plan_is_a_networkx_graph_too() -> None:
    graph = compiled(ORDERS).graph()
    assert list(graph.nodes) == ["changes", "csv", "spool", "lake"]
    assert graph.get_edge_data("csv", "spool")[0] == {"port": "out", "payload": EncodedBatch}


def test_a_name_and_a_state_left_out_follow_from_the_file() -> None:
    plan = compiled("nodes:\n  a: {type: numbers}\n  b: {type: hole, inputs: a}\n")
    assert (plan.name, plan.state_dir) == ("orders", Path.cwd() / ".afterbay" / "orders")


def test_a_file_whose_name_makes_no_name_must_give_one() -> None:
    Path("my pipe.yaml").write_text("nodes: {a: {type: numbers}, b: {type: hole, inputs: a}}\n")
    with pytest.raises(PipelineInvalid, match=r"my pipe\.yaml:1:1 \[name\.missing\]"):
        Pipeline.from_yaml("my pipe.yaml", registry=REGISTRY)


def test_the_state_of_the_call_wins_over_the_file() -> None:
    Path("orders.yaml").write_text(ORDERS)
    assert Pipeline.from_yaml("orders.yaml", registry=REGISTRY).state_dir == Path.cwd() / "state/orders"
    assert Pipeline.from_yaml("orders.yaml", state="other", registry=REGISTRY).state_dir == Path.cwd() / "other"


def test_paths_are_relative_to_the_current_directory_not_to_the_file() -> None:
    Path("sub").mkdir()
    Path("sub/orders.yaml").write_text(ORDERS)
    assert Pipeline.from_yaml("sub/orders.yaml", registry=REGISTRY).state_dir == Path.cwd() / "state/orders"


def test_a_builder_gets_the_same_findings_with_nodes_for_places() -> None:
    pipeline = Pipeline("orders", registry=REGISTRY).add("a", Numbers()).add("lake", Store(uri="x"), inputs=["a", "b"])
    with pytest.raises(PipelineInvalid) as caught:
        pipeline.compile()
    assert [(item.code, item.place and item.place.node) for item in caught.value.diagnostics] == [
        ("inputs.unknown", "lake"),
        ("edge.type", "lake"),
    ]


@pytest.mark.parametrize(
    ("name", "node", "code"),
    [
        ("a", Numbers(), "node.duplicate"),
        ("a.b", Numbers(), "node.name"),
        ("", Numbers(), "node.name"),
        ("b", Numbers, "node.type"),
        ("b", "numbers", "node.type"),
    ],
)
def test_a_builder_refuses_what_is_no_node_at_once(name: str, node: object, code: str) -> None:
    pipeline = Pipeline("orders", registry=REGISTRY).add("a", Numbers())
    with pytest.raises(PipelineInvalid) as caught:
        pipeline.add(name, node)  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize("parallelism", [0, -1, 257])
def test_a_builder_refuses_a_parallelism_out_of_range(parallelism: int) -> None:
    with pytest.raises(PipelineInvalid, match=r"1 to 256"):
        Pipeline("orders", registry=REGISTRY).add("a", Numbers(), parallelism=parallelism)


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden"])
def test_a_builder_refuses_a_name_that_is_none(name: str) -> None:
    with pytest.raises(PipelineInvalid, match=r"no pipeline name"):
        Pipeline(name)


def test_an_empty_builder_is_no_pipeline() -> None:
    with pytest.raises(PipelineInvalid, match=r"has 1 to 500 nodes"):
        Pipeline("orders", registry=REGISTRY).compile()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (None, None),
        ("end", Until.END),
        ("caught-up", Until.CAUGHT_UP),
        (Until.FOREVER, Until.FOREVER),
        ("30s", 30.0),
        ("100ms", 0.1),
        (5, 5.0),
    ],
)
def test_until_names_an_end_or_a_duration(text: str | float | None, meant: object) -> None:
    assert parse_until(text) == meant


@pytest.mark.parametrize("text", ["tomorrow", "", "5", -1, float("nan"), True])
def test_until_that_means_nothing_is_refused(text: str | float) -> None:
    with pytest.raises(PipelineInvalid, match=r"say end, caught-up, forever"):
        parse_until(text)
