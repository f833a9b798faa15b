"""Which environments exist, and what is known of them."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.locks import Lock, is_free, locked
from pyflowd.environments.store import INTERRUPTED, EnvironmentRecord, EnvironmentStore, Kind, Place, UnknownEnvironment
from pyflowd.graph.environment_specs import EnvironmentSpec

SPEC = EnvironmentSpec(requirements=("apple",))
FASTEST_OF = 200


@pytest.fixture
def store(tmp_path: Path) -> EnvironmentStore:
    """An empty one."""
    return EnvironmentStore(tmp_path / "root", sys.executable)


def begin(store: EnvironmentStore, place: Place) -> Path:
    """An environment without a record, as it is while somebody makes it."""
    folder = store.folder(place)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


def put(store: EnvironmentStore, place: Place, **known: object) -> EnvironmentRecord:
    """A complete one."""
    begin(store, place)
    record = EnvironmentRecord(
        kind=place.kind, id=place.id, python="", base="", version="3.11.0", manager="uv", **known
    )  # type: ignore[arg-type]
    with store.locked(place, Lock()):
        store.write(record)
    found = store.read(place)
    assert found is not None
    return found


def test_one_exists_as_soon_as_its_record_does(store: EnvironmentStore) -> None:
    place = store.place_of(SPEC)
    assert store.find(SPEC) is None
    folder = begin(store, place)
    assert store.find(SPEC) is None
    assert store.records() == []
    shutil.rmtree(folder)
    put(store, place)
    assert store.find(SPEC) == folder / "bin" / "python"
    assert store.folder(store.place_of(SPEC)) == folder


def test_one_whose_interpreter_is_gone_is_not_there(store: EnvironmentStore) -> None:
    put(store, store.place_of(SPEC))
    python = store.folder(store.place_of(SPEC)) / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert store.find(SPEC) is None


def test_a_record_that_cannot_be_read_is_none(store: EnvironmentStore) -> None:
    put(store, store.place_of(SPEC))
    for text in ("", "[]", "{}", '{"unknown": 1}', "\x00"):
        store.record_file(store.place_of(SPEC)).write_text(text)
        assert store.records() == []


def test_what_was_written_is_read_again(store: EnvironmentStore) -> None:
    record = put(store, store.place_of(SPEC), requirements=("apple",), warnings=("no pear",), created=5.0, packages=3)
    assert (record.requirements, record.warnings, record.created, record.packages) == (("apple",), ("no pear",), 5.0, 3)
    assert record.python == str(store.find(SPEC))
    assert store.records() == [record]


def test_another_interpreter_means_another_environment(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).touch()
    link = tmp_path / "python"
    link.symlink_to("one")
    spec = EnvironmentSpec(requirements=("apple",), python=str(link))
    store = EnvironmentStore(tmp_path)
    first = store.id_of(spec)
    default = EnvironmentStore(tmp_path, str(link)).id_of(SPEC)
    link.unlink()
    link.symlink_to("two")
    assert EnvironmentStore(tmp_path).id_of(spec) != first
    assert EnvironmentStore(tmp_path, str(link)).id_of(SPEC) != default


def test_to_use_one_is_remembered(store: EnvironmentStore) -> None:
    put(store, store.place_of(SPEC))
    os.utime(store.record_file(store.place_of(SPEC)), (1000, 1000))
    assert store.records()[0].used == 1000
    store.touch(SPEC)
    assert store.records()[0].used > 1000
    store.touch(EnvironmentSpec(name="nobody"))


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "", "-x", "a" * 65, "a\n", "ä"])
def test_a_name_that_could_be_a_path_is_none(store: EnvironmentStore, name: str) -> None:
    spec = EnvironmentSpec(name=name)
    if name:
        with pytest.raises(EnvironmentFailed, match="cannot be the name"):
            store.find(spec)
    with pytest.raises(UnknownEnvironment):
        store.record(name)


def test_one_is_found_by_its_name_or_the_beginning_of_its_id(store: EnvironmentStore) -> None:
    named = put(store, Place(Kind.NAMED, "abcd"))
    built = [put(store, Place(Kind.BUILT, id)) for id in ("abcd1", "abcd2", "ffff")]
    assert store.record("abcd") == named
    assert store.record("abcd2") == built[1]
    assert store.record("ffff") == built[2]
    with pytest.raises(UnknownEnvironment, match="2 environments"):
        store.record("abc")
    for text in ("fff", "nobody", "abcd3"):
        with pytest.raises(UnknownEnvironment):
            store.record(text)


def test_one_whose_folder_somebody_has_deleted_is_gone(store: EnvironmentStore) -> None:
    place = store.place_of(SPEC)
    put(store, place)
    shutil.rmtree(store.folder(place))
    assert store.find(SPEC) is None
    assert store.records() == []
    with pytest.raises(UnknownEnvironment):
        store.record(place.id)


def test_what_nodes_see_is_open_and_the_rest_is_not(store: EnvironmentStore) -> None:
    before = os.umask(0o077)
    try:
        with store.locked(Place(Kind.NAMED, "mine"), Lock()):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (store.root, *store.root.iterdir())}
    finally:
        os.umask(before)
    open_to_all = {name for name, mode in modes.items() if mode == 0o755}
    assert open_to_all == {store.root.name, "named", "built"}
    assert {mode for name, mode in modes.items() if name not in open_to_all} == {0o700}


def test_sweeping_deletes_what_nobody_is_at(store: EnvironmentStore) -> None:
    complete = put(store, Place(Kind.NAMED, "complete"))
    left, busy = Place(Kind.BUILT, "left"), Place(Kind.BUILT, "busy")
    for place in (left, busy):
        begin(store, place)
    for place in (left, complete.place):
        store.scratch(place).mkdir(parents=True)
    assert store.has_leftovers()
    with store.locked(busy, Lock()):
        assert store.sweep() == 2
        assert store.folder(busy).exists()
    assert not store.folder(left).exists()
    assert list((store.root / "work").iterdir()) == []
    assert store.records() == [complete]
    assert store.sweep() == 1
    assert not store.folder(busy).exists()
    assert not store.has_leftovers()


def test_a_change_that_was_interrupted_is_told(store: EnvironmentStore) -> None:
    place = Place(Kind.NAMED, "mine")
    put(store, place)
    store.changing(place).touch()
    assert store.record("mine").warnings == (INTERRUPTED,)
    with store.locked(place, Lock()):
        assert store.record("mine").warnings == ()


def test_a_lock_has_one_holder_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, Lock()):
        assert not is_free(path)
        with pytest.raises(BlockingIOError), locked(path, Lock(waits=False)):
            pytest.fail("two have it")
    assert is_free(path)
    assert not path.exists()


def test_to_ask_for_one_that_is_there_costs_next_to_nothing(store: EnvironmentStore) -> None:
    put(store, store.place_of(SPEC))
    durations = []
    for _ in range(FASTEST_OF):
        began = time.perf_counter()
        assert store.find(EnvironmentSpec(requirements=("apple",))) is not None
        durations.append(time.perf_counter() - began)
    assert min(durations) < 0.0002
