"""Points in time at which the core wants to be asked again. One deadline per key; setting it anew replaces it.

A key is the thing that is waited for: a call, a worker, a zygote, or an occasion. It is looked up by identity, which
costs least, and each has but one reason to be waited for at a time.
"""

import heapq
from collections.abc import Hashable
from enum import Enum

MOST_STALE = 64


class Occasion(Enum):
    """What is waited for that is no thing.

    QUIET: nobody has worked for a moment. IDLE: nobody has needed the daemon for a while. RETIRE: an environment may
    not have been used for long. HEIRS: fork servers shall be followed by others that know more.
    """

    QUIET = "quiet"
    IDLE = "idle"
    RETIRE = "retire"
    HEIRS = "heirs"

    __hash__ = object.__hash__


class Deadlines:
    """A heap of (time, number, key), repaired late: what was cleared or put off stays there until it surfaces.

    now: the present, monotonic seconds, for all who set them.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Hashable]] = []
        self._live: dict[Hashable, float] = {}
        self._count = 0

    def set(self, key: Hashable, at: float) -> None:
        """Ask for `key` at the monotonic time `at`."""
        earlier = self._live.get(key)
        self._live[key] = at
        if earlier is None or at < earlier:
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, key))
            if len(self._heap) > MOST_STALE and len(self._heap) > 2 * len(self._live):
                self._rebuild()

    def clear(self, key: Hashable) -> None:
        """Nobody waits for `key` any more; unknown keys are fine."""
        self._live.pop(key, None)

    def next_at(self) -> float | None:
        """When the earliest deadline is, if there is one."""
        self._repair()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Hashable | None:
        """The key of one deadline that is over, removed; None when there is none."""
        self._repair()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._live[key]
        return key

    def _rebuild(self) -> None:
        """Most of what is in the heap was cleared or put off."""
        self._heap = [(time, number, item) for number, (item, time) in enumerate(self._live.items())]
        heapq.heapify(self._heap)

    def _repair(self) -> None:
        """Bring a live deadline to the top of the heap, if there is one."""
        while self._heap:
            at, _, key = self._heap[0]
            live_at = self._live.get(key)
            if live_at == at:
                return
            heapq.heappop(self._heap)
            if live_at is not None and live_at > at:
                self._count += 1
                heapq.heappush(self._heap, (live_at, self._count, key))
