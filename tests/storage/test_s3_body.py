from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from afterbay_nodes.storage.s3_body import PartsBody, cut

buffers = st.lists(st.binary(min_size=1, max_size=20), max_size=8)


def views(parts: list[bytes]) -> list[memoryview]:
    return [memoryview(part) for part in parts]


@given(buffers, st.lists(st.tuples(st.sampled_from(["read", "seek", "end"]), st.integers(0, 50)), max_size=12))
def test_parts_read_as_one_file(parts: list[bytes], steps: list[tuple[str, int]]) -> None:
    body, plain = PartsBody(views(parts), lambda: None), io.BytesIO(b"".join(parts))

    for step, amount in steps:
        if step == "read":
            assert body.read(amount) == plain.read(amount)
        elif step == "seek":
            body.seek(min(amount, len(plain.getvalue())))
            plain.seek(min(amount, len(plain.getvalue())))
        else:
            assert body.seek(0, io.SEEK_END) == plain.seek(0, io.SEEK_END)
        assert body.tell() == plain.tell()
    assert body.read() == plain.read()


@given(buffers, st.integers(1, 30))
def test_cut_groups_are_full_but_the_last_and_make_the_whole(parts: list[bytes], size: int) -> None:
    groups = cut(views(parts), size)

    joined = [b"".join(group) for group in groups]
    assert b"".join(joined) == b"".join(parts)
    assert all(len(group) == size for group in joined[:-1])
    assert all(0 < len(group) <= size for group in joined)
