"""What must hold of the graph as a whole, told at the `inputs` or the node that breaks it."""

from __future__ import annotations

import pytest

from tests.support.pipelines import compiled, findings, heads

STORED = """
  csv: {type: encode, inputs: a}
  spool: {type: rest, inputs: csv}
  lake: {type: store, inputs: spool, uri: ./lake}
"""


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        pytest.param(
            """
            a: {type: numbers}
            csv: {type: encode, inputs: aa}
            out: {type: hole, inputs: csv}
            """,
            [("3:31 [inputs.unknown]", "node 'csv' reads from 'aa', which is not there", "did you mean 'a'?")],
            id="unknown input",
        ),
        pytest.param(
            """
            a: {type: numbers}
            csv: {type: encode, inputs: [a, nowhere]}
            out: {type: hole, inputs: csv}
            """,
            [("3:35 [inputs.unknown]", "reads from 'nowhere'", "the nodes that can be read are: a")],
            id="unknown input in a list",
        ),
        pytest.param(
            """
            a: {type: numbers}
            out: {type: hole, inputs: a}
            more: {type: hole, inputs: out}
            """,
            [
                (
                    "4:30 [inputs.sink]",
                    "reads from 'out', which is a sink (hole) and gives nothing",
                    "can be read are: a",
                )
            ],
            id="reads from a sink",
        ),
        pytest.param(
            """
            a: {type: numbers, inputs: b}
            b: {type: numbers}
            out: {type: hole, inputs: [a, b]}
            """,
            [("2:22 [inputs.source]", "node 'a' is a source (numbers): it takes no inputs", "remove `inputs`")],
            id="source with inputs",
        ),
        pytest.param(
            """
            a: {type: numbers}
            csv: {type: encode}
            out: {type: hole, inputs: [a, csv]}
            """,
            [("3:3 [inputs.missing]", "node 'csv' has no inputs: nothing would ever reach it", "add `inputs: a`")],
            id="no inputs",
        ),
        pytest.param(
            """
            a: {type: numbers}
            out: {type: hole, inputs: [a, a]}
            """,
            [("3:33 [inputs.duplicate]", "node 'out' reads 'a' twice", "name it once")],
            id="the same input twice",
        ),
        pytest.param(
            """
            a: {type: numbers}
            split: {type: split, inputs: a}
            east: {type: hole, inputs: split.east}
            west: {type: hole, inputs: split.wst}
            """,
            [("5:30 [inputs.port]", "reads from 'split', which has no output 'wst'", "did you mean 'split.west'?")],
            id="unknown port",
        ),
        pytest.param(
            """
            a: {type: numbers}
            split: {type: split, inputs: a}
            out: {type: hole, inputs: split}
            """,
            [("4:29 [inputs.port]", "which has several outputs", "its outputs are: split.east, split.west")],
            id="port left out",
        ),
        pytest.param(
            """
            a: {type: numbers}
            out: {type: hole, inputs: a.rows}
            """,
            [("3:29 [inputs.port]", "which has no output 'rows'", "it has one output: write 'a'")],
            id="port of a node with one",
        ),
        pytest.param(
            """
            a: {type: numbers}
            split: {type: split, inputs: a}
            east: {type: hole, inputs: split.east}
            """,
            [("3:3 [output.unused]", "the output 'west' of node 'split' goes nowhere", "name it in the `inputs`")],
            id="unused port",
        ),
        pytest.param(
            """
            a: {type: numbers}
            b: {type: numbers}
            out: {type: hole, inputs: a}
            """,
            [("3:3 [output.unused]", "the output of node 'b' goes nowhere", "or remove the node")],
            id="unused source",
        ),
        pytest.param(
            """
            a: {type: numbers}
            spool: {type: rest, inputs: csv}
            csv: {type: encode, inputs: a}
            lake: {type: store, inputs: csv, uri: ./lake}
            """,
            [
                ("3:3 [output.unused]", "the output of node 'spool' goes nowhere", "name it in"),
                (
                    "5:31 [edge.type]",
                    "node 'lake' input wants SpoolEntry, gets EncodedBatch from 'csv'",
                    "read from 'spool', which gives SpoolEntry",
                ),
            ],
            id="wrong type, the right one is beside",
        ),
        pytest.param(
            """
            a: {type: numbers}
            csv: {type: encode, inputs: a}
            lake: {type: store, inputs: csv, uri: ./lake}
            """,
            [
                (
                    "4:31 [edge.type]",
                    "wants SpoolEntry, gets EncodedBatch from 'csv'",
                    "put a node between that makes SpoolEntry of it: rest",
                )
            ],
            id="wrong type, a node is missing",
        ),
        pytest.param(
            """
            a: {type: numbers}
            b: {type: same, inputs: c}
            c: {type: same, inputs: [a, d]}
            d: {type: same, inputs: b}
            out: {type: hole, inputs: d}
            """,
            [("3:27 [graph.cycle]", "in a circle: b -> d -> c -> b", "cut one edge")],
            id="cycle",
        ),
        pytest.param(
            """
            a: {type: same, inputs: a}
            out: {type: hole, inputs: a}
            """,
            [("2:27 [graph.cycle]", "in a circle: a -> a", "cut one edge")],
            id="a node that reads itself",
        ),
        pytest.param(
            """
            a: {type: numbers}
            x: {type: same, inputs: [y, a]}
            y: {type: same, inputs: x}
            z: {type: same, inputs: [y, z]}
            out: {type: hole, inputs: z}
            """,
            [
                ("3:27 [graph.cycle]", "x -> y -> x", "cut"),
                ("5:27 [graph.cycle]", "z -> z", "cut"),
            ],
            id="two cycles, one behind the other",
        ),
        pytest.param(
            """
            a: {type: numbers}
            s: {type: same, inputs: a}
            out: {type: leak, inputs: s}
            """,
            [("4:15 [graph.coverage]", "the path a -> s -> out ends in a sink that settles nothing", "`settles`")],
            id="a path that ends unsettled (I5)",
        ),
        pytest.param(
            """
            a: {type: numbers}
            out: {type: hole, inputs: a, parallelism: 2}
            """,
            [("3:45 [parallelism.unsupported]", "node 'out': hole cannot work in parallel", "leave `parallelism` out")],
            id="parallel where it cannot be",
        ),
    ],
)
def test_a_graph_that_is_wrong(nodes: str, told: list[tuple[str, str, str]]) -> None:
    found = findings("nodes:" + nodes.replace("\n            ", "\n  "))
    assert heads(found) == [f"orders.yaml:{head}" for head, _, _ in told]
    for item, (_, message, hint) in zip(found, told, strict=True):
        assert message in item.message
        assert hint in (item.hint or "")


def branches(first: str, second: str) -> str:
    return f"""
nodes:
  a: {{type: numbers}}
  split: {{type: split, inputs: a}}
  one: {first}
  two: {second}
  both: {{type: hole, inputs: [one, two]}}
  rest: {{type: hole, inputs: [split.east, split.west]}}
"""


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("{type: same, inputs: a}", "{type: same, inputs: a}", "a"),
        ("{type: same, inputs: a}", "{type: keep, inputs: a}", "a"),
        ("{type: keep, inputs: a}", "{type: keep, inputs: one}", "one"),
        ("{type: same, inputs: split.east}", "{type: same, inputs: split.east}", "split"),
    ],
)
def test_a_merge_that_would_get_changes_twice_is_refused(first: str, second: str, common: str) -> None:
    """I6: what comes by two ways would be stored twice."""
    found = findings(branches(first, second))
    assert heads(found) == ["orders.yaml:6:36 [graph.repeat]"]
    assert f"would get changes of '{common}' twice: by 'one' and by 'two'" in found[0].message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{type: keep, inputs: a, rules: [x.*]}", "{type: keep, inputs: a, rules: [y.*]}"),
        ("{type: same, inputs: split.east}", "{type: same, inputs: split.west}"),
        ("{type: keep, inputs: split.east}", "{type: keep, inputs: split.east}"),
    ],
)
def test_a_merge_of_branches_that_are_kept_apart_is_fine(first: str, second: str) -> None:
    plan = compiled(branches(first, second))
    assert plan["both"].merges


@pytest.mark.parametrize(
    ("sources", "inputs", "told"),
    [
        ("  a: {type: numbers, parts: 2}\n", "a", "2 source partitions without a common clock reach it: a/0, a/1"),
        ("  a: {type: numbers}\n  b: {type: numbers}\n", "[a, b]", "2 source partitions without a common clock"),
        ("  a: {type: numbers, clock: x}\n  b: {type: numbers, clock: y}\n", "[a, b]", "without a common clock"),
        ("  a: {type: numbers, clock: x}\n  b: {type: numbers}\n", "[a, b]", "without a common clock"),
    ],
)
def test_a_sink_of_one_commit_order_takes_no_two_clocks(sources: str, inputs: str, told: str) -> None:
    found = findings(f"nodes:\n{sources}{STORED}".replace("inputs: a}", f"inputs: {inputs}}}"))
    assert [item.code for item in found] == ["graph.clock"]
    assert told in found[0].message
    assert "a sink of its own" in (found[0].hint or "")


@pytest.mark.parametrize(
    ("sources", "inputs"),
    [
        ("  a: {type: numbers}\n", "a"),
        ("  a: {type: numbers, parts: 3, clock: tso}\n", "a"),
        ("  a: {type: numbers, clock: tso}\n  b: {type: numbers, clock: tso}\n", "[a, b]"),
    ],
)
def test_partitions_that_share_a_clock_may_share_a_sink(sources: str, inputs: str) -> None:
    assert compiled(f"nodes:\n{sources}{STORED}".replace("inputs: a}", f"inputs: {inputs}}}"))["lake"].kind == "sink"


def test_two_sinks_do_not_share_a_root() -> None:
    found = findings(
        f"nodes:\n  a: {{type: numbers}}\n{STORED}"
        "  spool2: {type: rest, inputs: csv}\n  lake2: {type: store, inputs: spool2, uri: ./lake}\n"
    )
    assert heads(found) == ["orders.yaml:8:3 [graph.root]"]
    assert found[0].message == "the sinks 'lake' and 'lake2' would both store under ./lake"


@pytest.mark.parametrize(
    ("first", "second", "inner", "outer"),
    [
        ("./lake", "./lake/shop", "./lake/shop", "./lake"),
        ("/lake/shop/", "/lake", "/lake/shop/", "/lake"),
        ("s3://bucket", "s3://bucket/a", "s3://bucket/a", "s3://bucket"),
        ("s3://bucket/a/b", "s3://bucket/a", "s3://bucket/a/b", "s3://bucket/a"),
    ],
)
def test_the_root_of_a_sink_is_not_in_anothers(first: str, second: str, inner: str, outer: str) -> None:
    found = findings(
        f"nodes:\n  a: {{type: numbers}}\n{STORED}".replace("./lake", first)
        + f"  spool2: {{type: rest, inputs: csv}}\n  lake2: {{type: store, inputs: spool2, uri: '{second}'}}\n"
    )
    assert [item.code for item in found] == ["graph.root"]
    assert (
        found[0].message == f"the roots of the sinks 'lake' and 'lake2' are one in the other: {inner} lies in {outer}"
    )


@pytest.mark.parametrize(
    ("first", "second"), [("./lake", "./lake2"), ("s3://bucket/a", "s3://bucket/ab"), ("s3://b/lake", "/lake/shop")]
)
def test_roots_beside_each_other_are_well(first: str, second: str) -> None:
    assert compiled(
        f"nodes:\n  a: {{type: numbers}}\n{STORED}".replace("./lake", first)
        + f"  spool2: {{type: rest, inputs: csv}}\n  lake2: {{type: store, inputs: spool2, uri: '{second}'}}\n"
    )


def test_many_crossing_branches_are_checked_in_no_time() -> None:
    """Paths double with each layer; the check must not walk them one by one."""
    layers = "".join(
        f"  x{n}: {{type: same, inputs: {below}}}\n  y{n}: {{type: same, inputs: {below}}}\n"
        f"  m{n}: {{type: same, inputs: [x{n}, y{n}]}}\n"
        for n, below in enumerate(["a", *(f"m{n}" for n in range(59))])
    )
    found = findings(f"nodes:\n  a: {{type: numbers}}\n{layers}  out: {{type: hole, inputs: m59}}\n")
    assert len(found) == 60
    assert {item.code for item in found} == {"graph.repeat"}
