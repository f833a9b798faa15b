"""Points in time at which the core wants to be asked again. One deadline per key; setting it anew replaces it."""

import heapq
from collections.abc import Hashable
from dataclasses import dataclass

from pyflowd.core.ids import CallId, EnvironmentId, WorkerId


@dataclass(frozen=True, slots=True)
class CallDeadline:
    """A call's time is over; a second time after the interrupt."""

    call: CallId
    is_grace: bool = False


@dataclass(frozen=True, slots=True)
class LeaveDeadline:
    """A worker that answered must be gone."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class RefillDeadline:
    """Spares may be forked again."""

    environment: EnvironmentId


@dataclass(frozen=True, slots=True)
class QuietDeadline:
    """If nobody is at work, spares may be forked."""


@dataclass(frozen=True, slots=True)
class IdleDeadline:
    """Nobody has needed the daemon for a while."""


class Deadlines:
    """A heap of (time, key) with lazy removal: replaced and cleared entries stay in the heap until they surface."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._live: dict[Hashable, tuple[float, int]] = {}
        self._count = 0

    def set(self, key: Hashable, at: float) -> None:
        """Ask for `key` at the monotonic time `at`."""
        self._count += 1
        self._live[key] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._live):
            self._heap = [(time, count, item) for item, (time, count) in self._live.items()]
            heapq.heapify(self._heap)

    def clear(self, key: Hashable) -> None:
        """Nobody waits for `key` any more; unknown keys are fine."""
        self._live.pop(key, None)

    def next_at(self) -> float | None:
        """When the earliest deadline is, if there is one."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Hashable | None:
        """The key of one deadline that is over, removed; None when there is none."""
        self._drop_stale()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._live[key]
        return key

    def _drop_stale(self) -> None:
        while self._heap and self._live.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
