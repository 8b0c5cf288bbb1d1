"""The change log's files: their order, compression, ends, and how they are followed as they grow."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.node import Until
from afterbay.positions import ResumePoint
from afterbay_nodes.sources import log_files, log_player, log_reader
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.zstd_module import zstd_module
from tests.support.canal import row, watermark, write
from tests.support.change_logs import behind, one, play, stamps
from tests.support.outlet import RecordingOutlet, record


def test_files_are_read_in_name_order_whatever_their_compression(tmp_path: Path) -> None:
    lines = [one(10 + n, n) + b"\n" for n in range(3)]
    (tmp_path / "log.2").write_bytes(gzip.compress(lines[1][:40]) + gzip.compress(lines[1][40:]))
    (tmp_path / "log.3").write_bytes(lines[2])
    (tmp_path / "log.1").write_bytes(lines[0])
    outlet = record(ChangeLog(path=str(tmp_path / "log.*")))
    assert stamps(outlet) == [(10, 0), (11, 0), (12, 0)]
    assert outlet.promises[-1].cursor["file"] == str(tmp_path / "log.3")


def test_a_log_compressed_since_is_resumed_at_the_same_place(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), one(11, 2))
    point = ResumePoint(10, log_reader.Mark(str(log), *behind(log, 2)).to_cursor())
    log.write_bytes(gzip.compress(log.read_bytes()))
    schemas = play(log).schemas
    assert stamps(record(ChangeLog(path=str(log)), resume=point, schemas=schemas)) == [(11, 0)]


@pytest.mark.usefixtures("every_watermark")
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_nothing_of_a_damaged_compressed_file_is_sent(tmp_path: Path, kind: str) -> None:
    """The damage is in a value, near the end: only the checksum behind it can tell (I7)."""
    log = tmp_path / "log"
    text = b"".join(row("t", ts, {"id": "1", "v": f"v{ts}"}) + b"\n" + watermark(ts) + b"\n" for ts in range(10, 60))
    packed = bytearray(gzip.compress(text, 0) if kind == "gzip" else stored_zstd(text))
    packed[packed.index(b'"v50"') + 1] = ord("w")
    log.write_bytes(packed)
    outlet = RecordingOutlet()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.outlet.RecordingOutlet", lambda *_: outlet)
        with pytest.raises(RunFailed, match=r"log \[change_log\.damaged\]") as caught:
            play(log)
    assert outlet.sent == []
    assert "nothing of it was read" in (caught.value.diagnostics[0].hint or "")


def stored_zstd(text: bytes) -> bytes:
    """A zstd frame of raw blocks with a checksum: its bytes are those of the text."""
    size = 1 << 16
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    headers = [(len(block) << 3 | (at == len(blocks) - 1)).to_bytes(3, "little") for at, block in enumerate(blocks)]
    body = b"".join(header + block for header, block in zip(headers, blocks, strict=True))
    # Magic number, descriptor (checksum, no content size), window of 128 KiB; the low 4 bytes of xxh64 of the text.
    return b"\x28\xb5\x2f\xfd" + b"\x04" + b"\x38" + body + zstd_checksum(text)


def zstd_checksum(text: bytes) -> bytes:
    """As the library writes it at the end of a frame."""
    module = zstd_module()
    return bytes(module.compress(text, options={module.CompressionParameter.checksum_flag: 1})[-4:])


def test_compressed_data_on_stdin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(one(10, 1) + b"\n"))
    with log.open("rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(EnvironmentRefused, match=r"change_log\.compressed"):
            record(ChangeLog(path="-"))


def test_a_compressed_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(os.urandom(1000).hex().encode() + b"\n")[:-20])
    with pytest.raises(RunFailed, match=r"log\.gz.*change_log\.damaged"):
        play(log, on_bad_line="reject", rejects=str(tmp_path / "rejects"))


def test_a_line_that_is_cut_off_is_refused_and_one_without_a_line_feed_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(one(10, 1) + b"\n" + one(11, 2))
    assert stamps(play(log)) == [(10, 0), (11, 0)]
    log.write_bytes(one(10, 1) + b"\n" + one(11, 2)[:-3])
    with pytest.raises(RunFailed, match=r"log:2 \[change_log\.line\]"):
        play(log)


def test_no_file_is_an_error_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused, match=r"change_log\.missing"):
        play(tmp_path / "none*")


def test_stdin_that_pauses_has_its_whole_transactions_sent_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\n".join([one(10, 1), one(11, 2), watermark(11), b""]))
    with os.fdopen(reading, "rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)

        class Closing(RecordingOutlet):
            """The writer goes on once it sees the promise: it would wait for ever if that came later."""

            def promise(self, commit_ts: int, cursor: object) -> None:
                super().promise(commit_ts, cursor)  # type: ignore[arg-type]
                if commit_ts == 11:
                    os.write(writing, one(12, 3) + b"\n")
                    os.close(writing)

        monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Closing)
        outlet = record(ChangeLog(path="-"))
    assert [point.commit_ts for point in outlet.promises] == [11, 12]
    assert stamps(outlet) == [(10, 0), (11, 0), (12, 0)]


def test_stdin_goes_on_by_commit_ts_and_numbers_its_rows_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows above the checkpoint that a dead run had stored are known by their ordinals: these must be the same (I6)."""
    point = ResumePoint(10, log_reader.Mark("-", 4711, 9, b"of another stream", 18).to_cursor())
    again = write(tmp_path / "again", one(9, 1), one(10, 2), one(11, 3), one(11, 4), one(12, 5))
    schemas = play(again).schemas
    with again.open("rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        outlet = record(ChangeLog(path="-", on_repeat="error"), resume=point, schemas=schemas)
    assert stamps(outlet) == [(11, 0), (11, 1), (12, 0)]
    assert outlet.repeats == 2


def test_a_followed_log_goes_on_where_it_grows_and_into_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "log.1", one(10, 1), watermark(10))
    after: Iterator[bytes] = iter([one(11, 2) + b"\n" + watermark(11), b"\n", b"next"])

    class Growing(RecordingOutlet):
        """Each wait at the end of the log finds something more."""

        def wait(self, seconds: float) -> None:
            more = next(after)
            if more == b"next":
                write(tmp_path / "log.2", one(12, 3), watermark(12))
                self.stop_after = 3
                return
            with log.open("ab") as file:
                file.write(more)

    monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Growing)
    outlet = record(ChangeLog(path=str(tmp_path / "log.*")), until=Until.FOREVER)
    assert stamps(outlet) == [(10, 0), (11, 0), (12, 0)]
    assert [point.commit_ts for point in outlet.promises] == [10, 11, 12]


def follow(log: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> RecordingOutlet:
    """The log is followed; at the end of it this happens, and at the next end the run is stopped."""

    class Disturbed(RecordingOutlet):
        def wait(self, seconds: float) -> None:
            self.stop_after = 0 if self.waits else None
            super().wait(seconds)
            if self.stop_after is None:
                happens()

    monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Disturbed)
    return record(ChangeLog(path=str(log)), until=Until.FOREVER)


def test_a_file_that_is_cut_off_while_it_is_followed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10))
    with pytest.raises(
        RunFailed, match=r"log \[change_log\.changed\] the file was cut off while it was read"
    ) as caught:
        follow(log, monkeypatch, lambda: write(log, one(11, 2)))
    assert "no copytruncate" in (caught.value.diagnostics[0].hint or "")


@pytest.mark.parametrize("more", [(), (watermark(12),)], ids=["as long as before", "longer"])
def test_a_file_that_is_cut_off_and_filled_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[bytes, ...]
) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10))
    with pytest.raises(RunFailed, match=r"change_log\.changed.*filled again"):
        follow(log, monkeypatch, lambda: write(log, one(11, 2), watermark(11), *more))


def test_another_file_under_the_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10))

    def rotate() -> None:
        log.rename(tmp_path / "old")
        write(log, one(11, 2), watermark(11))

    with pytest.raises(RunFailed, match=r"log \[change_log\.changed\] another file"):
        follow(log, monkeypatch, rotate)
    with pytest.raises(AfterbayError, match=r"change_log\.missing"):
        follow(log, monkeypatch, log.unlink)


def test_a_file_that_is_overwritten_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_player, "SETTLE_BYTES", 1)
    monkeypatch.setattr(log_reader, "BLOCK", 4096)
    monkeypatch.setattr(log_files, "BLOCK", 4096)
    log = write(tmp_path / "log", *(line for ts in range(10, 99) for line in (one(ts, ts), watermark(ts))))
    size = log.stat().st_size

    class Overwriting(RecordingOutlet):
        def promise(self, commit_ts: int, cursor: object) -> None:
            super().promise(commit_ts, cursor)  # type: ignore[arg-type]
            log.write_bytes(b" " * size)

    monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Overwriting)
    with pytest.raises(RunFailed, match=r"change_log\.changed.*overwritten"):
        play(log)


def test_a_followed_compressed_file_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(one(10, 1) + b"\n"))

    def grow() -> None:
        with log.open("ab") as file:
            file.write(gzip.compress(one(11, 2) + b"\n"))

    with pytest.raises(RunFailed, match=r"log\.gz \[change_log\.changed\] a compressed file changed"):
        follow(log, monkeypatch, grow)
