"""What the page's server answers, and what it refuses."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from afterbay.errors import EnvironmentRefused
from afterbay.web.server import PageServer
from tests.support.live import going_on, lake
from tests.support.shown import Told, a_look, shown


def asked(
    server: PageServer, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/vendor/dagre.min.js", "/settings", "/nowhere"])
def test_every_answer_forbids_what_the_page_does_not_need(path: str) -> None:
    with shown(Told(a_look())) as server:
        _, headers, _ = asked(server, path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", "", "169.254.1.1"])
def test_a_foreign_name_for_this_machine_is_refused(host: str) -> None:
    with shown(Told(a_look())) as server:
        assert asked(server, "/", Host=host)[0] in (400, 403)
        assert asked(server, "/", Host="localhost:9999")[0] == 200, "as it comes through a tunnel"


def commanded(server: PageServer, body: bytes = b'{"ask": "pause"}', **headers: str) -> int:
    return asked(server, "/command", method="POST", body=body, **headers)[0]


def test_without_control_no_command_is_taken(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, shown(run.plan.state_dir) as server:
        assert commanded(server, Authorization="Bearer ") == 403
        assert commanded(server, Authorization="Bearer None") == 403


def test_a_command_wants_the_token_and_its_own_origin(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, shown(run.plan.state_dir, control=True) as server:
        page, _, token = server.url.partition("#token=")
        right = f"Bearer {token}"
        assert commanded(server) == 401
        assert commanded(server, Authorization="Bearer wrong") == 401
        assert commanded(server, Authorization=right, Origin="http://evil.example") == 403
        assert commanded(server, Authorization=right, Origin="null") == 403
        assert commanded(server, b'{"ask": "hello"}', Authorization=right) == 400
        assert commanded(server, b"[" * 100_000, Authorization=right) == 400
        assert run.figures()["phase"] != "paused"
        assert commanded(server, Authorization=right, Origin=page.rstrip("/")) == 200
        assert run.figures()["phase"] == "paused"


def test_files_outside_of_the_page_are_not_given() -> None:
    with shown(Told(a_look())) as server:
        for path in ("/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py"):
            assert asked(server, path)[0] == 404


def test_a_command_to_a_run_that_has_ended_is_told_so(tmp_path: Path) -> None:
    lake(tmp_path, rows=100).run(until="end")
    with shown(tmp_path / "state", control=True) as server:
        token = server.url.partition("#token=")[2]
        status, _, body = asked(
            server, "/command", method="POST", body=b'{"ask": "drain"}', Authorization=f"Bearer {token}"
        )
    assert status == 409
    assert "no run can be asked" in json.loads(body)["error"]


def test_a_port_that_is_taken_is_refused() -> None:
    with shown(Told(a_look())) as server, pytest.raises(EnvironmentRefused) as refused:
        PageServer(Told(a_look()), urlsplit(server.url).port or 0, control=False)  # type: ignore[arg-type]
    assert refused.value.code == "ui.port"


def test_what_is_vendored_is_what_its_page_says() -> None:
    import hashlib

    from afterbay.web.app import PAGE

    told = (PAGE / "vendor" / "README.md").read_text()
    files = [path for path in (PAGE / "vendor").iterdir() if path.suffix == ".js"]
    assert files
    for path in files:
        assert f"| {path.name} |" in told
        assert hashlib.sha256(path.read_bytes()).hexdigest() in told
        assert (PAGE / "vendor" / f"{path.name.partition('.')[0]}.LICENSE").exists()
