"""A run can be asked what it does by a socket in its state directory; who asks badly harms nobody."""

from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.live.address import address
from afterbay.live.client import connection
from afterbay.live.listener import MOST_CONNECTIONS
from afterbay.live.protocol import MOST_QUESTION, SOCKET_FILE
from tests.support.live import asked, going_on, lake, until


def raw(directory: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.settimeout(10)
    with address(directory) as where:
        found.connect(where)
    return found


def test_a_run_answers_who_it_is_and_only_its_owner(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        assert ask.ask("hello")["pipeline"] == "orders"
        assert ask.ask("hello")["pid"] == os.getpid()
        assert stat.S_IMODE((run.plan.state_dir / SOCKET_FILE).stat().st_mode) == 0o600


def test_the_socket_is_gone_when_the_run_has_ended(tmp_path: Path) -> None:
    lake(tmp_path, rows=1000).run(until="end")
    assert not (tmp_path / "state" / SOCKET_FILE).exists()
    with pytest.raises(EnvironmentRefused) as refused, connection(tmp_path / "state"):
        pass
    assert refused.value.code == "live.absent"


def test_a_dead_runs_socket_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(tmp_path / "state" / SOCKET_FILE))
    dead.close()
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        assert ask.ask("hello")["pipeline"] == "orders"


def test_a_path_longer_than_a_sockets_name_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with going_on(lake(folder)) as run, asked(run) as ask:
        assert len(str(run.plan.state_dir / SOCKET_FILE)) > 120
        assert ask.ask("hello")["pipeline"] == "orders"
        assert (run.plan.state_dir / SOCKET_FILE).is_socket()


def test_a_run_without_a_socket_works_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "state" / SOCKET_FILE).mkdir(parents=True)  # neither can it be removed, nor bound
    report = lake(tmp_path, rows=1000).run(until="end")
    assert report.rows_stored == 1000


def test_what_is_no_question_is_told_so_and_the_next_is_answered(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, raw(run.plan.state_dir) as peer:
        answers = peer.makefile("rb")
        for question, code in (
            (b"nonsense", "ask.invalid"),
            (b"[" * 4000, "ask.invalid"),
            (b"[1]", "ask.invalid"),
            (b'{"afterbay": 2, "ask": "hello"}', "ask.version"),
            (b'{"afterbay": 1, "ask": "shutdown"}', "ask.unknown"),
            (b'{"afterbay": 1, "ask": "drain", "timeout": -1}', "ask.invalid"),
            (b'{"afterbay": 1, "ask": "tap", "node": "nobody"}', "tap.node"),
            (b'{"afterbay": 1, "ask": "tap", "node": "csv", "rows": 1000000}', "ask.invalid"),
        ):
            peer.sendall(question + b"\n")
            assert json.loads(answers.readline())["error"]["code"] == code, question
        peer.sendall(b'{"afterbay": 1, "ask": "hello"}\n' * 2)
        assert [json.loads(answers.readline())["answer"]["pipeline"] for _ in range(2)] == ["orders", "orders"]


def test_a_question_without_an_end_is_dropped(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, raw(run.plan.state_dir) as peer:
        try:
            peer.sendall(b"x" * (MOST_QUESTION * 4))
            assert peer.recv(1) == b""
        except ConnectionError:
            pass  # dropped while it was still talking


def test_who_does_not_take_an_answer_keeps_nobody_waiting(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, raw(run.plan.state_dir) as silent, asked(run) as ask:
        silent.setblocking(False)
        with suppress(BlockingIOError):
            while silent.send(b'{"afterbay": 1, "ask": "figures"}\n' * 50):
                pass
        assert ask.ask("hello")["pipeline"] == "orders"


def test_there_are_only_so_many_connections(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run:
        peers = [raw(run.plan.state_dir) for _ in range(MOST_CONNECTIONS)]
        for peer in peers:
            peer.sendall(b'{"afterbay": 1, "ask": "hello"}\n')
            assert peer.recv(10)
        with pytest.raises(EnvironmentRefused) as refused, connection(run.plan.state_dir) as one_more:
            one_more.ask("hello")
        assert refused.value.code == "live.lost"
        for peer in peers:
            peer.close()

        def answered() -> bool:
            try:
                with asked(run) as ask:
                    return ask.ask("hello")["pipeline"] == "orders"
            except EnvironmentRefused:
                return False

        assert until(answered, bool)


def test_the_askers_own_fault_is_told_to_it(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask, pytest.raises(PipelineInvalid) as refused:
        ask.ask("nothing")
    assert refused.value.code == "ask.unknown"
