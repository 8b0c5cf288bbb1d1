"""A stand-in for Google Cloud Storage, in memory, on the loopback: as much of its XML interface as obstore speaks.

It is ours and not Google's, so what passes here has met Google's documentation, not Google. No server that comes as a
package would do: `fake-gcs-server` (also as a wheel) refuses the puts of the XML interface ("invalid uploadType"), and
`gcp-storage-emulator` gives no ETag.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 7
"""Objects a listing gives at once: few, so that every listing has pages."""


class Stored(NamedTuple):
    data: bytes
    generation: int

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


@dataclass
class Buckets:
    """What is stored, by bucket. Owns its lock."""

    objects: dict[str, dict[str, Stored]]
    lock: threading.Lock = field(default_factory=threading.Lock)
    generation: int = 1_700_000_000_000_000
    seen: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def gcs_server(*names: str) -> Iterator[tuple[str, Buckets]]:
    """Its address, and what it keeps."""
    buckets = Buckets({name: {} for name in names})

    class Handler(_Handler):
        kept = buckets

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="gcs-server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", buckets
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def credentials_file(folder: Path, private_key: str = "") -> Path:
    """A service account's key file, by which obstore asks nobody for a token."""
    file = folder / "account.json"
    account = {"client_email": "", "private_key_id": "", "private_key": private_key, "disable_oauth": True}
    file.write_text(json.dumps(account))
    return file


def gs_uri(endpoint: str, root: str, credentials: Path) -> str:
    return f"gs://{root}?endpoint={endpoint}&credentials-file={credentials}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept: Buckets

    def log_message(self, *args: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = self._place()
        if found is None:
            return
        bucket, name = found
        wanted = self.headers.get("x-goog-if-generation-match")
        with self.kept.lock:
            self.kept.seen.append(dict(self.headers.items()))
            there = bucket.get(name)
            if wanted is not None and int(wanted) != (there.generation if there else 0):
                self._refuse(412, "PreconditionFailed")
                return
            self.kept.generation += 1
            bucket[name] = Stored(body, self.kept.generation)
            self._answer(200, self._told(bucket[name]))

    def do_GET(self) -> None:
        found = self._place()
        if found is None:
            return
        bucket, name = found
        if not name:
            self._list(bucket)
            return
        with self.kept.lock:
            there = bucket.get(name)
        if there is None:
            self._refuse(404, "NoSuchKey")
        elif self.headers.get("If-Match", there.etag) != there.etag:
            self._refuse(412, "PreconditionFailed")
        elif (wanted := self.headers.get("Range")) is not None:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            size = len(there.data)
            more = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
            self._answer(206, self._told(there) | more, there.data[start:])
        else:
            self._answer(200, self._told(there), there.data)

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        found = self._place()
        if found is None:
            return
        bucket, name = found
        with self.kept.lock:
            gone = bucket.pop(name, None)
        if gone is None:
            self._refuse(404, "NoSuchKey")
        else:
            self._answer(204, {})

    def _list(self, bucket: dict[str, Stored]) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        with self.kept.lock:
            names = sorted(name for name in bucket if name.startswith(prefix) and name > after)
            items = "".join(self._item(name, bucket[name]) for name in names[:PAGE])
        more = len(names) > PAGE
        token = f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>" if more else ""
        text = f"<ListBucketResult>{items}<IsTruncated>{str(more).lower()}</IsTruncated>{token}</ListBucketResult>"
        self._answer(200, {}, text.encode())

    def _item(self, name: str, stored: Stored) -> str:
        return (
            f"<Contents><Key>{escape(name)}</Key><Size>{len(stored.data)}</Size><ETag>{escape(stored.etag)}</ETag>"
            f"<LastModified>2024-05-17T12:00:00.000Z</LastModified></Contents>"
        )

    def _place(self) -> tuple[dict[str, Stored], str] | None:
        bucket, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        if bucket not in self.kept.objects:
            self._refuse(404, "NoSuchBucket")
            return None
        return self.kept.objects[bucket], unquote(name)

    def _told(self, stored: Stored) -> dict[str, str]:
        return {
            "ETag": stored.etag,
            "x-goog-generation": str(stored.generation),
            "Last-Modified": formatdate(1_715_947_200, usegmt=True),
        }

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, {}, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
