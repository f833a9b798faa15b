"""Which built environments are deleted: the longest unused first, and none that is in use."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pyflowd.environments.locks import Lock
from pyflowd.environments.store import EnvironmentRecord, EnvironmentStore, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningRule:
    """unused_s: how long nobody has used it. disk_bytes: what all may need together. in_use: interpreters to keep."""

    unused_s: float | None = None
    disk_bytes: int | None = None
    in_use: Collection[str] = ()


def choose(records: Sequence[EnvironmentRecord], rule: PruningRule, now: float) -> list[EnvironmentRecord]:
    """Those that go."""
    built = sorted((record for record in records if record.kind is Kind.BUILT), key=lambda record: record.used)
    total = sum(record.size_bytes for record in built)
    chosen = []
    for record in built:
        is_old = rule.unused_s is not None and now - record.used > rule.unused_s
        is_too_much = rule.disk_bytes is not None and total > rule.disk_bytes
        if record.python not in rule.in_use and (is_old or is_too_much):
            chosen.append(record)
            total -= record.size_bytes
    return chosen


def prune(store: EnvironmentStore, rule: PruningRule, now: float, *, dry_run: bool) -> list[EnvironmentRecord]:
    """Deletes them, but for those that somebody is at; which they were."""
    chosen = choose(store.records(), rule, now)
    if dry_run:
        return chosen
    deleted = []
    for record in chosen:
        with suppress(BlockingIOError), store.locked(record.place, Lock(waits=False)):
            store.delete(record.place)
            deleted.append(record)
    return deleted
