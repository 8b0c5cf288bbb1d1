"""Values in a URI's query, checked the same way for every store. No message repeats the value of a secret."""

from __future__ import annotations

import base64
import binascii
import difflib
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import SecretStr

from afterbay.errors import PipelineInvalid
from afterbay_nodes.storage.uri import StoreUri

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def secret(value: str | None) -> SecretStr | None:
    """A value that is never printed; an empty one is none."""
    return SecretStr(value) if value else None


def reveal(value: SecretStr | None) -> str | None:
    """The value itself, for the client alone."""
    return None if value is None else value.get_secret_value()


def boolean(uri: StoreUri, key: str) -> bool | None:
    """True, false, or None if the key is not set."""
    value = uri.query.get(key)
    if value is None:
        return None
    if value.lower() not in _BOOLEANS:
        raise PipelineInvalid("uri.query", f"{uri.display} sets {key} to {value!r}", hint="write true or false")
    return _BOOLEANS[value.lower()]


def one_of(uri: StoreUri, key: str, known: Sequence[str], *, fold: bool = False) -> str | None:
    """One of the words that the store knows; with `fold`, in whatever case it is written."""
    value = uri.query.get(key)
    if not value:
        return None
    found = {word.lower(): word for word in known}.get(value.lower()) if fold else value
    if found not in known:
        close = difflib.get_close_matches(value, known, n=1)
        hint = (f"did you mean '{close[0]}'? " if close else "") + f"known: {', '.join(known)}"
        raise PipelineInvalid("uri.query", f"{uri.display} sets {key} to {value!r}", hint=hint)
    return found


def endpoint(uri: StoreUri, example: str) -> str | None:
    """An http(s) address. What else it says is not repeated: it may hold a password."""
    value = uri.query.get("endpoint")
    if not value:
        return None
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        good = good and "@" not in parts.netloc and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good:
        raise PipelineInvalid(
            "uri.endpoint", f"{uri.display} sets an endpoint that is no http(s) address", hint=f"for example {example}"
        )
    return value


def encoded(uri: StoreUri, key: str, size: int | None = None) -> SecretStr | None:
    """A secret in Base64, of `size` bytes."""
    value = uri.query.get(key)
    if not value:
        return None
    try:
        found = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found or (size is not None and len(found) != size):
        what = "Base64" if size is None else f"{size} bytes in Base64"
        raise PipelineInvalid(
            "uri.query", f"{uri.display} sets {key} to what is not {what}", hint="in a URI, write %2B for a '+'"
        )
    return SecretStr(value)


def plain_root(uri: StoreUri) -> str:
    """The path of the URI as a prefix of names. Raises PipelineInvalid for one that would be another on its way."""
    if uri.path and ({"", ".", ".."} & set(uri.path.split("/")) or "\\" in uri.path or not uri.path.isprintable()):
        raise PipelineInvalid(
            "uri.path",
            f"the path of {uri.display!r} has an empty level, '.', '..', '\\' or a character that cannot be printed",
            hint="write a plain prefix such as lake/orders",
        )
    return uri.path
