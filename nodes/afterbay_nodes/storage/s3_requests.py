"""Single requests to one bucket, each sent once. Errors are botocore's; retrying and judging is the caller's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from botocore.exceptions import ClientError

from afterbay.checksum import crc32
from afterbay_nodes.storage.s3_answer import Guard, Watch, watch_answers
from afterbay_nodes.storage.s3_body import PartsBody
from afterbay_nodes.storage.s3_errors import NO_UPLOAD, code
from afterbay_nodes.storage.s3_options import S3Options
from afterbay_nodes.storage.store import StoreOptions

CREATE_ONLY: Mapping[str, str] = {"IfNoneMatch": "*"}


class S3Requests:
    """One client and one bucket; owns the client's connections. Thread-safe.

    `guard()` makes the check that runs while a request is sent and answered: it may end the request by raising.
    `parting()` makes the one of a request that tidies up when the run is over: no cancel ends that.
    """

    def __init__(
        self, place: S3Options, options: StoreOptions, guard: Callable[[], Guard], parting: Callable[[], Guard]
    ) -> None:
        self.bucket = place.bucket
        self._upload = dict(place.upload)
        self._guard = guard
        self._parting = parting
        self._watch = Watch()
        self._client = place.client(options)
        watch_answers(self._client, self._watch)
        # A store that is told not to use checksums (AWS_REQUEST_CHECKSUM_CALCULATION) does not know their headers.
        self._checksums = self._client.meta.config.request_checksum_calculation != "when_required"

    def send(self, name: str, views: Sequence[memoryview], condition: Mapping[str, str]) -> str:
        """Makes or replaces an object; gives its ETag."""
        with self._watched():
            answer = self._client.put_object(
                Bucket=self.bucket, Key=name, **self._body(views), **condition, **self._upload
            )
        return str(answer["ETag"])

    def get(self, name: str, more: Mapping[str, str]) -> Any:
        """An object's answer; the caller reads its `Body` by `read`, and closes it."""
        with self._watched():
            return self._client.get_object(Bucket=self.bucket, Key=name, **more)

    def read(self, body: Any, size: int | None = None) -> bytes:
        """Up to `size` bytes of a body (None: all), which have a deadline of their own."""
        with self._watched():
            return bytes(body.read(size))

    def size(self, name: str) -> int:
        """An object's bytes."""
        with self._watched():
            return int(self._client.head_object(Bucket=self.bucket, Key=name)["ContentLength"])

    def page(self, prefix: str, token: str | None, limit: int = 1000) -> Any:
        """Up to `limit` objects under `prefix`; its `NextContinuationToken` leads on."""
        more = {"ContinuationToken": token} if token else {}
        with self._watched():
            return self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, **more)

    def delete(self, names: Sequence[str]) -> None:
        """Removes up to 1000 objects."""
        with self._watched():
            answer = self._client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": name} for name in names], "Quiet": True}
            )
        for failure in answer.get("Errors", ()):
            found = {"Code": failure.get("Code", ""), "Message": failure.get("Message", "")}
            raise ClientError({"Error": found}, "DeleteObjects")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    # --- objects in parts

    def begin(self, name: str) -> str:
        """Starts an upload and returns its id."""
        more = {"ChecksumAlgorithm": "CRC32"} if self._checksums else {}
        with self._watched():
            answer = self._client.create_multipart_upload(Bucket=self.bucket, Key=name, **more, **self._upload)
        return str(answer["UploadId"])

    def send_part(self, name: str, upload: str, number: int, views: Sequence[memoryview]) -> dict[str, Any]:
        """Sends part `number` (from 1); what it returns is due at completion."""
        body = self._body(views)
        with self._watched():
            answer = self._client.upload_part(Bucket=self.bucket, Key=name, UploadId=upload, PartNumber=number, **body)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if self._checksums:
            part["ChecksumCRC32"] = body["ChecksumCRC32"]
        return part

    def complete(self, name: str, upload: str, parts: Sequence[dict[str, Any]], condition: Mapping[str, str]) -> None:
        """Makes the object out of its parts."""
        with self._watched():
            self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=name, UploadId=upload, MultipartUpload={"Parts": list(parts)}, **condition
            )

    def abort(self, name: str, upload: str) -> None:
        """Gives an upload up; its parts are freed."""
        with self._watch.over(self._parting()):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=name, UploadId=upload)

    def uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        """The (name, id) of the unfinished uploads under `prefix`."""
        pages = iter(self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix))
        while True:
            try:
                with self._watched():
                    page = next(pages, None)
            except ClientError as error:
                if code(error) != NO_UPLOAD:  # what rclone says while a bucket has none
                    raise
                return
            if page is None:
                return
            for upload in page.get("Uploads", ()):
                yield str(upload["Key"]), str(upload["UploadId"])

    def _watched(self) -> AbstractContextManager[None]:
        return self._watch.over(self._guard())

    def _body(self, views: Sequence[memoryview]) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "Body": PartsBody(views, self._watch.check) if views else b"",
            "ContentLength": sum(view.nbytes for view in views),
        }
        if self._checksums:
            crc = 0
            for view in views:
                crc = crc32(view, crc)
            arguments["ChecksumCRC32"] = base64.b64encode(crc.to_bytes(4, "big")).decode()
        return arguments
