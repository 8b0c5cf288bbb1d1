"""A file system that takes `T` and `t`, or the two Unicode forms of `é`, for one name: told before two tables mix."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.storage.store import ObjectStore
from tests.support.stores import Bench


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def folding(call: Callable[..., Any]) -> Callable[..., Any]:
    """A system call on a name in an open folder, as a folding file system answers it: the name that is there is met."""

    def there(path: str, *more: Any, dir_fd: int | None = None, **named: Any) -> Any:
        if dir_fd is not None and "/" not in path:
            path = next((name for name in os.listdir(dir_fd) if folded(name) == folded(path)), path)  # noqa: PTH208
        return call(path, *more, dir_fd=dir_fd, **named)

    return there


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    for name in ("open", "mkdir", "stat", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, folding(getattr(os, name)))
    opened = Bench(str(tmp_path / "lake")).open()
    opened.check()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("one", "other"),
    [("shop/T/5", "shop/t/5"), ("Shop/t/5", "shop/t/5"), ("shop/\u00e9/5", "shop/e\u0301/5"), ("a/Meta/5", "a/meta")],
)
def test_a_second_table_in_the_folder_of_another_is_refused_by_both_names(
    store: ObjectStore, tmp_path: Path, one: str, other: str
) -> None:
    store.put_if_absent(f"{one}/x", [b"one"], 3)

    with pytest.raises(RunFailed, match="does not tell names apart") as caught:
        store.put_if_absent(f"{other}/y", [b"other"], 5)

    mine, theirs = next((a, b) for a, b in zip(one.split("/"), other.split("/"), strict=False) if a != b)
    assert mine in str(caught.value)
    assert theirs in str(caught.value)
    assert [path.name for path in (tmp_path / "lake").rglob("*") if path.is_file()] == ["x"]


def test_the_same_table_is_met_again_also_after_a_restart(store: ObjectStore, tmp_path: Path) -> None:
    store.put_if_absent("shop/T/5/x", [b"1"], 1)
    store.put_if_absent("shop/T/5/y", [b"2"], 1)
    again = Bench(str(tmp_path / "lake")).open()
    again.check()

    again.put_if_absent("shop/T/5/z", [b"3"], 1)
    with pytest.raises(RunFailed, match="does not tell names apart"):
        again.put_if_absent("shop/t/5/z", [b"4"], 1)
    again.close()

    assert sorted(path.name for path in (tmp_path / "lake").rglob("*")) == ["5", "T", "shop", "x", "y", "z"]


def test_where_names_are_told_apart_two_tables_have_two_folders(tmp_path: Path) -> None:
    plain = Bench(str(tmp_path / "lake")).open()
    plain.check()
    for name in ("T", "t", "\u00e9", "e\u0301"):
        plain.put_if_absent(f"shop/{name}/x", [b"1"], 1)
    plain.close()

    assert {path.name for path in (tmp_path / "lake/shop").iterdir()} == {"T", "t", "\u00e9", "e\u0301"}
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["shop"]
