"""A store gives back what was put into it, or nothing."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflowd.shell.result_store import BLOCK_BYTES, LEFT_AFTER_S, ResultStore

ONE, TWO, THREE = ("a" * 32, "b" * 32, "ab" * 16)
BUDGET = 64 * BLOCK_BYTES


def put(store: ResultStore, digest: str, *values: bytes) -> bool:
    header = {"texts": ["é\udc80"], "sizes": [len(value) for value in values]}
    return store.put(digest, header, [(value[:3], value[3:]) for value in values])


def got(store: ResultStore, digest: str) -> tuple[bytes, ...] | None:
    entry = store.get(digest)
    return None if entry is None else entry.values


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "state" / "results", BUDGET)


def test_what_was_put_in_comes_out(store: ResultStore, tmp_path: Path) -> None:
    assert got(store, ONE) is store.size_of(ONE) is None
    assert put(store, ONE, b"[1]", b"", b'"\xc3\xa9"')
    entry = ResultStore(tmp_path / "state" / "results", BUDGET).get(ONE)
    assert entry is not None
    assert entry.values == (b"[1]", b"", b'"\xc3\xa9"')
    assert entry.header["texts"] == ["é\udc80"]
    assert store.size_of(ONE) == files(tmp_path)[0].stat().st_size


def test_it_is_for_its_user_only(store: ResultStore, tmp_path: Path) -> None:
    put(store, ONE, b"1")
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in folders if path.name != "state"} == {0o700}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_happens_to_a_file_it_is_the_result_or_none_and_then_removed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = ResultStore(folder, BUDGET)
    put(store, ONE, b"[1, 2, 3]", b"4")
    [path] = files(folder)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    assert got(store, ONE) is None
    assert not path.exists()


def test_a_file_in_the_place_of_another_is_not_taken_for_it(store: ResultStore, tmp_path: Path) -> None:
    put(store, ONE, b"1")
    put(store, TWO, b"2")
    one, two = (tmp_path / "state" / "results" / digest[:2] / digest[2:] for digest in (ONE, TWO))
    one.replace(two)
    assert got(store, TWO) is None


def test_the_least_recently_used_go_when_the_budget_is_full(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, BUDGET)
    value = b"x" * (BUDGET // 4)
    for age, digest in enumerate((ONE, TWO, THREE)):
        put(store, digest, value)
        long_ago = 1_000 + age
        os.utime(tmp_path / digest[:2] / digest[2:], (long_ago, long_ago))
    assert got(store, ONE) == (value,)  # it is used now
    put(store, "c" * 32, value)
    assert (got(store, TWO), got(store, ONE), got(store, THREE)) == (None, (value,), (value,))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= BUDGET


def test_a_budget_is_kept_that_many_small_files_fill(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, BUDGET)
    for number in range(3 * BUDGET // BLOCK_BYTES):
        put(store, f"{number:032x}", b"1")
        store.put_last(str(number), (("code", "x"),))
    assert len(files(tmp_path)) * BLOCK_BYTES <= BUDGET * 17 / 16


def test_what_others_have_written_counts(tmp_path: Path) -> None:
    value = b"x" * (BUDGET // 2)
    assert put(ResultStore(tmp_path, BUDGET), ONE, value)
    assert put(ResultStore(tmp_path, BUDGET), TWO, value)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= BUDGET


def test_what_is_larger_than_all_may_be_is_not_kept_and_leaves_nothing(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, BUDGET)
    assert not put(store, ONE, b"x" * BUDGET)
    assert not put(ResultStore(tmp_path, 0), ONE, b"1")
    assert files(tmp_path) == []


def test_a_value_that_cannot_be_read_leaves_nothing(store: ResultStore, tmp_path: Path) -> None:
    def torn() -> Iterable[bytes]:
        yield b"1"
        raise OSError("gone")

    assert not store.put(ONE, {"sizes": [2]}, [torn()])
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = ResultStore(tmp_path / "file" / "results", BUDGET)
    assert not put(store, ONE, b"1")
    assert got(store, ONE) is store.last("n") is None
    store.put_last("n", (("code", "x"),))


def test_drafts_that_a_crash_has_left_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, BUDGET)
    put(store, ONE, b"1")
    old, new = tmp_path / "aa" / "draft-1-1", tmp_path / "aa" / "draft-2-1"
    for draft in (old, new):
        draft.touch()
    long_ago = new.stat().st_mtime - LEFT_AFTER_S - 1
    os.utime(old, (long_ago, long_ago))
    put(ResultStore(tmp_path, BUDGET), TWO, b"2")
    assert (old.exists(), new.exists()) == (False, True)


def test_the_newest_key_of_a_node_is_remembered(store: ResultStore, tmp_path: Path) -> None:
    parts = (("code", "1"), ('input "x"', "2"))
    assert store.last("g\0n") is None
    store.put_last("g\0n", (("code", "0"),))
    store.put_last("g\0n", parts)
    store.put_last("g\0m", ())
    assert ResultStore(tmp_path / "state" / "results", BUDGET).last("g\0n") == parts
    for path in (tmp_path / "state" / "results" / "last").iterdir():
        path.write_text("[1]")
    assert store.last("g\0n") is None


def test_many_who_write_read_and_make_room_at_once_never_see_half_a_result(tmp_path: Path) -> None:
    """Stores of their own, as of several daemons, on one folder that is always too full."""
    value = {digest: digest.encode() * 800 for digest in (ONE, TWO, THREE)}
    wrong: list[object] = []

    def work() -> None:
        store = ResultStore(tmp_path, 12 * BLOCK_BYTES)
        for _ in range(60):
            for digest in (ONE, TWO, THREE):
                put(store, digest, value[digest])
                found = got(store, digest)
                if found not in (None, (value[digest],)):
                    wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
