"""Which environments go, and which stay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyflowd.environments.locks import Lock
from pyflowd.environments.pruning import PruningRule, choose, prune
from pyflowd.environments.store import EnvironmentRecord, EnvironmentStore, Kind, Place

NOW = 1000.0


def record(id: str, *, used: float, size: int = 10, kind: Kind = Kind.BUILT) -> EnvironmentRecord:
    """One that was used then."""
    return EnvironmentRecord(kind=kind, id=id, python=f"/{id}", base="", version="3.11.0", manager="uv", used=used,
                             size_bytes=size)  # fmt: skip


RECORDS = [
    record("new", used=990),
    record("old", used=100),
    record("older", used=50),
    record("oldest", used=10),
    record("mine", used=0, kind=Kind.NAMED, size=1000),
]


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        (PruningRule(), []),
        (PruningRule(unused_s=900), ["oldest", "older"]),
        (PruningRule(unused_s=5, in_use={"/older", "/new"}), ["oldest", "old"]),
        (PruningRule(disk_bytes=40), []),
        (PruningRule(disk_bytes=25), ["oldest", "older"]),
        (PruningRule(disk_bytes=25, in_use={"/oldest"}), ["older", "old"]),
        (PruningRule(disk_bytes=0), ["oldest", "older", "old", "new"]),
        (PruningRule(unused_s=950, disk_bytes=15), ["oldest", "older", "old"]),
    ],
)
def test_the_longest_unused_goes_first_and_what_is_in_use_or_named_stays(rule: PruningRule, gone: list[str]) -> None:
    assert [item.id for item in choose(RECORDS, rule, NOW)] == gone


def test_what_is_chosen_is_deleted_unless_somebody_is_at_it(tmp_path: Path) -> None:
    store = EnvironmentStore(tmp_path)
    for item in RECORDS:
        store.folder(item.place).mkdir(parents=True)
        with store.locked(item.place, Lock()):
            store.write(item)
        os.utime(store.record_file(item.place), (item.used, item.used))
    rule = PruningRule(unused_s=500)
    assert [item.id for item in prune(store, rule, NOW, dry_run=True)] == ["oldest", "older", "old"]
    assert len(store.records()) == len(RECORDS)
    with store.locked(Place(Kind.BUILT, "older"), Lock()):
        assert [item.id for item in prune(store, rule, NOW, dry_run=False)] == ["oldest", "old"]
    assert sorted(item.id for item in store.records()) == ["mine", "new", "older"]
