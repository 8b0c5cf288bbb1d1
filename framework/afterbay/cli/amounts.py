"""Numbers as a person reads them."""

from __future__ import annotations


def count(number: int) -> str:
    """1234567 -> `1,234,567`."""
    return f"{number:,}"


def size(nbytes: float) -> str:
    """Bytes in the largest binary unit that keeps at least one digit before the point: `0 B`, `1.5 KiB`, `64.0 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} B" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} TiB"


def duration(seconds: float) -> str:
    """`0.42 s`, `12.3 s`, `2 min 5 s`, `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def wall_time(iso: str) -> str:
    """`2026-01-01T00:00:00.040+00:00` -> `2026-01-01 00:00:00.040 UTC`."""
    return iso.replace("T", " ").replace("+00:00", " UTC")
