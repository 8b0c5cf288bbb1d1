"""A large object's way into S3: its parts side by side, then one conditional completion.

A part that fails for good, or a completion that fails, is a failure of the object: nothing is completed from what
arrived (I1), and the upload is aborted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from afterbay_nodes.storage.retry import Retry
from afterbay_nodes.storage.s3_body import cut
from afterbay_nodes.storage.s3_errors import CONFLICT, NO_UPLOAD, UploadLost, code, is_taken, judge
from afterbay_nodes.storage.s3_requests import S3Requests

PART_SIZE = 8 << 20
"""Bytes of a part (the smallest that S3 takes is 5 MiB). Objects up to this size travel whole."""

MOST_PARTS = 10_000

_log = logging.getLogger("afterbay.store")


class MultipartPut:
    """One call's upload. Owns its part threads, which end before the call does.

    `settle(repeat)` looks at the name: False if nothing is there, True if an earlier try (`repeat`) put exactly our
    bytes there; it raises AlreadyExists otherwise.
    """

    def __init__(
        self,
        requests: S3Requests,
        retry: Retry,
        key: str,
        name: str,
        condition: Mapping[str, str],
        settle: Callable[[bool], bool],
    ) -> None:
        self._requests = requests
        self._retry = retry
        self._key = key
        self._name = name
        self._condition = condition
        self._settle = settle
        self._completing = False  # a completion was sent: whatever was answered, it may have been done

    def run(self, views: Sequence[memoryview], size: int, side_by_side: int) -> None:
        """Uploads and completes, from the start again where the upload was lost."""
        groups = cut(views, max(PART_SIZE, -(-size // MOST_PARTS)))
        self._retry.run("put", self._key, lambda: self._attempt(groups, side_by_side), judge)

    def _attempt(self, groups: Sequence[Sequence[memoryview]], side_by_side: int) -> None:
        if (self._completing or not self._condition) and self._settle(self._completing):
            return
        upload = self._retry.run("begin", self._key, lambda: self._requests.begin(self._name), judge)
        try:
            parts = self._send(upload, groups, side_by_side)
            done = self._retry.run("complete", self._key, lambda: self._complete(upload, parts), judge)
            if not done:
                raise UploadLost("the upload was gone before it was completed")
        except BaseException:
            abort(self._requests, self._name, upload)
            raise

    def _send(self, upload: str, groups: Sequence[Sequence[memoryview]], side_by_side: int) -> Sequence[dict[str, Any]]:
        def send(number: int) -> dict[str, Any]:
            def once() -> dict[str, Any] | None:
                try:
                    return self._requests.send_part(self._name, upload, number, groups[number - 1])
                except ClientError as error:
                    if code(error) == NO_UPLOAD:
                        return None
                    raise

            part = self._retry.run("part", self._key, once, judge)
            if part is None:
                raise UploadLost(f"the upload was gone at part {number}")
            return part

        numbers = range(1, len(groups) + 1)
        if side_by_side == 1:
            return [send(number) for number in numbers]
        with ThreadPoolExecutor(min(side_by_side, len(groups)), thread_name_prefix="afterbay-part") as pool:
            futures = [pool.submit(send, number) for number in numbers]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                for future in futures:
                    if future.done():
                        future.result()
                return [future.result() for future in futures]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _complete(self, upload: str, parts: Sequence[dict[str, Any]]) -> bool:
        repeat, self._completing = self._completing, True
        try:
            self._requests.complete(self._name, upload, parts, self._condition)
        except ClientError as error:
            if is_taken(error):
                return self._settle(repeat)
            if code(error) in (NO_UPLOAD, CONFLICT):
                # Gone: an earlier completion did it, or it was aborted. A conflict ends an upload, too.
                return self._settle(repeat)
            raise
        return True


def abort(requests: S3Requests, name: str, upload: str) -> None:
    """Gives an upload up, once. What cannot be aborted now costs space until the next start sweeps it."""
    try:
        requests.abort(name, upload)
    except ClientError as error:
        if code(error) != NO_UPLOAD:
            _log.warning("an upload of '%s' stays behind: %s", name, judge(error).reason)
    except BotoCoreError as error:
        _log.warning("an upload of '%s' stays behind: %s", name, judge(error).reason)
