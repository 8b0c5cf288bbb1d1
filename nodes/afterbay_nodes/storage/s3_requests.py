"""Single requests to one bucket, each sent once. Errors are botocore's; retrying and judging is the caller's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from afterbay.checksum import crc32
from afterbay_nodes.storage.s3_body import PartsBody
from afterbay_nodes.storage.s3_options import S3Options
from afterbay_nodes.storage.store import StoreOptions

CREATE_ONLY: Mapping[str, str] = {"IfNoneMatch": "*"}

Guard = Callable[[], None]


class S3Requests:
    """One client and one bucket; owns the client's connections. Thread-safe.

    `guard()` makes the check that runs while a body is sent: it may end the request by raising.
    """

    def __init__(self, place: S3Options, options: StoreOptions, guard: Callable[[], Guard]) -> None:
        self.bucket = place.bucket
        self._upload = dict(place.upload)
        self._guard = guard
        self._client = place.client(options)
        # A store that is told not to use checksums (AWS_REQUEST_CHECKSUM_CALCULATION) does not know their headers.
        self._checksums = self._client.meta.config.request_checksum_calculation != "when_required"

    def send(self, name: str, views: Sequence[memoryview], condition: Mapping[str, str]) -> str:
        """Makes or replaces an object; gives its ETag."""
        answer = self._client.put_object(Bucket=self.bucket, Key=name, **self._body(views), **condition, **self._upload)
        return str(answer["ETag"])

    def get(self, name: str, more: Mapping[str, str]) -> Any:
        """An object's answer; the caller closes its `Body`."""
        return self._client.get_object(Bucket=self.bucket, Key=name, **more)

    def size(self, name: str) -> int:
        """An object's bytes."""
        return int(self._client.head_object(Bucket=self.bucket, Key=name)["ContentLength"])

    def page(self, prefix: str, token: str | None, limit: int = 1000) -> Any:
        """Up to `limit` objects under `prefix`; its `NextContinuationToken` leads on."""
        more = {"ContinuationToken": token} if token else {}
        return self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, **more)

    def delete(self, names: Sequence[str]) -> None:
        """Removes up to 1000 objects."""
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
        answer = self._client.create_multipart_upload(Bucket=self.bucket, Key=name, **more, **self._upload)
        return str(answer["UploadId"])

    def send_part(self, name: str, upload: str, number: int, views: Sequence[memoryview]) -> dict[str, Any]:
        """Sends part `number` (from 1); what it returns is due at completion."""
        body = self._body(views)
        answer = self._client.upload_part(Bucket=self.bucket, Key=name, UploadId=upload, PartNumber=number, **body)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if self._checksums:
            part["ChecksumCRC32"] = body["ChecksumCRC32"]
        return part

    def complete(self, name: str, upload: str, parts: Sequence[dict[str, Any]], condition: Mapping[str, str]) -> None:
        """Makes the object out of its parts."""
        self._client.complete_multipart_upload(
            Bucket=self.bucket, Key=name, UploadId=upload, MultipartUpload={"Parts": list(parts)}, **condition
        )

    def abort(self, name: str, upload: str) -> None:
        """Gives an upload up; its parts are freed."""
        self._client.abort_multipart_upload(Bucket=self.bucket, Key=name, UploadId=upload)

    def uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        """The (name, id) of the unfinished uploads under `prefix`."""
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix):
            for upload in page.get("Uploads", ()):
                yield str(upload["Key"]), str(upload["UploadId"])

    def _body(self, views: Sequence[memoryview]) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "Body": PartsBody(views, self._guard()) if views else b"",
            "ContentLength": sum(view.nbytes for view in views),
        }
        if self._checksums:
            crc = 0
            for view in views:
                crc = crc32(view, crc)
            arguments["ChecksumCRC32"] = base64.b64encode(crc.to_bytes(4, "big")).decode()
        return arguments
