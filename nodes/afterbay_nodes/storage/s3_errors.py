"""What the errors of S3 and of its connections mean."""

from __future__ import annotations

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from afterbay_nodes.storage.retry import Verdict
from afterbay_nodes.storage.s3_body import TookTooLong

CONFLICT = "ConditionalRequestConflict"
NO_UPLOAD = "NoSuchUpload"

_PASSING_CODES = frozenset(
    {
        CONFLICT,
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "RequestLimitExceeded",
        "InternalError",
        "ServiceUnavailable",
        "BadDigest",
        "IncompleteBody",
        "QuotaExceeded",
        "XMinioStorageFull",
    }
)
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_PASSING_ERRORS = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.FlexibleChecksumError,
    HTTPError,
)
_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.UnauthorizedSSOTokenError,
)
_RIGHTS = "the identity needs s3:ListBucket, GetObject, PutObject, DeleteObject and AbortMultipartUpload on the root"
_HINTS = {
    "AccessDenied": _RIGHTS,
    "403": _RIGHTS,
    "NoSuchBucket": "make the bucket first, or correct the uri",
    "InvalidAccessKeyId": "the access key is not known to this store",
    "SignatureDoesNotMatch": "the secret access key, the region or the endpoint is wrong",
    "ExpiredToken": "the session token is over: give the run credentials that renew themselves",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": "the bucket is in another region: set region=…",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set region=…",
}


class UploadLost(Exception):
    """A multipart upload is gone or was refused for the moment: it must start again."""


def code(error: ClientError) -> str:
    """The error's code; for answers without a body, the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """The answer's HTTP status, 0 if there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_missing(error: ClientError) -> bool:
    """True if the object (not the bucket) does not exist."""
    return code(error) in ("NoSuchKey", "404", "NotFound")


def is_taken(error: ClientError) -> bool:
    """True if a condition "must not exist" was not met."""
    return code(error) in ("PreconditionFailed", "412") or status(error) == 412


def judge(error: Exception) -> Verdict:
    """Connections, time-outs, throttling and full stores may pass; refusals and wrong settings do not."""
    if isinstance(error, ClientError):
        name = code(error)
        transient = name in _PASSING_CODES or status(error) in _PASSING_STATUS
        message = str(error.response.get("Error", {}).get("Message", ""))[:300]
        return Verdict(transient, f"{name} ({status(error)}): {message}", _HINTS.get(name))
    if isinstance(error, _CREDENTIALS):
        return Verdict(
            False,
            f"no credentials: {error}",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run under a role",
        )
    if isinstance(error, exceptions.SSLError | exceptions.ProxyConnectionError):
        return Verdict(False, str(error), "check the endpoint's certificate (AWS_CA_BUNDLE) and the proxy settings")
    if isinstance(error, exceptions.HTTPClientError) and isinstance(error.kwargs.get("error"), TookTooLong):
        error = error.kwargs["error"]  # raised under botocore's hands
    if isinstance(error, UploadLost | TookTooLong):
        return Verdict(True, str(error))
    if isinstance(error, _PASSING_ERRORS):
        return Verdict(True, f"{type(error).__name__}: {error}", "is the endpoint right, and is the store up?")
    if isinstance(error, AttributeError) and _within_botocore(error):
        # It takes an answer for the object's bytes if that has a checksum, even if it is an error (rclone's are).
        return Verdict(True, "the store answered with an error that could not be read")
    if isinstance(error, BotoCoreError):
        return Verdict(False, f"{type(error).__name__}: {error}")
    return Verdict(isinstance(error, OSError), f"{type(error).__name__}: {error}")


def _within_botocore(error: Exception) -> bool:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and str(at.tb_frame.f_globals.get("__name__")).startswith("botocore.")
