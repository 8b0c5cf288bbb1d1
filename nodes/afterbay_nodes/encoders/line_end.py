"""The option that ends an object of JSON lines."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _line_end(terminator: str) -> str:
    if not set(terminator) & {"\r", "\n"} or set(terminator) - set(" \t\r\n"):
        raise ValueError(f"terminator {terminator!r} is to be a line end: CR or LF, with spaces and tabs at most")
    return terminator


LineEnd = Annotated[
    str, AfterValidator(_line_end), Field(description="Ends every object: line ends.", examples=["\r\n", "\n"])
]
"""A terminator that any reader of JSON skips: JSON has no raw line ends inside, and white space between objects."""
