"""S3, and what speaks like it, as object store.

New objects are made under the condition that none is there (`If-None-Match: *`); large ones in parts, completed
under the same condition. A try whose answer was lost may have succeeded: a later refusal is compared byte by byte
with what was to be written before it counts as somebody else's object. What is replaced is replaced under the condition
that it is still the version that was seen (`If-Match`), so that no write comes late over a newer one.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay_nodes.storage.retry import Retry
from afterbay_nodes.storage.s3_body import PartsBody, TookTooLong
from afterbay_nodes.storage.s3_errors import UploadLost, code, is_missing, is_taken, judge, status
from afterbay_nodes.storage.s3_fallback import NamesInUse
from afterbay_nodes.storage.s3_multipart import PART_SIZE, MultipartPut, abort
from afterbay_nodes.storage.s3_options import S3Options
from afterbay_nodes.storage.s3_requests import CREATE_ONLY, S3Requests
from afterbay_nodes.storage.store import (
    SMALL_OBJECT,
    AlreadyExists,
    NotFound,
    ObjectInfo,
    Part,
    Seen,
    StoreOptions,
    flat,
    levels,
    made_before,
)
from afterbay_nodes.storage.traits import Traits

LONGEST_KEY = 1024
KEYS_PER_DELETE = 1000
CHUNK = 1 << 20
PROBE = ".afterbay-probe-"
"""How the objects are called that `check` makes and removes: no name of the protocol begins with a dot."""

NO_SUCH_VERSION: Mapping[str, str] = {"IfMatch": f'"{"0" * 32}"'}

_log = logging.getLogger("afterbay.store")


class S3Store:
    """One bucket and root. Owns its requests (client and connections); threads for parts live within one call."""

    late_writers = True

    def __init__(self, place: S3Options, options: StoreOptions, retry: Retry) -> None:
        self.display = "s3://" + "/".join(part for part in (place.bucket, place.root) if part)
        self._root = f"{place.root}/" if place.root else ""
        self._options = options
        self._retry = retry
        self._operation_deadline = options.operation_deadline
        self._requests = S3Requests(place, options, self._guard, self._parting)
        self._condition: Mapping[str, str] = CREATE_ONLY
        self._compares = True  # the store knows `If-Match`
        self._names = NamesInUse()  # only for a store without conditions

    def check(self) -> None:
        """See `ObjectStore.check`. Also learns whether the store knows conditional writes."""
        brief = self._retry.within(self._options.check_deadline)
        self._operation_deadline = min(self._options.check_deadline, self._options.operation_deadline)
        try:
            brief.run("list", "", lambda: self._requests.page(self._root, None, 1), judge)
            conditional, self._compares = brief.run("put", PROBE, self._probe, judge)
        except RunFailed as error:
            raise EnvironmentRefused("store.unreachable", error.diagnostics[0].message, hint=error.hint) from error
        finally:
            self._operation_deadline = self._options.operation_deadline
        if not conditional:
            self._condition = {}
            _log.warning(
                "%s does not know conditional writes: names are looked up before they are written, which protects "
                "against this run's own repeats, not against a second writer",
                self.display,
            )
        elif not self._compares:
            _log.warning(
                "%s does not know conditional replacing: an index or checkpoint file that the network holds back for "
                "minutes may arrive over a newer one",
                self.display,
            )

    def traits(self) -> Traits:
        """See `storage.traits`."""
        answer = self._retry.run("list", "", lambda: self._requests.page(self._root, None, 1), judge)
        told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            time = parsedate_to_datetime(told)
        except ValueError:
            time = None
        if time is not None and time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return Traits(bool(self._condition), self._compares, time)

    def sweep(self) -> None:
        """Aborts unfinished uploads below the root and removes probes that a dead process left."""
        try:
            left = self._retry.run("sweep", "", lambda: tuple(self._requests.uploads(self._root)), judge)
        except RunFailed as error:
            # Not every store can list them, and not every identity may: they cost space, and nothing else.
            _log.warning("unfinished uploads are left alone, a lifecycle rule can remove them: %s", error)
        else:
            for name, upload in left:
                abort(self._requests, name, upload)
        self.delete([info.key for info in self._objects(PROBE)])

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        """See `ObjectStore.put_if_absent`."""
        views = flat(parts, size, key)
        name = self._name(key)
        settle = partial(self._settle, key, views)
        with nullcontext() if self._condition else self._names.alone(name):
            if size <= PART_SIZE:
                self._put_whole(key, name, views, settle)
            else:
                upload = MultipartPut(self._requests, self._retry, key, name, self._condition, settle)
                upload.run(views, size, self._options.part_concurrency)

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        """See `ObjectStore.replace`. The version is the ETag.

        A refusal is settled by what is there: our bytes may have arrived although the answer did not.
        """
        name = self._name(key)
        views = flat([data], len(data), key)
        condition = self._condition if previous is None else {"IfMatch": previous}

        def attempt() -> str | None:
            try:
                return self._requests.send(name, views, condition if self._compares else {})
            except ClientError as error:
                if is_taken(error) or is_missing(error):
                    return None
                raise

        version = self._retry.run("put", key, attempt, judge)
        return made_before(self, key, data) if version is None else version

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        """See `ObjectStore.get`."""
        return self.see(key, limit).data

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Seen:
        """See `ObjectStore.see`."""

        def read() -> Seen:
            answer = self._get(key, {})
            with answer["Body"] as body:
                size = int(answer["ContentLength"])
                if size > limit:
                    raise RunFailed("store.large", f"'{key}' in {self.display} has {size} bytes, over {limit}")
                return Seen(self._requests.read(body), str(answer["ETag"]))

        return self._retry.run("get", key, read, judge)

    def open_read(self, key: str) -> Iterator[memoryview]:
        """See `ObjectStore.open_read`. A broken connection goes on where it was, in the same object or not at all."""
        at, size, tag = 0, -1, ""
        body: Any = None

        def chunk() -> bytes:
            nonlocal body, size, tag
            if body is None:
                if at == size:
                    return b""
                answer = self._get(key, {"Range": f"bytes={at}-", "IfMatch": tag} if tag else {})
                body, tag = answer["Body"], str(answer["ETag"])
                size = at + int(answer["ContentLength"])
            try:
                return self._requests.read(body, CHUNK)
            except BaseException:
                body.close()
                body = None
                raise

        try:
            while found := self._retry.run("get", key, chunk, judge):
                at += len(found)
                yield memoryview(found)
        finally:
            if body is not None:
                body.close()

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        name = self._name(key)

        def look() -> ObjectInfo | None:
            try:
                return ObjectInfo(key, self._requests.size(name))
            except ClientError as error:
                if is_missing(error):
                    return None
                raise

        return self._retry.run("head", key, look, judge)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        return (info for info in self._objects(prefix) if not info.key.startswith(PROBE))

    def delete(self, keys: Sequence[str]) -> None:
        """See `ObjectStore.delete`."""
        names = [self._name(key) for key in keys]
        for start in range(0, len(names), KEYS_PER_DELETE):
            batch = names[start : start + KEYS_PER_DELETE]
            self._retry.run("delete", keys[start], partial(self._requests.delete, batch), judge)

    def prune(self, doomed: Callable[[str], bool]) -> None:
        """See `ObjectStore.prune`: there are no folders."""

    def close(self) -> None:
        """See `ObjectStore.close`."""
        self._requests.close()

    def _name(self, key: str) -> str:
        levels(key)
        name = self._root + key
        if len(name.encode()) > LONGEST_KEY:
            raise RunFailed("store.key", f"the key {key!r} is refused: with the root it is over {LONGEST_KEY} bytes")
        return name

    def _guard(self) -> Callable[[], None]:
        """Ends one request when its deadline is over, or the run is."""
        cancel, until = self._retry.cancel, self._until(self._operation_deadline)

        def guard() -> None:
            cancel.check()
            until()

        return guard

    def _parting(self) -> Callable[[], None]:
        """Ends a request of a run that is over, if it is not done soon."""
        return self._until(min(self._options.check_deadline, self._options.operation_deadline))

    def _until(self, seconds: float) -> Callable[[], None]:
        clock = self._retry.clock
        end = clock.monotonic() + seconds

        def check() -> None:
            if clock.monotonic() > end:
                raise TookTooLong(f"not done within {seconds:.0f} s")

        return check

    def _get(self, key: str, more: Mapping[str, str]) -> Any:
        try:
            return self._requests.get(self._name(key), more)
        except ClientError as error:
            if is_missing(error):
                raise NotFound(key, self.display) from None
            raise

    def _objects(self, prefix: str) -> Iterator[ObjectInfo]:
        token: str | None = None
        while True:
            page = self._retry.run("list", prefix, partial(self._requests.page, self._root + prefix, token), judge)
            for item in page.get("Contents", ()):
                key = str(item["Key"])[len(self._root) :]
                if key and not key.endswith("/"):  # some consoles make such objects to show a folder
                    yield ObjectInfo(key, int(item["Size"]))
            token = page.get("NextContinuationToken")
            if not token:
                return

    def _probe(self) -> tuple[bool, bool]:
        """Whether the store refuses a second creation of one name, and the replacing of a version that is not there."""
        key = f"{PROBE}{secrets.token_hex(8)}"
        name = self._name(key)
        try:
            self._refuses(name, CREATE_ONLY)
            creates = self._refuses(name, CREATE_ONLY)
            return creates, creates and self._refuses(name, NO_SUCH_VERSION)
        finally:
            self._requests.delete([name])

    def _refuses(self, name: str, condition: Mapping[str, str]) -> bool:
        """True if the condition is not met; False if it is, or if the store does not know it."""
        try:
            self._requests.send(name, [], condition)
        except ClientError as error:
            if is_taken(error):
                return True
            if status(error) == 501 or code(error) in ("NotImplemented", "InvalidArgument"):
                return False
            raise
        return False

    def _put_whole(self, key: str, name: str, views: Sequence[memoryview], settle: Callable[[bool], bool]) -> None:
        sent = False

        def attempt() -> None:
            nonlocal sent
            repeat, sent = sent, True
            if not self._condition and settle(repeat):
                return
            try:
                self._requests.send(name, views, self._condition)
            except ClientError as error:
                if not is_taken(error):
                    raise
                if not settle(repeat):
                    raise UploadLost("the name was taken, and is free again") from error

        self._retry.run("put", key, attempt, judge)

    def _settle(self, key: str, views: Sequence[memoryview], repeat: bool) -> bool:
        """False if nothing has the name, True if an earlier try of the same call put our bytes there.

        Raises AlreadyExists if the object is somebody else's.
        """
        found = self.head(key)
        if found is None:
            return False
        if repeat and found.size == sum(view.nbytes for view in views):
            expected = PartsBody(views, self._retry.cancel.check)
            if all(chunk == expected.read(chunk.nbytes) for chunk in self.open_read(key)):
                return True
        raise AlreadyExists(key, self.display)
