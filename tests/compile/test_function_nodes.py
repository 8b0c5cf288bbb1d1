"""`type: python`: a plain function as a node, typed by its annotations; what it gives is checked at work."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from afterbay.errors import PipelineInvalid, RunFailed
from afterbay.messages import BatchHead, ChangeBatch, EncodedBatch, FileFormat
from afterbay.pipeline import Pipeline
from afterbay.schema import Column, RowPosition
from afterbay_nodes.transforms.python import PythonFunction
from tests.support.batches import batch, operator, table
from tests.support.nodes import REGISTRY, Hole, Numbers
from tests.support.pipelines import compiled, findings, heads

WITH_PYTHON = REGISTRY.with_nodes(PythonFunction)
TABLE = table(Column("id", "bigint"), Column("name", "varchar", length=20))
ROWS = [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
FOUR = batch(TABLE, ROWS, commit_ts=[10, 10, 11, 12])

HELPERS = '''
"""Functions for a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from afterbay import ChangeBatch, EncodedBatch


def redact(batch: ChangeBatch) -> ChangeBatch | None:
    return None


def several(batch: ChangeBatch) -> Iterable[ChangeBatch]:
    yield batch


def some(batch: ChangeBatch, limit: int = 3) -> Iterator[ChangeBatch] | list[ChangeBatch] | None:
    return []


def encode(batch: ChangeBatch) -> EncodedBatch:
    raise NotImplementedError


class Tools:
    @staticmethod
    def tidy(batch: ChangeBatch) -> ChangeBatch:
        return batch


def untyped(batch):
    return batch


def half_typed(batch: ChangeBatch):
    return batch


def two(batch: ChangeBatch, other: ChangeBatch) -> ChangeBatch:
    return batch


def nothing() -> ChangeBatch:
    raise NotImplementedError


def number(batch: int) -> ChangeBatch:
    raise NotImplementedError


def text(batch: ChangeBatch) -> str:
    return ""


def none(batch: ChangeBatch) -> None:
    return None


def both(batch: ChangeBatch) -> ChangeBatch | EncodedBatch:
    return batch


def unknown(batch: Unheard) -> ChangeBatch:
    return batch


async def later(batch: ChangeBatch) -> ChangeBatch:
    return batch


CONSTANT = 7
'''


def helpers(text: str = HELPERS) -> str:
    """A module beside the pipeline file, of a name that no other test uses."""
    helpers.made += 1  # type: ignore[attr-defined]
    name = f"helpers_{helpers.made}"  # type: ignore[attr-defined]
    Path(f"{name}.py").write_text(text)
    return name


helpers.made = 0  # type: ignore[attr-defined]


def pipeline(call: str) -> str:
    return (
        "nodes:\n  a: {type: numbers}\n"
        f"  f: {{type: python, inputs: a, call: '{call}'}}\n  b: {{type: hole, inputs: f}}\n"
    )


@pytest.mark.parametrize(
    ("function", "gives"),
    [
        ("redact", ChangeBatch),
        ("several", ChangeBatch),
        ("some", ChangeBatch),
        ("encode", EncodedBatch),
        ("Tools.tidy", ChangeBatch),
    ],
)
def test_a_function_beside_the_file_becomes_a_node_typed_by_its_annotations(function: str, gives: type) -> None:
    module, path_before = helpers(), list(sys.path)
    plan = compiled(pipeline(f"{module}:{function}"), registry=WITH_PYTHON)
    assert (plan["f"].takes, plan["f"].gives) == (ChangeBatch, (("out", gives),))
    assert plan["f"].node.facts() == {"call": f"{module}:{function}"}
    assert sys.path == path_before


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("untyped", "untyped does not say the type of its parameter 'batch'"),
        ("half_typed", "half_typed does not say the type of what it returns"),
        ("two", "must take one batch"),
        ("nothing", "must take one batch"),
        ("number", "number takes int; a node's function takes ChangeBatch or EncodedBatch"),
        ("text", "text gives str"),
        ("none", "none gives NoneType"),
        ("both", "both gives"),
        ("unknown", "cannot be read: name 'Unheard' is not defined"),
        ("later", "later is asynchronous"),
        ("CONSTANT", "CONSTANT is no function"),
        ("Tools", "Tools is no function"),
        ("missing", "has no 'missing'"),
    ],
)
def test_a_function_that_cannot_be_a_node_is_told_at_its_call(function: str, told: str) -> None:
    found = findings(pipeline(f"{helpers()}:{function}"), registry=WITH_PYTHON)
    assert heads(found) == ["orders.yaml:3:38 [option.invalid]"]
    assert told in found[0].message


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("no_such_module:f", "there is no module 'no_such_module' in the pipeline's folder"),
        ("no_such_module.inner:f", "there is no module 'no_such_module'"),
        ("os.no_such:f", "there is no module 'os.no_such'"),
        ("helpers", "'helpers' names no function; write my_module:my_function"),
        ("../x:f", "names no function"),
        ("x:f()", "names no function"),
        ("", "names no function"),
    ],
)
def test_a_call_that_leads_nowhere(call: str, told: str) -> None:
    found = findings(pipeline(call), registry=WITH_PYTHON)
    assert heads(found) == ["orders.yaml:3:38 [option.invalid]"]
    assert told in found[0].message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_dependency\n", "needs another one: No module named 'no_such_dependency'"),
        ("def f(:\n", "cannot be loaded: SyntaxError"),
        ("1 / 0\n", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "cannot be loaded: SystemExit"),
    ],
)
def test_a_module_that_cannot_be_loaded(text: str, told: str) -> None:
    path_before = list(sys.path)
    found = findings(pipeline(f"{helpers(text)}:f"), registry=WITH_PYTHON)
    assert told in found[0].message
    assert sys.path == path_before


def test_a_module_of_another_pipelines_folder_does_not_pass_for_ones_own() -> None:
    module = helpers()
    compiled(pipeline(f"{module}:redact"), registry=WITH_PYTHON)
    Path("other").mkdir()
    Path("other", f"{module}.py").write_text(HELPERS)
    Path("other/orders.yaml").write_text(pipeline(f"{module}:redact"))
    with pytest.raises(PipelineInvalid, match=rf"another module '{module}' is loaded already"):
        Pipeline.from_yaml("other/orders.yaml", registry=WITH_PYTHON)


def test_a_type_that_does_not_fit_is_an_error_of_the_edge() -> None:
    text = pipeline(f"{helpers()}:encode").replace("type: hole", "type: keep")
    found = findings(text + "  c: {type: hole, inputs: b}\n", registry=WITH_PYTHON)
    assert [item.message for item in found] == ["node 'b' input wants ChangeBatch, gets EncodedBatch from 'f'"]


def redact(batch: ChangeBatch) -> ChangeBatch:
    """The same function, for the builder."""
    return batch


def test_a_builder_takes_the_function_itself_and_makes_the_same_plan() -> None:
    module = helpers()
    from_file = compiled(pipeline(f"{module}:redact"), registry=WITH_PYTHON)
    function = sys.modules[module].redact
    built = Pipeline("orders", registry=WITH_PYTHON)
    built.add("a", Numbers()).add("f", PythonFunction(call=function), inputs="a").add("b", Hole(), inputs="f")
    assert built.compile().fingerprint() == from_file.fingerprint()
    assert built.compile().nodes == from_file.nodes


def test_a_builder_refuses_a_function_without_types_at_once() -> None:
    with pytest.raises(ValidationError, match=r"does not say the type"):
        PythonFunction(call=lambda batch: batch)
    with pytest.raises(ValidationError, match=r"name a function"):
        PythonFunction(call=3)


# --- at work ---


def at_work(function: Callable[[Any], Any]) -> list[Any]:
    """What a node with `function` gives for `FOUR`."""

    def typed(batch: ChangeBatch) -> Iterable[ChangeBatch]:
        return function(batch)  # type: ignore[no-any-return]

    return list(operator(PythonFunction(call=typed)).process(FOUR))  # type: ignore[arg-type]


def kept(source: ChangeBatch, mask: list[bool]) -> ChangeBatch:
    """The rows of `source` that `mask` names."""
    chosen = pa.array(mask)
    return ChangeBatch.of(
        partition=source.partition,
        dispatcher=source.dispatcher,
        schema=source.schema,
        rows=source.rows.filter(chosen),
        ops=source.ops.filter(chosen),
        commit_ts=source.commit_ts.filter(chosen),
        ordinals=source.ordinals.filter(chosen),
    )


def upper(source: ChangeBatch) -> ChangeBatch:
    """The names in capitals."""
    index = source.rows.schema.get_field_index("name")
    return replace(source, rows=source.rows.set_column(index, "name", pc.utf8_upper(source.rows["name"])))


def test_the_same_batch_passes_untouched() -> None:
    assert at_work(lambda source: source) == [FOUR]


def test_values_may_change() -> None:
    (given,) = at_work(upper)
    assert given.rows["name"].to_pylist() == ["A", "B", "C", "D"]


@pytest.mark.parametrize("result", [None, [], iter(())])
def test_nothing_goes_on_if_the_function_gives_none(result: object) -> None:
    assert at_work(lambda source: result) == []


def test_rows_may_be_dropped_and_batches_cut() -> None:
    def halves(source: ChangeBatch) -> Iterator[ChangeBatch]:
        yield kept(source, [True, False, False, False])
        yield kept(source, [False, True, False, True])

    first, second = at_work(halves)
    assert (first.rows["id"].to_pylist(), second.rows["id"].to_pylist()) == ([1], [2, 4])
    assert (first.open, second.open) == (True, False)


def test_a_transaction_that_goes_on_stays_open_only_if_its_rows_do() -> None:
    node = operator(PythonFunction(call=redact))
    still_open = replace(FOUR, open=True)
    assert [item.open for item in node.process(still_open)] == [True]  # type: ignore[union-attr]

    def without_the_last(source: ChangeBatch) -> ChangeBatch:
        return replace(kept(source, [True, True, True, False]), open=True)

    dropped = operator(PythonFunction(call=without_the_last)).process(still_open)
    assert [item.open for item in dropped] == [False]  # type: ignore[union-attr]


OTHER_TABLE = batch(table(Column("id", "bigint")), [(1,), (2,), (3,), (4,)], commit_ts=[10, 10, 11, 12])


@pytest.mark.parametrize(
    ("function", "told"),
    [
        pytest.param(lambda b: replace(b, dispatcher="x"), "rows of another dispatcher or partition", id="dispatcher"),
        pytest.param(lambda b: replace(b, partition="x"), "rows of another dispatcher or partition", id="partition"),
        pytest.param(lambda b: OTHER_TABLE, "another table schema", id="schema"),
        pytest.param(
            lambda b: replace(b, rows=OTHER_TABLE.rows), "columns that are not its table's: ['id']", id="columns"
        ),
        pytest.param(lambda b: replace(b, rows=b.rows.slice(1)), "3 rows with `ops` of 4 x uint8", id="length"),
        pytest.param(
            lambda b: replace(b, ops=b.ops.cast(pa.int64())),
            "4 rows with `ops` of 4 x int64, 0 of them null",
            id="type",
        ),
        pytest.param(
            lambda b: replace(b, ordinals=pa.array([0, None, 0, 0], pa.uint32())), "1 of them null", id="null ordinal"
        ),
        pytest.param(lambda b: replace(b, ops=pa.array([0, 9, 0, 0], pa.uint8())), "an unknown operation", id="op"),
        pytest.param(lambda b: replace(b, rows=b.rows.slice(0, 0)), "a batch without rows", id="empty"),
        pytest.param(lambda b: replace(b, before=b.rows.slice(1)), "before-images that do not match", id="before"),
        pytest.param(lambda b: replace(b, last=b.first), "a `first` or `last` that is not", id="stale last"),
        pytest.param(
            lambda b: replace(b, commit_ts=pa.array([10, 13, 11, 12], pa.uint64())),
            "out of their commit order",
            id="order",
        ),
        pytest.param(
            lambda b: replace(b, ordinals=pa.array([0, 0, 2, 3], pa.uint32())),
            "out of their commit order",
            id="ordinal",
        ),
        pytest.param(
            lambda b: replace(b, commit_ts=pa.array([10, 10, 10, 12], pa.uint64())),
            "a `commit_ts` or `ordinals` that its input does not have",
            id="commit-ts inside",
        ),
        pytest.param(
            lambda b: replace(b, ordinals=pa.array([b.first.ordinal, 77, 78, b.last.ordinal], pa.uint32())),
            "a `commit_ts` or `ordinals` that its input does not have",
            id="ordinals inside",
        ),
        pytest.param(
            lambda b: replace(
                kept(b, [True, False, True, True]),
                ordinals=pa.array([b.first.ordinal, 77, b.last.ordinal], pa.uint32()),
            ),
            "a `commit_ts` or `ordinals` that its input does not have",
            id="ordinals of what is left",
        ),
        pytest.param(lambda b: replace(b, ops=pa.array([0, 2, 0, 0], pa.uint8())), "other `ops` than", id="ops"),
        pytest.param(
            lambda b: replace(kept(b, [True, False, True, True]), ops=pa.array([0, 2, 0], pa.uint8())),
            "other `ops` than",
            id="ops of what is left",
        ),
        pytest.param(lambda b: [b, b], "not in its input there, or come twice", id="twice"),
        pytest.param(
            lambda b: [kept(b, [False] * 3 + [True]), kept(b, [True] + [False] * 3)], "come twice", id="swapped"
        ),
        pytest.param(lambda b: [b, "text"], "gave a str", id="text"),
        pytest.param(lambda b: 1 // 0, "raised ZeroDivisionError: integer division or modulo by zero", id="raises"),
        pytest.param(lambda b: 7, "returned int, not ChangeBatch, several of them, or None", id="number"),
        pytest.param(lambda b: "text", "returned str, not ChangeBatch", id="a text instead of a batch"),
    ],
)
def test_what_would_break_the_order_or_the_table_fails_the_run(function: Callable[[Any], Any], told: str) -> None:
    """I4, I10: it is refused before it can reach the store."""
    with pytest.raises(RunFailed) as caught:
        at_work(function)
    text = str(caught.value)
    assert told in text
    assert "typed (" in text
    assert f"{__file__}:" in text
    assert "node 'under_test', table test.table1, at 10:0" in text


def test_a_generator_without_an_end_is_ended_at_its_first_wrong_batch() -> None:
    """I8: what it yields is looked at one by one, and not kept first."""
    asked: list[int] = []

    def endless(source: ChangeBatch) -> Iterator[ChangeBatch]:
        while True:
            asked.append(1)
            yield source

    with pytest.raises(RunFailed, match="come twice"):
        at_work(endless)
    assert len(asked) == 2


def test_an_encoder_that_finds_more_batches_than_there_are_rows_is_ended() -> None:
    """Its input tells no more than its ends, so rows are counted (I8)."""
    asked: list[int] = []

    def endless(source: EncodedBatch) -> Iterator[EncodedBatch]:
        for ordinal in itertools.count():
            asked.append(1)
            at = RowPosition(11, ordinal)
            yield replace(source, head=replace(source.head, rows=1, first=at, last=at))

    head = BatchHead(
        FOUR.partition, FOUR.dispatcher, FOUR.schema, FileFormat("txt"), 4, 4, 0, 0, FOUR.first, FOUR.last, False, 0, 0
    )
    with pytest.raises(RunFailed, match="more rows than its input has"):
        operator(PythonFunction(call=endless)).process(EncodedBatch(head, ()))  # type: ignore[arg-type]
    assert len(asked) == 5


def test_what_a_generator_raises_between_two_batches_is_told_at_its_line() -> None:
    def breaks(source: ChangeBatch) -> Iterator[ChangeBatch]:
        yield kept(source, [True, False, False, False])
        raise KeyError("no such thing")

    with pytest.raises(RunFailed, match="raised KeyError: 'no such thing'") as caught:
        at_work(breaks)
    (found,) = caught.value.diagnostics
    assert str(found.place).startswith(f"{__file__}:{breaks.__code__.co_firstlineno + 2},")


def test_what_a_function_raises_is_told_at_its_line_with_its_trace() -> None:
    def inner(text: str) -> int:
        return int(text)

    def convert(batch: ChangeBatch) -> ChangeBatch:
        inner("12x")
        return batch

    with pytest.raises(RunFailed) as caught:
        operator(PythonFunction(call=convert)).process(FOUR)
    (found,) = caught.value.diagnostics
    line = inner.__code__.co_firstlineno + 1
    assert str(found.place) == f"{__file__}:{line}, node 'under_test', table test.table1, at 10:0"
    assert "raised ValueError: invalid literal for int()" in found.message
    assert "order" not in (found.hint or "")


def test_an_encoder_of_ones_own_must_say_its_true_size() -> None:
    def encoded(claimed: int) -> Callable[[ChangeBatch], EncodedBatch]:
        def encode(source: ChangeBatch) -> EncodedBatch:
            body = (pa.py_buffer(b"12"), pa.py_buffer(b"345"))
            n = source.num_rows
            counts = (source.partition, source.dispatcher, source.schema, FileFormat("txt"), n, n, 0, 0)
            return EncodedBatch(BatchHead(*counts, source.first, source.last, source.open, claimed, 0), body)

        return encode

    (given,) = operator(PythonFunction(call=encoded(5))).process(FOUR)  # type: ignore[misc]
    assert isinstance(given, EncodedBatch)
    with pytest.raises(RunFailed, match=r"a body of 5 bytes whose head says 4"):
        operator(PythonFunction(call=encoded(4))).process(FOUR)
