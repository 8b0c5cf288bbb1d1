"""A target's URI -> the target. Drivers are imported here, when one is asked for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay_nodes.apply.target import Target
from afterbay_nodes.apply.type_table import Temporal

SCHEMES = ("sqlite", "duckdb", "postgresql", "postgres")
DUCKDB_KEYS = ("memory_limit", "threads", "temp_directory")
DUCKDB_MEMORY = "1GiB"
"""How much DuckDB may take for itself where the URI says nothing; by itself it would take most of the machine's."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def open_target(uri: str, temporal: Temporal = Temporal.NATIVE) -> Target:
    """Opens a target, making its file if need be. The caller closes it.

    Raises PipelineInvalid for a URI that is wrong, EnvironmentRefused for a driver that is not installed and for a
    target that is out of reach.
    """
    found = _SCHEME.match(uri)
    scheme = found.group(1).lower() if found else ""
    if scheme in ("postgresql", "postgres"):
        return _postgres(uri, temporal)
    if scheme not in SCHEMES:
        close = difflib.get_close_matches(scheme, SCHEMES, n=1, cutoff=0.5)
        raise PipelineInvalid(
            "target.scheme",
            f"the target has the unknown scheme '{scheme}'" if scheme else "the target has no scheme",
            hint=(f"did you mean '{close[0]}'? " if close else "")
            + "for example sqlite:///copy.db, duckdb:///copy.duckdb or postgresql://user@host/database",
        )
    path, query = _file(uri, scheme)
    display = f"{scheme}:///{path}"
    if scheme == "sqlite":
        if query:
            raise PipelineInvalid("target.query", f"the sqlite target has the unknown key '{next(iter(query))}'")
        from afterbay_nodes.apply.targets.sqlite import SqliteTarget

        return SqliteTarget(path, display, temporal)
    for key in query:
        if key not in DUCKDB_KEYS:
            hint = f"known: {', '.join(DUCKDB_KEYS)}"
            raise PipelineInvalid("target.query", f"the duckdb target has the unknown key '{key}'", hint=hint)
    try:
        from afterbay_nodes.apply.targets.duckdb import DuckdbTarget

        return DuckdbTarget(path, display, temporal, {"memory_limit": DUCKDB_MEMORY, **query})
    except ModuleNotFoundError as error:
        raise _missing(error, "duckdb") from error


def _postgres(uri: str, temporal: Temporal) -> Target:
    try:
        parts = urlsplit(uri)
        where = parts.hostname or ""
        where += f":{parts.port}" if parts.port else ""
    except ValueError as error:
        # The text itself may hold a password and is not repeated.
        raise PipelineInvalid("target.form", f"the target is not well formed: {error}") from None
    display = urlunsplit(("postgresql", where, parts.path, "", ""))
    try:
        from afterbay_nodes.apply.targets.postgres import PostgresTarget

        return PostgresTarget(uri, display if "://" in display else f"postgresql://{where}{parts.path}", temporal)
    except ModuleNotFoundError as error:
        raise _missing(error, "postgres") from error


def _file(uri: str, scheme: str) -> tuple[Path, Mapping[str, str]]:
    """`scheme:///relative` or `scheme:////absolute`, as SQLAlchemy writes them."""
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.netloc or not uri.startswith(f"{scheme}://", 0) or len(path) < 2 or "\0" in path:
        raise PipelineInvalid(
            "target.path",
            f"the {scheme} target names no file",
            hint=f"write {scheme}:///copy.db for a file here, {scheme}:////data/copy.db for an absolute path",
        )
    file = Path(path[1:])
    if not file.parent.is_dir():
        raise EnvironmentRefused(
            "target.folder",
            f"there is no folder '{file.parent}' for the target",
            hint=f"make it; an absolute path has four slashes: {scheme}:////{str(file).lstrip('/')}",
        )
    return file, dict(parse_qsl(parts.query, keep_blank_values=True))


def _missing(error: ModuleNotFoundError, extra: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        "target.driver", f"the driver is not installed ({error.name})", hint=f"pip install 'afterbay[{extra}]'"
    )
