"""The file that a sink would store of some encoded batches, without a sink."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Transform
from afterbay_nodes.sinks.scratch import Scratch
from tests.support.batches import operator


def file_of(node: Transform[ChangeBatch, EncodedBatch], batches: Sequence[ChangeBatch], folder: Path) -> bytes:
    """One file of all `batches`; `folder` is where it is assembled, if it is."""
    encoder = operator(node)
    made = [encoder.process(batch) for batch in batches]
    assert all(isinstance(item, EncodedBatch) for item in made)
    return stored(made, folder)


def stored(made: Sequence[EncodedBatch], folder: Path) -> bytes:
    """One file of all the encoded batches."""
    form = made[0].head.format
    if form.assembler is None:
        return form.header + b"".join(buffer.to_pybytes() for item in made for buffer in item.body)
    with Scratch(folder).create() as file:
        form.assembler.assemble((item.body for item in made), file)
        return b"".join(bytes(part) for part in file.parts())
