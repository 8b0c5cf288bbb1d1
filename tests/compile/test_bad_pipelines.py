"""Every fault of a pipeline file is told at its line and column, with a code and what would be right (I10)."""

from __future__ import annotations

import pytest

from afterbay.compile.compiler import MOST_NODES
from afterbay.compile.tree import MAX_BYTES
from tests.support.pipelines import findings, heads

GOOD_TAIL = "  spool: {type: rest, inputs: csv}\n  lake: {type: store, inputs: spool, uri: ./lake}\n"


@pytest.mark.parametrize(
    ("text", "head", "message", "hint"),
    [
        pytest.param(b"", "1:1 [yaml.root]", "is empty", "afterbay init", id="empty"),
        pytest.param("- a\n", "1:1 [yaml.root]", "is a list", "nodes:", id="list"),
        pytest.param("orders\n", "1:1 [yaml.root]", "is a single value", "nodes:", id="scalar"),
        pytest.param("nodes: [\n", "2:1 [yaml.syntax]", "stream end", None, id="open bracket"),
        pytest.param("a: b: c\n", "1:5 [yaml.syntax]", "mapping values are not allowed", None, id="two colons"),
        pytest.param("nodes:\n\ta: 1\n", "2:1 [yaml.syntax]", "cannot start any token", "by spaces", id="tab"),
        pytest.param("n: {a: ${X}}\n", "1:9 [yaml.syntax]", "but got '{'", 'quote a reference: "${VAR}"', id="flow"),
        pytest.param("a: 1\nb: 2\na: 3\n", "3:1 [yaml.duplicate]", "'a' is here twice", "in line 1", id="duplicate"),
        pytest.param("a: {b: 1, 'b': 2}\n", "1:11 [yaml.duplicate]", "'b' is here twice", "in line 1", id="nested"),
        pytest.param("a: !!python/object x\n", "1:4 [yaml.tag]", "python/object", "remove the tag", id="tag"),
        pytest.param("? [a]\n: 1\n", "1:3 [yaml.key]", "a key is a word", None, id="list as key"),
        pytest.param(
            "a: &x {b: 1}\nc:\n  <<: *x\n", "3:3 [yaml.merge]", "not YAML 1.2", "write the keys out", id="merge"
        ),
        pytest.param("a: *x\n", "1:4 [yaml.alias]", "no anchor above it", None, id="no anchor"),
        pytest.param("a: &x [*x]\n", "1:8 [yaml.alias]", "what it stands in", None, id="alias in itself"),
        pytest.param("a: 1\n---\nb: 1\n", "2:1 [yaml.documents]", "one document", "second `---`", id="documents"),
        pytest.param("%YAML 1.1\n---\na: 1\n", "2:1 [yaml.version]", "YAML 1.2", "%YAML", id="YAML 1.1"),
        pytest.param(b"a: \xff\n", "1:4 [yaml.encoding]", "byte 0xff", "as UTF-8", id="latin-1"),
        pytest.param("a: 1\n".encode("utf-16"), "1:1 [yaml.encoding]", "not UTF-8", "as UTF-8", id="utf-16"),
        pytest.param(b"a: 1\nb: '\x07'\n", "2:5 [yaml.character]", "U+0007", None, id="control character"),
        pytest.param('a: "\\ud800"\n', "1:4 [yaml.character]", "half a character", "itself", id="lone surrogate"),
        pytest.param("[" * 50, "1:33 [yaml.depth]", "more than 32 levels", None, id="deep"),
        pytest.param(b"#" * (MAX_BYTES + 1), "1:1 [yaml.size]", "no pipeline file", None, id="large"),
        pytest.param("a: [" + "x," * 20_001 + "]", "1:40003 [yaml.size]", "20000 values", None, id="many values"),
    ],
)
def test_a_file_that_is_no_pipeline_yaml(text: str | bytes, head: str, message: str, hint: str | None) -> None:
    found = findings(text)
    assert heads(found) == [f"orders.yaml:{head}"]
    assert message in found[0].message
    assert (hint or "") in (found[0].hint or "")


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert [item.code for item in findings("\n".join(lines))] == ["yaml.size"]


def test_a_tower_of_aliases_is_as_deep_as_what_it_repeats() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 40))]
    assert [item.code for item in findings("\n".join(lines))] == ["yaml.depth"]


def test_long_text_repeated_by_aliases_counts_each_time() -> None:
    text = f"a: &a '{'x' * 1_000_000}'\nb: [{', '.join(['*a'] * 10)}]\n"
    assert [item.code for item in findings(text)] == ["yaml.size"]


@pytest.mark.parametrize(
    ("text", "head", "message", "hint"),
    [
        pytest.param("name: a\n", "1:1 [nodes.missing]", "has `nodes`", "nodes:", id="no nodes"),
        pytest.param("nodes: {}\n", "1:1 [nodes.type]", "at least one", "changes: {type", id="empty nodes"),
        pytest.param("nodes:\n", "1:1 [nodes.type]", "at least one", "changes: {type", id="null nodes"),
        pytest.param("nodes: [a]\n", "1:1 [nodes.type]", "not a list", "changes: {type", id="list of nodes"),
        pytest.param("node: {}\nnodes: {a: {type: numbers}}\n", "1:1 [key.unknown]", "'node'", "'nodes'?", id="key"),
        pytest.param(
            "x: {}\nnodes: {a: {type: numbers}}\n",
            "1:1 [key.unknown]",
            "'x'",
            "name, nodes, sensitive, state",
            id="keys",
        ),
        pytest.param(
            "sensitive: [a, 7]\nnodes: {a: {type: numbers}}\n",
            "1:16 [sensitive.invalid]",
            "not a number",
            "email",
            id="sensitive",
        ),
        pytest.param("name: 7\nnodes: {a: {type: numbers}}\n", "1:7 [name.type]", "not a number", "quote", id="name 7"),
        pytest.param(
            "name: ../x\nnodes: {a: {type: numbers}}\n",
            "1:7 [name.invalid]",
            "'../x'",
            "letters",
            id="name with a path",
        ),
        pytest.param(
            "state: 3\nnodes: {a: {type: numbers}}\n", "1:8 [state.invalid]", "not a number", "./state", id="state"
        ),
        pytest.param("nodes: {a b: {type: numbers}}\n", "1:9 [node.name]", "'a b'", "a letter or '_'", id="node name"),
        pytest.param("nodes:\n  a.b: {type: numbers}\n", "2:3 [node.name]", "'a.b'", "letters", id="dot in a name"),
        pytest.param("nodes:\n  a: numbers\n", "2:3 [node.type]", "not text", "write `type: …`", id="no mapping"),
        pytest.param("nodes:\n  a: {rows: 1}\n", "2:3 [node.type]", "no `type`", "afterbay nodes list", id="no type"),
        pytest.param("nodes:\n  a: {typ: numbers}\n", "2:3 [node.type]", "no `type`", "is 'typ' meant", id="typ"),
        pytest.param("nodes:\n  a: {type: 5}\n", "2:13 [node.type]", "not a number", None, id="type 5"),
        pytest.param(
            "nodes:\n  a: {type: numbers, inputs: {b: 1}}\n",
            "2:30 [inputs.type]",
            "not a mapping",
            "[a, b]",
            id="inputs",
        ),
        pytest.param(
            "nodes:\n  a: {type: numbers, parallelism: 0}\n",
            "2:35 [parallelism.invalid]",
            "not 0",
            None,
            id="parallel 0",
        ),
        pytest.param(
            "nodes:\n  a: {type: numbers, parallelism: yes}\n",
            "2:35 [parallelism.invalid]",
            "not text",
            None,
            id="YAML 1.2 has no yes",
        ),
    ],
)
def test_a_frame_that_is_wrong(text: str, head: str, message: str, hint: str | None) -> None:
    found = findings(text)
    assert heads(found) == [f"orders.yaml:{head}"]
    assert message in found[0].message
    assert (hint or "") in (found[0].hint or "")


@pytest.mark.parametrize(
    ("nodes", "head", "message", "hint"),
    [
        pytest.param(
            "  csv: {type: encoder, inputs: changes}",
            "3:15 [node.unknown]",
            "no node type 'encoder'",
            "did you mean 'encode'?",
            id="type, close",
        ),
        pytest.param(
            "  csv: {type: kafka, inputs: changes}",
            "3:15 [node.unknown]",
            "no node type 'kafka'",
            "the types are: encode, hole",
            id="type, far",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, delimitr: ;}",
            "3:40 [option.unknown]",
            "node 'csv' (encode) has no key 'delimitr'",
            "did you mean 'delimiter'?",
            id="option, close",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, file_size: 1MiB}",
            "3:40 [option.unknown]",
            "has no key 'file_size'",
            "`file_size` is a key of store",
            id="option of another type of this pipeline",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, rules: []}",
            "3:40 [option.unknown]",
            "has no key 'rules'",
            "`rules` is a key of keep",
            id="option of a type that is not here",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, zzz: 1}",
            "3:40 [option.unknown]",
            "has no key 'zzz'",
            "the keys here are: delimiter, inputs, parallelism, style, type",
            id="option, far",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, delimiter: 7}",
            "3:51 [option.invalid]",
            "'delimiter': input should be a valid string",
            "quote the value to make it text",
            id="number for text",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, delimiter: ';;;;'}",
            "3:51 [option.invalid]",
            "node 'csv' (encode) 'delimiter': a delimiter has 1 to 3 characters",
            None,
            id="a validator's own words",
        ),
        pytest.param(
            "  csv: {type: encode, inputs: changes, style: wide}",
            "3:47 [option.invalid]",
            "'long' or 'short'",
            None,
            id="choice",
        ),
    ],
)
def test_a_node_that_is_wrong(nodes: str, head: str, message: str, hint: str | None) -> None:
    found = findings(f"nodes:\n  changes: {{type: numbers}}\n{nodes}\n{GOOD_TAIL}")
    assert heads(found) == [f"orders.yaml:{head}"]
    assert message in found[0].message
    assert (hint or "") in (found[0].hint or "")


def test_a_missing_option_is_told_at_the_node_with_what_it_is_for() -> None:
    found = findings("nodes:\n  a: {type: numbers}\n  lake: {type: store, inputs: a}\n")
    assert heads(found) == ["orders.yaml:3:3 [option.missing]"]
    assert found[0].message == "node 'lake' (store) needs the key 'uri'"
    assert found[0].hint == "`uri`: where to store"


def test_what_a_node_refuses_itself_lands_on_the_option_that_its_code_names() -> None:
    found = findings(
        """
        nodes:
          a: {type: numbers, rows: -1}
          lake: {type: store, inputs: a, uri: "ftp://x"}
        """
    )
    assert heads(found) == ["orders.yaml:2:28 [option.invalid]", "orders.yaml:3:39 [uri.scheme]"]
    assert (found[1].message, found[1].hint) == ("node 'lake' (store): ftp is no store", "use file")


def test_what_check_says_lands_on_the_option_that_it_names() -> None:
    found = findings(
        """
        nodes:
          a: {type: numbers}
          csv: {type: encode, inputs: a}
          spool:
            type: rest
            inputs: csv
            disk_quota: 1MiB
            segment: 2MiB
          lake: {type: store, inputs: spool, uri: ./lake}
        """
    )
    assert heads(found) == ["orders.yaml:8:14 [spool.segment]"]
    assert found[0].message == "node 'spool': segment 2MiB is larger than disk_quota 1MiB"
    assert found[0].to_dict()["field"] == "segment"


def test_all_findings_of_a_phase_come_at_once_from_the_top_of_the_file_down() -> None:
    found = findings(
        """
        nodes:
          a: {type: numbers, rows: -1}
          csv: {type: encode, inputs: a, style: wide, delim: x}
          spool: {type: rest, inputs: csv, disk_quota: much}
          lake: {type: store, inputs: spool, flush_interval: soon}
        """
    )
    assert heads(found) == [
        "orders.yaml:2:28 [option.invalid]",
        "orders.yaml:3:41 [option.invalid]",
        "orders.yaml:3:47 [option.unknown]",
        "orders.yaml:4:48 [option.invalid]",
        "orders.yaml:5:3 [option.missing]",
        "orders.yaml:5:54 [option.invalid]",
    ]


def test_a_later_phase_does_not_start_before_an_earlier_one_is_clean() -> None:
    found = findings("nodes:\n  a: {type: nmbers}\n  lake: {type: store, inputs: nowhere, zzz: 1}\n")
    assert [item.code for item in found] == ["node.unknown"]


def test_more_nodes_than_a_process_can_run_are_refused() -> None:
    nodes = "\n".join(f"  n{index}: {{type: numbers}}" for index in range(MOST_NODES + 1))
    assert heads(findings(f"nodes:\n{nodes}\n")) == ["orders.yaml:2:3 [graph.size]"]


def test_a_file_that_is_not_there() -> None:
    from afterbay.errors import PipelineInvalid
    from afterbay.pipeline import Pipeline

    with pytest.raises(PipelineInvalid, match=r"nowhere\.yaml \[file\.unreadable\].*No such file"):
        Pipeline.from_yaml("nowhere.yaml")
