"""An HTTP proxy on the loopback that spoils chosen requests, in the ways a network does."""

from __future__ import annotations

import http.client
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Fault(Enum):
    """What becomes of one request."""

    NONE = auto()
    LOSE_ANSWER = auto()  # done at the server, then the connection is cut
    REFUSE = auto()  # 503 SlowDown; the server never sees it
    FORBID = auto()  # 403; the server never sees it
    CONFLICT = auto()  # 409 ConditionalRequestConflict
    NO_UPLOAD = auto()  # 404 NoSuchUpload
    HANG = auto()  # never answered
    LATE = auto()  # the connection is cut, and the network keeps the request until `Proxy.deliver`
    CUT_BODY = auto()  # the answer ends half-way
    DRIP_HEAD = auto()  # the answer comes byte by byte, from its first one on
    DRIP_BODY = auto()  # its head at once, its body byte by byte


LONGEST_DRIP = 5000
"""Bytes after which an answer without an end is cut: who still waits for it then has no deadline."""

_ANSWERS = {
    Fault.REFUSE: (503, "SlowDown"),
    Fault.FORBID: (403, "AccessDenied"),
    Fault.CONFLICT: (409, "ConditionalRequestConflict"),
    Fault.NO_UPLOAD: (404, "NoSuchUpload"),
}


@dataclass(frozen=True)
class Request:
    """What a test chooses by: `query` is the raw query text, `headers` are by their names in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass
class Proxy:
    """`choose` gives each request its fault; the default is none. `seen` holds all requests, in order.

    `ignored`: headers that the store does not know. A dripping answer calls `before_drip` before each byte of its first
    `drips` (None: it goes on and on).
    """

    address: str = ""
    choose: Callable[[Request], Fault] = lambda request: Fault.NONE
    ignored: Sequence[str] = ()
    seen: list[Request] = field(default_factory=list)
    held: list[Callable[[], int]] = field(default_factory=list)
    before_drip: Callable[[], object] = lambda: None
    drips: int | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def deliver(self) -> list[int]:
        """What was held arrives at the server; its answers' statuses."""
        held, self.held = self.held, []
        return [send() for send in held]

    def spoil(self, method: str, fault: Fault, times: int = 1, query: str = "") -> None:
        """The next `times` requests of `method` whose query contains `query` get `fault`."""
        left = [times]

        def choose(request: Request) -> Fault:
            if request.method != method or query not in request.query or not left[0]:
                return Fault.NONE
            left[0] -= 1
            return fault

        self.choose = choose


@contextmanager
def faulty_proxy(target: str) -> Iterator[Proxy]:
    """A proxy before `target`. Hanging requests end with the context."""
    proxy = Proxy()
    host = urlsplit(target).netloc

    def ask(method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        upstream = http.client.HTTPConnection(host)
        upstream.request(method, path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        return answer, content

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def _pass_on(self) -> None:
            parts = urlsplit(self.path)
            sent = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, parts.query, sent)
            proxy.seen.append(request)
            fault = proxy.choose(request)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if fault in _ANSWERS:
                status, code = _ANSWERS[fault]
                self._answer(status, [], f"<Error><Code>{code}</Code><Message>spoilt</Message></Error>".encode())
                return
            if fault is Fault.HANG:
                proxy.released.wait()
                self.close_connection = True
                return
            for header in proxy.ignored:
                del self.headers[header]
            passed_on = (self.command, self.path, body, dict(self.headers))
            if fault is Fault.LATE:
                proxy.held.append(lambda: ask(*passed_on)[0].status)
                self.close_connection = True
                return
            answer, content = ask(*passed_on)
            own = ("connection", "date", "server", "transfer-encoding")
            headers = [item for item in answer.getheaders() if item[0].lower() not in own]
            if fault is Fault.LOSE_ANSWER:
                self.close_connection = True
                return
            if fault in (Fault.DRIP_HEAD, Fault.DRIP_BODY):
                self._drip(answer.status, headers, content, fault)
                return
            self._answer(answer.status, headers, content, cut=fault is Fault.CUT_BODY)

        def _drip(self, status: int, headers: list[tuple[str, str]], content: bytes, fault: Fault) -> None:
            whole, self.wfile = self.wfile, io.BytesIO()
            try:
                self._answer(status, headers, content)
                self.flush_headers()
                answer = self.wfile.getvalue()
            finally:
                self.wfile = whole
            head = 1 if fault is Fault.DRIP_HEAD else answer.index(b"\r\n\r\n") + 4
            if proxy.drips is None:  # a header, or a body, that goes on and on
                answer = b'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: "x"\r\n\r\n'
                head = len(answer) if fault is Fault.DRIP_BODY else answer.index(b"ETag")
            self.wfile.write(answer[:head])
            for number in range(LONGEST_DRIP):
                if proxy.drips is not None and number == proxy.drips:
                    self.wfile.write(answer[head + number :])
                    return
                proxy.before_drip()
                rest = answer[head + number : head + number + 1]
                self.wfile.write(rest if proxy.drips is not None else b"a")
                self.wfile.flush()
            self.close_connection = True

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="faulty-proxy")
    thread.start()
    proxy.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
