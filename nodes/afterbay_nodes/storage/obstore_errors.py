"""What the errors of obstore mean, in words that hold no secret.

obstore's own texts carry the URL of the request, with a shared access signature in it, and a dump of the whole error.
`Fault` keeps what a person needs; the original is dropped, so that no traceback can print it.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from obstore import exceptions

from afterbay_nodes.storage.retry import Verdict


class Kind(Enum):
    """What became of a request."""

    MISSING = auto()  # no such object
    TAKEN = auto()  # a condition was not met
    PASSING = auto()  # may succeed if it is tried again
    REFUSED = auto()


class Fault(Exception):
    """A request that failed. The text has no secret; `code` is the store's word for it, "" if it said none."""

    def __init__(self, kind: Kind, text: str, code: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.code = code


_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_NO_CONTAINER = frozenset({"ContainerNotFound", "NoSuchBucket", "ContainerBeingDeleted"})

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n\\]{1,200})")
_ADDRESS = re.compile(r"(https?://[^\s?()]*)\?[^\s)]*")
_LONGEST = 300

_RIGHTS = "the identity may not do this: docs/stores.md lists the rights that each store needs"
_HINTS = {
    "ContainerNotFound": "make the container first, or correct the uri",
    "NoSuchBucket": "make the bucket first, or correct the uri",
    "AuthenticationFailed": "the key or signature is wrong or over, or this machine's clock is wrong",
    "AuthorizationFailure": _RIGHTS,
    "AuthorizationPermissionMismatch": _RIGHTS,
    "AccessDenied": _RIGHTS,
    "InvalidAuthenticationInfo": "the credentials are not what this account takes",
}


def fault(error: Exception) -> Fault:
    """An error of obstore without its secrets."""
    text = str(error)
    status = int(found[1]) if (found := _STATUS.search(text)) else 0
    code = found[1] if (found := _CODE.search(text)) else ""
    kind = _kind(error, status, code)
    if status:
        message = found[1].strip() if (found := _MESSAGE.search(text)) else ""
        said = f"{code or type(error).__name__} ({status})" + (f": {message}" if message else "")
    else:
        # Its first line says what was asked, and why that failed; the rest is a dump.
        first = _ADDRESS.sub(r"\1", text.partition("\n")[0])[:_LONGEST]
        said = f"{type(error).__name__}: {first}"
    return Fault(kind, said, code)


def late(seconds: float) -> Fault:
    """A request had no answer in time."""
    return Fault(Kind.PASSING, f"no answer within {seconds:.3g} s")


def judge(error: Exception) -> Verdict:
    """Connections, deadlines, throttling and full stores may pass; refusals and wrong settings do not."""
    if not isinstance(error, Fault):
        return Verdict(False, f"{type(error).__name__}: {error}")
    transient = error.kind is Kind.PASSING
    hint = _HINTS.get(error.code)
    if hint is None and transient and not error.code:
        hint = "is the endpoint right, is the store up, and are there credentials?"
    return Verdict(transient, str(error), hint)


def _kind(error: Exception, status: int, code: str) -> Kind:
    if isinstance(error, FileNotFoundError):
        return Kind.REFUSED if code in _NO_CONTAINER else Kind.MISSING
    if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
        return Kind.TAKEN
    if status:
        return Kind.PASSING if status in _PASSING_STATUS else Kind.REFUSED
    if isinstance(error, exceptions.GenericError | OSError):
        return Kind.PASSING  # no answer at all: the connection, a time-out, or the place where tokens come from
    return Kind.REFUSED
