from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afterbay_nodes.storage.names import LONGEST_NAME, RESERVED, escape, unescape
from afterbay_nodes.storage.store import levels

names = st.one_of(
    st.text(st.characters(), max_size=30),
    st.text(st.characters(categories=["Cs", "Cc", "Ll"]), max_size=8),
    st.text("%/\\.~_2Fm\x00", max_size=8),
    st.sampled_from(["meta", "metadata", "..", ".", "", "%_", "%6Deta", "%", "%%", "2024-05-17", "445"]),
    st.text("é%a/", min_size=60, max_size=300),
)


@given(names, names)
@example("a/b", "a%2Fb")
@example("meta", "%6Deta")
@example("", "%_")
@example("\ud83d\ude00", "😀")
def test_different_names_have_different_levels(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(names)
def test_a_level_stays_in_its_directory_and_collides_with_nothing_of_the_protocol(name: str) -> None:
    level = escape(name)

    assert levels(level) == [level]
    assert not level.startswith(".")
    assert not level.endswith((".", " "))
    assert level not in RESERVED
    assert not re.search(r"[/\\\x00-\x1f\x7f-\x9f]", level)
    assert len(level.encode()) <= LONGEST_NAME


@given(names)
def test_a_level_says_its_name_unless_it_was_cut(name: str) -> None:
    level = escape(name)

    assert unescape(level) == (None if "%~" in level else name)


@given(
    st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="%/\\.\u2028\u2029"), min_size=1, max_size=60
    )
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert name in RESERVED or name.endswith(" ") or escape(name) == name or len(name.encode()) > LONGEST_NAME


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("orders", "orders"),
        ("order lines", "order lines"),
        ("a.b", "a.b"),
        ("..", "%2E%2E"),
        ("t.", "t%2E"),
        ("t ", "t%20"),
        (" t", " t"),
        ("t. .", "t. %2E"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("100%", "100%25"),
        ("meta", "%6Deta"),
        ("metadata", "%6Detadata"),
        ("Meta", "Meta"),
        ("", "%_"),
        ("tab\there", "tab%09here"),
        ("\x85", "%C2%85"),
    ],
)
def test_levels_of_known_names(name: str, level: str) -> None:
    assert escape(name) == level


def test_a_long_name_is_cut_between_characters_and_marked_by_its_digest() -> None:
    level = escape("é" * 200)

    assert level.startswith("é" * 80 + "%~")
    assert len(level) == 80 + 2 + 32
    assert escape("é" * 201) != level


@pytest.mark.parametrize("level", ["a%2fb", "%", "%zz", "a%C3", "%41", "..", "meta"])
def test_a_level_that_no_name_has_says_none(level: str) -> None:
    assert unescape(level) is None
