"""Where a store is, as text: scheme, place and query. Nothing here touches a store, and nothing prints a secret."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from afterbay.errors import Diagnostic, PipelineInvalid
from afterbay.printable import visible

_ALIASES = {"gcs": "gs", "azure": "azblob"}
_BUCKETS = {"s3": "bucket", "gs": "bucket", "azblob": "container"}
SCHEMES = ("file", "s3", "gs", "gcs", "azblob", "azure", "noop")

LONGEST_URI = 8192
"""Characters. A path has 4096 at most, and a session token two thousand."""

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class StoreUri:
    """A store's URI in parts. `bucket` is "" for files; `path` has no `/` at its ends, except a file's first one.

    `query` may hold secrets: it is left out of `repr` and of `display`. `taken`: keys that the sink reads, for hints.
    """

    scheme: str
    bucket: str
    path: str
    query: Mapping[str, str]
    taken: frozenset[str] = frozenset()

    @property
    def display(self) -> str:
        """The URI without its query, for messages: control characters as their escapes."""
        if self.scheme == "file":
            return visible(f"file://{self.path}" if self.path.startswith("/") else self.path)
        return visible(f"{self.scheme}://" + "/".join(part for part in (self.bucket, self.path) if part))

    @property
    def absolute(self) -> str:
        """As `display`, a folder by its absolute path: what it is called whatever the current directory is."""
        return f"file://{os.path.abspath(self.path)}" if self.scheme == "file" else self.display  # noqa: PTH100 - no links

    @property
    def keeps(self) -> bool:
        """False for a store that forgets what it is given."""
        return self.scheme != "noop"

    def __repr__(self) -> str:
        return f"StoreUri({self.display!r})"

    def without(self, keys: Iterable[str]) -> StoreUri:
        """The same without some keys of the query: those that the sink has taken for itself."""
        taken = frozenset(keys)
        return replace(self, query={key: value for key, value in self.query.items() if key not in taken}, taken=taken)


def parse_uri(text: str) -> StoreUri:
    """Reads a URI, or a plain path (which has no query). Raises PipelineInvalid with code `uri.…`."""
    if len(text) > LONGEST_URI:
        raise PipelineInvalid(
            "uri.long", f"the uri has {len(text)} characters, and may have {LONGEST_URI}", hint="was a file meant?"
        )
    if "\0" in unquote(text):
        raise PipelineInvalid("uri.form", "the uri has a NUL character", hint="no store has names with one")
    found = _SCHEME.match(text)
    if found is None:
        if not text:
            raise PipelineInvalid("uri.empty", "the uri is empty", hint="for example ./out or s3://bucket/prefix")
        if "?" in text:
            raise PipelineInvalid(
                "uri.query", "a plain path takes no query", hint="write file://./folder?key=value to set options"
            )
        return StoreUri("file", "", text.rstrip("/") or "/", {})
    scheme = found.group(1).lower()
    if scheme not in SCHEMES:
        close = difflib.get_close_matches(scheme, SCHEMES, n=1, cutoff=0.5)
        raise PipelineInvalid(
            "uri.scheme",
            f"the uri has the unknown scheme '{scheme}'",
            hint=(f"did you mean '{close[0]}'? " if close else "") + f"known: {', '.join(SCHEMES)}, or a plain path",
        )
    scheme = _ALIASES.get(scheme, scheme)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        # The text itself may hold a password and is not repeated.
        raise PipelineInvalid("uri.form", f"the uri is not well formed: {visible(str(error))[:100]}") from None
    if "@" in parts.netloc:
        raise PipelineInvalid(
            "uri.credentials",
            f"the {scheme} uri carries credentials before its host",
            hint="use the environment, or access-key and secret-access-key in the query",
        )
    if parts.fragment:
        raise PipelineInvalid("uri.fragment", "the uri has a fragment ('#…')", hint="write %23 for a '#' in a name")
    query = _query(parts.query)
    if scheme == "file":
        return StoreUri(scheme, "", _file_path(parts.netloc, unquote(parts.path)), query)
    path = unquote(parts.path).strip("/")
    if scheme in _BUCKETS and not parts.netloc:
        what = _BUCKETS[scheme]
        raise PipelineInvalid(
            "uri.bucket", f"the {scheme} uri names no {what}", hint=f"for example {scheme}://{what}/prefix"
        )
    return StoreUri(scheme, parts.netloc, path, query)


def unknown_keys(uri: StoreUri, known: Iterable[str]) -> None:
    """Refuses the query's keys that are not in `known`, each with the nearest right one. Values are not printed."""
    allowed = (*known, *sorted(uri.taken))
    found = []
    for key in uri.query:
        if key not in allowed:
            plain = key.lower().replace("_", "-")
            close = difflib.get_close_matches(plain, allowed, n=1)
            found.append(
                Diagnostic(
                    "uri.query",
                    f"the {uri.scheme} uri has the unknown key '{visible(key)}'",
                    hint=f"did you mean '{close[0]}'?" if close else f"known: {', '.join(allowed) or 'none'}",
                )
            )
    if found:
        raise PipelineInvalid.of(found)


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key in found:
            raise PipelineInvalid("uri.query", f"the uri gives '{visible(key)}' twice")
        found[key] = value
    return found


def _file_path(host: str, path: str) -> str:
    if host in ("", "localhost"):
        if not path:
            raise PipelineInvalid("uri.path", "the file uri names no folder", hint="for example file:///data/lake")
        return path.rstrip("/") or "/"
    if host in (".", ".."):
        return (host + path).rstrip("/")
    raise PipelineInvalid(
        "uri.host",
        f"the file uri names the host '{visible(host)}'",
        hint=visible(f"write file:///{host}{path} for an absolute path, or ./{host}{path} for a relative one"),
    )
