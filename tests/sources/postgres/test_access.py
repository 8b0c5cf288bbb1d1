"""How the server is reached: passwords out of files, and TLS that is checked; secrets are told to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from afterbay_nodes.sources.postgres import wire
from tests.support.cli import Finished, afterbay
from tests.support.copied import Copied, copied
from tests.support.failed_run import failure
from tests.support.postgres_server import PostgresServer
from tests.support.tls_front import certificate, tls_front

SECRET = "s3cret of the file"


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), snapshot="initial", retry_for="1s") as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        found.db.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 3000) i")
        yield found


@pytest.fixture
def asked(copy: Copied, logical_postgres: PostgresServer) -> Iterator[Copied]:
    """Of the pipeline's role the server wants a password."""
    copy.db.execute("DROP ROLE IF EXISTS careful")
    copy.db.execute(f"CREATE ROLE careful LOGIN REPLICATION PASSWORD '{SECRET}'")
    copy.db.execute("GRANT SELECT ON t TO careful")
    copy.db.execute(f"CREATE PUBLICATION {copy.slot} FOR TABLE t")
    with logical_postgres.password_of("careful"):
        copy.file.write_text(copy.file.read_text().replace("postgresql://afterbay@", "postgresql://careful@"))
        yield copy
    copy.db.execute("DROP OWNED BY careful")
    copy.db.execute("DROP ROLE careful")


def run(copy: Copied, **env: str) -> Finished:
    done = afterbay("run", copy.file, "--until", "caught-up", "--json", cwd=copy.folder, **env)
    assert SECRET not in done.out + done.err
    return done


def test_a_password_out_of_a_file(asked: Copied) -> None:
    lines = asked.folder / "passwords"
    lines.write_text(f"*:*:*:careful:{SECRET}\n")
    lines.chmod(0o600)
    none = run(asked)
    assert (none.exit_code, none.data["error"]) == (3, "postgres.refused")
    done = run(asked, PGPASSFILE=str(lines))
    assert (done.exit_code, done.data["rows_in"]) == (0, 3000), done.err
    asked.db.execute("INSERT INTO t VALUES (0, 0)")
    # The same, named in the file of the pipeline.
    asked.file.write_text(asked.file.read_text().replace("?host=", f"?passfile={lines}&host="))
    done = run(asked)
    assert (done.exit_code, done.data["rows_in"]) == (0, 1), done.err
    lines.write_text("*:*:*:careful:another\n")
    wrong = run(asked)
    assert (wrong.exit_code, wrong.data["error"]) == (3, "postgres.refused")
    assert "another" not in wrong.out + wrong.err
    asked.is_equal()


def test_a_certificate_is_checked(copy: Copied, logical_postgres: PostgresServer) -> None:
    """By libpq, against a root: the stream and the snapshot come encrypted."""
    ours, others = certificate(copy.folder, "ours"), certificate(copy.folder, "others")
    plain = copy.file.read_text()
    socket = logical_postgres.socket

    def reach(host: str, port: int, root: Path) -> str:
        uri = f"postgresql://afterbay@{host}:{port}/{copy.db.info.dbname}?sslmode=verify-full&sslrootcert={root}"
        copy.file.write_text(plain.replace(copy.uri, uri + "&gssencmode=disable"))
        return uri

    with tls_front(socket, ours) as port:
        with psycopg.connect(reach("127.0.0.1", port, ours) + "&gssencmode=disable") as db:
            assert db.pgconn.ssl_in_use
            assert wire.encrypted(db.pgconn)
        assert copy.catches_up().rows_in == 3000
        copy.db.execute("INSERT INTO t SELECT -i, i FROM generate_series(1, 3000) i")
        assert copy.catches_up().rows_in == 3000
        copy.is_equal()
        reach("127.0.0.1", port, others)
        error = failure(copy.catches_up)
        assert error.code == "postgres.refused"
        assert "certificate verify failed" in str(error)
        # A name that the certificate is not for.
        reach("localhost", port, ours)
        error = failure(copy.catches_up)
        assert error.code == "postgres.refused"
        assert "does not match host name" in str(error)
        reach("127.0.0.1", port, copy.folder / "absent.pem")
        assert failure(copy.catches_up).code == "postgres.refused"
