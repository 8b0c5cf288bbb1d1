"""What is installed."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from afterbay import __version__
from afterbay.doctor.finding import Finding, fail, ok

WAL_RESET_BUG = ((3, 7, 0), (3, 51, 3))
"""From the first version of SQLite with it to the first without."""

EXTRAS = {
    "otel": "opentelemetry-sdk",
    "avro": "fastavro",
    "duckdb": "duckdb",
    "postgres": "psycopg",
    "gcs": "obstore",
    "azure": "obstore",
}
"""What each extra of Afterbay brings, by the distribution that is looked for."""


def versions() -> Iterator[Finding]:
    """Python, Afterbay and what it stands on."""
    yield ok("afterbay", __version__)
    yield ok("python", f"{platform.python_version()} ({platform.python_implementation()}, {platform.system()})")
    yield ok("pyarrow", version("pyarrow"))
    yield sqlite(sqlite3.sqlite_version_info)
    there, missing = [], []
    for extra, distribution in EXTRAS.items():
        try:
            there.append(f"{extra} ({distribution} {version(distribution)})")
        except PackageNotFoundError:
            missing.append(extra)
    installed = ", ".join(there) or "none"
    yield ok("extras", installed + (f"; not installed: {', '.join(missing)}" if missing else ""))


def extra(name: str, node: str) -> Finding:
    """Whether the extra that a node needs is installed."""
    subject = f"extra of '{node}'"
    try:
        return ok(subject, f"{name} ({EXTRAS[name]} {version(EXTRAS[name])})")
    except PackageNotFoundError:
        return fail(subject, f"{EXTRAS[name]} is not installed", f"pip install 'afterbay[{name}]'")


def sqlite(found: tuple[int, ...]) -> Finding:
    """Old versions may damage a database that two connections checkpoint at once. Afterbay never does that."""
    text = ".".join(map(str, found))
    first, mended = WAL_RESET_BUG
    if first <= found < mended:
        return ok(
            "sqlite",
            f"{text} (has the WAL-reset bug of versions before 3.51.3: no harm here, as one connection writes and "
            "checkpoints; let no other program write to checkpoint.db)",
        )
    return ok("sqlite", text)
