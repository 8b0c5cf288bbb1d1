"""A method with a planted defect: its source with a piece replaced, in place of the real one for a block."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def mutated(owner: type, method: str, old: str, new: str) -> Iterator[None]:
    """`owner.method` with the first `old` in its source, which begins at the margin, replaced by `new`.

    AssertionError if `old` is not in it.
    """
    plain = vars(owner)[method]
    source = textwrap.dedent(inspect.getsource(plain))
    assert old in source, f"{owner.__name__}.{method} has no {old!r}"
    source = source.replace(old, new, 1)
    module = sys.modules[owner.__module__]
    names: dict[str, Any] = {}
    exec(compile("from __future__ import annotations\n" + source, str(module.__file__), "exec"), vars(module), names)
    setattr(owner, method, names[method])
    try:
        yield
    finally:
        setattr(owner, method, plain)
