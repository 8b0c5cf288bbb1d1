"""Warnings of declarations: what a node does with an option that is legal but not as it was meant.

A validator gives its advice to the context it was called with; the compiler finds the place in the file, and the plan
carries it to whoever shows it. Outside of a compilation, as in `CloudStorage(file_size=1)`, it is logged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from afterbay.errors import Diagnostic
from afterbay.node import BuildContext

log = logging.getLogger("afterbay.advice")


@dataclass(frozen=True, slots=True)
class AdvisedBuild(BuildContext):
    """What one declaration is built with. `heard` is the compiler's, who reads it when the node is built."""

    heard: list[Diagnostic] = field(default_factory=list)


def advise(context: object, item: Diagnostic) -> None:
    """A warning about the option `item.field`. `context` is the validator's `info.context`."""
    if isinstance(context, AdvisedBuild):
        context.heard.append(item)
    else:
        log.warning("%s", item)
