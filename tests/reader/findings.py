"""What the reader found wrong: one rule of the storage protocol broken at one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable name (`commit.falls`), `path` is relative to the root."""

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: [{self.rule}] {self.message}"


class Damage(Exception):
    """A file that cannot be read further. Caught by the bucket, which makes a finding of it."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
