from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.positions import StoredPosition
from afterbay.schema import Column, RowPosition, TableName, TableSchema
from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.numbering import first_number, index_content, next_number, read_index
from afterbay_nodes.storage.path_state import FilePlace, PathState, PathStates, path_key
from afterbay_nodes.storage.schema_file import SchemaFile, SchemaWrite
from afterbay_nodes.storage.versions import publish
from tests.support.memory_store import MemoryStore
from tests.support.stores import LeapingClock

LAYOUT = Layout(file_index_digit=6)
FOLDER = "shop/orders/445/2024-05-17"
FIRST = LAST = RowPosition(450, 0)


def orders(version: int = 445, part: int | None = None) -> TableSchema:
    return TableSchema(TableName("shop", "orders"), version, (Column("id", "int"),), partition_id=part)


def file(number: int, folder: str = FOLDER) -> str:
    return f"{folder}/CDC{number:06d}.csv"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def first_after(store: MemoryStore, given: int | None) -> int:
    return first_number(store, LAYOUT, FOLDER, "CDC", "csv", given)[0]


def known(number: int | None) -> Callable[[str], int | None]:
    """What the state says of every directory."""
    return lambda directory: number


# --- numbers


def test_a_new_directory_starts_at_one(store: MemoryStore) -> None:
    assert [first_after(store, given) for given in (0, None)] == [1, 1]


def test_a_directory_met_again_goes_on_after_what_the_state_gave_out(store: MemoryStore) -> None:
    store.objects[f"{FOLDER}/meta/CDC.index"] = b"CDC000007.csv\n"

    assert [first_after(store, given) for given in (7, 9)] == [8, 10]


@pytest.mark.parametrize("given", [0, 6])
def test_an_index_beyond_what_the_state_gave_out_is_refused(store: MemoryStore, given: int) -> None:
    store.objects[f"{FOLDER}/meta/CDC.index"] = b"CDC000007.csv\n"

    with pytest.raises(RunFailed, match=rf"state_older.*CDC000007\.csv.* no number above {given} .*I6"):
        first_after(store, given)


def test_a_file_beyond_what_the_state_gave_out_is_refused(store: MemoryStore) -> None:
    store.objects[f"{FOLDER}/meta/CDC.index"] = b"CDC000007.csv\n"
    store.objects[file(8)] = b"theirs"

    with pytest.raises(RunFailed, match=rf"state_older.*'{file(8)}' exists"):
        first_after(store, 7)
    with pytest.raises(RunFailed, match=rf"state_older.*'{file(8)}' exists"):
        next_number(store, LAYOUT, FOLDER, "CDC", "csv", 7)


def test_what_the_state_does_not_know_of_an_adopted_root_goes_on_after_its_index(store: MemoryStore) -> None:
    store.objects[f"{FOLDER}/meta/CDC.index"] = b"CDC000007.csv\n"
    store.objects[file(8)] = b"crashed before its index"

    assert first_after(store, None) == 9
    assert store.count("see") == 1


def test_a_number_of_this_run_is_followed_without_reading_the_index(store: MemoryStore) -> None:
    assert next_number(store, LAYOUT, FOLDER, "CDC", "csv", 7) == 8
    assert store.asked == [("head", file(8))]


def test_many_taken_numbers_of_an_adopted_root_cost_one_listing_and_a_gap_is_filled(store: MemoryStore) -> None:
    for number in [*range(1, 500), *range(501, 600)]:
        store.objects[file(number)] = b""
    store.objects[f"{FOLDER}/CDC000500.json"] = b"another kind of file"

    assert first_after(store, None) == 500
    assert (store.count("list"), store.count("head")) == (1, 1)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"CDC000007.json\n", b"CDC7.csv\n", b"CDC000007.csv\n\n", b"\xff\xfe", b"../CDC000007.csv\n"],
)
def test_an_index_that_names_no_file_is_an_error_that_names_the_index(store: MemoryStore, content: bytes) -> None:
    store.objects[f"{FOLDER}/meta/CDC.index"] = content

    with pytest.raises(RunFailed, match=f"the index '{FOLDER}/meta/CDC.index' .* names no file"):
        first_after(store, 7)


def test_an_index_is_read_as_it_is_written(store: MemoryStore) -> None:
    name = LAYOUT.file_name("CDC", 12_345_678, "csv")
    store.objects[f"{FOLDER}/meta/CDC.index"] = index_content(name)

    assert read_index(store, LAYOUT, FOLDER, "CDC", "csv")[0] == 12_345_678


# --- directories and dates


def resolved(store: MemoryStore, stored: StoredPosition | None = None, layout: Layout = LAYOUT) -> PathState:
    state = PathState()
    assert state.resolve(store, layout, orders(), first=FIRST, last=LAST, stored=stored, stem="CDC")
    return state


def take(store: MemoryStore, state: PathState, today: str, given: int | None = 0) -> FilePlace:
    """Takes a name and stores file and index under it, as a flush does."""
    place = state.next_file(store, LAYOUT, orders(), "CDC", "csv", today, known(given))
    store.put_if_absent(place.key, [b"x"], 1)
    store.objects[place.index_key] = place.index_content
    return place


def test_files_are_numbered_within_their_day(store: MemoryStore) -> None:
    state = resolved(store)

    places = [take(store, state, day) for day in ("2024-05-17", "2024-05-17", "2024-05-18")]

    assert [place.key for place in places] == [file(1), file(2), file(1, "shop/orders/445/2024-05-18")]
    assert places[1].index_key == f"{FOLDER}/meta/CDC.index"
    assert places[1].index_content == b"CDC000002.csv\n"


def test_a_date_never_goes_back_whatever_the_clock_does(store: MemoryStore) -> None:
    state = resolved(store)
    take(store, state, "2024-05-18")

    assert take(store, state, "2024-05-17").directory == "shop/orders/445/2024-05-18"


@pytest.mark.parametrize("positioned", [True, False])
def test_a_date_does_not_go_back_over_a_restart_with_or_without_a_position(
    store: MemoryStore, positioned: bool
) -> None:
    before = take(store, resolved(store), "2024-05-18")
    stored = StoredPosition(LAST, before.directory, before.number) if positioned else None

    after = take(store, resolved(store, stored), "2024-05-17", before.number)

    assert (after.directory, after.number) == (before.directory, 2)


def test_a_position_of_another_version_says_nothing_of_this_one(store: MemoryStore) -> None:
    stored = StoredPosition(LAST, "shop/orders/400/2024-05-18", 9)

    assert take(store, resolved(store, stored), "2024-05-17").key == file(1)


def test_the_state_is_ahead_of_an_index_that_was_not_written(store: MemoryStore) -> None:
    store.objects[file(3)] = b"x"

    assert take(store, resolved(store, StoredPosition(LAST, FOLDER, 3)), "2024-05-17", 3).number == 4


def test_without_dates_one_directory_serves_for_ever(store: MemoryStore) -> None:
    layout = Layout(date_separator=DateSeparator.NONE, file_index_digit=6)
    state = resolved(store, StoredPosition(LAST, "shop/orders/445", 4), layout)

    place = state.next_file(store, layout, orders(), "CDC", "csv", "", known(4))

    assert place.key == "shop/orders/445/CDC000005.csv"


def test_stale_rows_leave_the_state_unresolved(store: MemoryStore) -> None:
    newer = PathState()
    newer.resolve(store, LAYOUT, orders(500), first=FIRST, last=LAST, stored=None, stem="CDC")
    state = PathState()

    assert not state.resolve(store, LAYOUT, orders(), first=FIRST, last=LAST, stored=StoredPosition(LAST), stem="CDC")
    assert state.version is None


def test_a_resolved_state_asks_the_store_nothing(store: MemoryStore) -> None:
    state = resolved(store)
    store.asked.clear()

    assert state.resolve(store, LAYOUT, orders(), first=FIRST, last=LAST, stored=None, stem="CDC")
    assert store.asked == []


# --- how long states live

KEY = path_key(LAYOUT, orders(), "CDC")


def test_a_state_lives_while_it_is_used_and_for_a_while_after() -> None:
    clock = LeapingClock()
    states = PathStates(clock, ttl=60)
    state = states.pin(KEY)
    states.unpin(KEY)

    clock.pass_by(59)
    assert states.pin(KEY) is state
    states.unpin(KEY)
    clock.pass_by(60)
    states.expire()

    assert len(states) == 0
    assert states.pin(KEY) is not state


def test_a_state_with_something_pending_is_never_dropped() -> None:
    clock = LeapingClock()
    states = PathStates(clock, ttl=60, limit=2)
    state = states.pin(KEY)
    states.pin(KEY)
    states.unpin(KEY)  # one of two

    clock.pass_by(1000)
    for version in range(10):
        key = path_key(LAYOUT, orders(version), "CDC")
        states.pin(key)
        states.unpin(key)

    assert states.pin(KEY) is state


def test_idle_states_are_bounded_and_the_least_used_goes_first() -> None:
    states = PathStates(LeapingClock(), limit=3)
    kept = {}
    for version in (1, 2, 3, 1, 4):
        key = path_key(LAYOUT, orders(version), "CDC")
        kept[version] = states.pin(key)
        states.unpin(key)

    assert len(states) == 3
    assert states.pin(path_key(LAYOUT, orders(1), "CDC")) is kept[1]
    assert states.pin(path_key(LAYOUT, orders(2), "CDC")) is not kept[2]


def test_a_state_that_is_dropped_while_somebody_reaches_for_it_is_made_anew() -> None:
    """Between the look-up and the lock of the state there is room for a drop; what was dropped is not given out."""
    clock = LeapingClock()
    states = PathStates(clock, ttl=60)
    dropped = states.pin(KEY)
    states.unpin(KEY)
    held = states._states[KEY]

    class Late:
        def __enter__(self) -> None:
            held.lock = real
            clock.pass_by(60)
            states.expire()
            real.acquire()

        def __exit__(self, *_: object) -> None:
            real.release()

    real, held.lock = held.lock, Late()  # type: ignore[assignment]
    mine = states.pin(KEY)

    assert mine is not dropped
    assert states.pin(KEY) is mine
    assert len(states) == 1


def test_a_state_that_is_used_often_waits_in_one_place() -> None:
    states = PathStates(LeapingClock(), ttl=60)
    for _ in range(1000):
        states.pin(KEY)
        states.unpin(KEY)

    assert len(states._idle) == 1


def test_nothing_is_looked_through_before_it_is_due() -> None:
    """Pinning and unpinning cost the same however many states are idle."""
    clock = LeapingClock()
    states = PathStates(clock, ttl=60)
    looks: list[float] = []
    expire = states._expire
    states._expire = lambda now: (looks.append(now), expire(now))[1]  # type: ignore[method-assign]
    for second in range(60):
        for version in range(20):
            key = path_key(LAYOUT, orders(version + 20 * second), "CDC")
            states.pin(key)
            states.unpin(key)
        clock.pass_by(1)

    assert len(looks) == 4


steps = st.lists(
    st.tuples(
        st.sampled_from(["flush", "pass", "back"]),
        st.sampled_from([1, 2, 3]),
        st.sampled_from([None, 7, 8]),
        st.integers(1, 90),
    ),
    max_size=40,
)


@given(steps)
def test_churn_of_tables_versions_and_clocks_never_reuses_a_number_nor_resets_an_index(
    history: list[tuple[str, int, int | None, int]],
) -> None:
    store, clock = MemoryStore(), LeapingClock()
    for version in (100, 200, 300):  # as the DDLs between them have left them
        schema_file = SchemaFile.of(orders(version), version)
        key_of_it = LAYOUT.schema_file("shop/orders", version, schema_file.checksum)
        publish(store, SchemaWrite(key_of_it, schema_file.to_bytes()))
    states = PathStates(clock, ttl=60, limit=2)
    day = 10
    given_out: list[str] = []
    newest: dict[str, str] = {}
    last_of: dict[str, int] = {}
    for what, version, part, amount in history:
        if what == "pass":
            clock.pass_by(amount)
            day += amount // 45
        elif what == "back":
            day -= 1
        else:
            schema = orders(version * 100, part)
            key = path_key(LAYOUT, schema, "CDC")
            state = states.pin(key)
            state.resolve(store, LAYOUT, schema, first=FIRST, last=LAST, stored=None, stem="CDC")
            today = f"2024-05-{max(day, 1):02}"
            place = state.next_file(store, LAYOUT, schema, "CDC", "csv", today, lambda at: last_of.get(at, 0))
            last_of[place.directory] = place.number
            store.put_if_absent(place.key, [b"x"], 1)  # raises if it was given out before
            store.objects[place.index_key] = place.index_content
            states.unpin(key)
            assert place.directory >= newest.get(key[0], "")
            newest[key[0]] = place.directory
            given_out.append(place.key)
    for folder in {key.rpartition("/")[0] for key in given_out}:
        numbers = sorted(int(key[-10:-4]) for key in given_out if key.rpartition("/")[0] == folder)
        assert numbers == list(range(1, len(numbers) + 1))
        assert store.objects[f"{folder}/meta/CDC.index"] == index_content(LAYOUT.file_name("CDC", numbers[-1], "csv"))


def test_sixteen_threads_that_need_a_state_at_once_get_the_same_one() -> None:
    clock = LeapingClock()
    states = PathStates(clock, ttl=60, limit=4)
    keys = [path_key(LAYOUT, orders(version), "CDC") for version in range(8)]
    all_hold, all_looked = threading.Barrier(16), threading.Barrier(16)

    def use(worker: int) -> list[list[int]]:
        rounds = []
        for turn in range(20):
            mine = keys[(worker + turn) % 8 :] + keys[: (worker + turn) % 8]
            held = {key: states.pin(key) for key in mine}
            all_hold.wait()
            rounds.append([id(held[key]) for key in keys])
            all_looked.wait()
            for key in mine:
                states.unpin(key)
        return rounds

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(use, range(16)))

    assert all(rounds == found[0] for rounds in found)
    assert len(states) == 4
