"""The rendered graph: what a diagram says, before any language."""

from __future__ import annotations

from afterbay.diagram import render
from tests.support.plans import chain, diamond


def test_every_node_and_edge_is_drawn_once_in_plan_order() -> None:
    plan = diamond()
    graph = render(plan)
    assert [node.name for node in graph.nodes] == [node.name for node in plan.nodes]
    assert len({node.id for node in graph.nodes}) == len(plan.nodes)
    names = {node.id: node.name for node in graph.nodes}
    assert [(names[edge.source], names[edge.target]) for edge in graph.edges] == [
        (edge.source, edge.target) for edge in plan.edges
    ]


def test_a_rank_is_the_longest_path_from_a_source() -> None:
    ranks = {node.name: node.rank for node in render(diamond()).nodes}
    assert ranks == {"bank": 0, "csv": 1, "canal": 1, "left spool": 2, "both": 2, "files": 3, "bucket": 3, "audit": 3}


def test_edges_say_what_travels_and_which_port_it_leaves_by() -> None:
    assert [edge.label for edge in render(chain()).edges] == [
        "ChangeBatch",
        "hot: ChangeBatch",
        "EncodedBatch",
        "SpoolEntry",
    ]


def test_nodes_say_their_kind_instances_and_facts() -> None:
    by_name = {node.name: node for node in render(chain()).nodes}
    assert [node.kind for node in by_name.values()] == ["source", "transform", "transform", "spool", "sink"]
    assert by_name["csv"].lines == ("4 workers",)
    assert by_name["spool"].lines == ("quota: 10GiB", "memory: 256MiB")
    assert by_name["lake"].lines == ("16 shards", "root: s3://bucket/orders", "file size: 64MiB")


def test_the_description_tells_the_graph_in_words() -> None:
    said = render(chain()).description
    assert "spool (reservoir, spool)" in said
    assert "csv to spool (EncodedBatch)" in said
