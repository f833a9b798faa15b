"""Holdings: who still holds which payload, counted. What nobody holds any more is collected, once.

A run holds what its nodes still need, the last values of a graph hold the same payloads for longer. Neither has to know
of the other. It closes nothing itself: what is collected is for the shell to give back.
"""

from collections.abc import Iterable

from pyflowd.core.values import Payload


class Holdings:
    """The payloads that are held, each with the number of its holders."""

    def __init__(self) -> None:
        self._holders: dict[Payload, int] = {}
        self._dropped: dict[Payload, None] = {}

    def hold(self, payloads: Iterable[Payload]) -> None:
        """One more holder of each. What was let go of, and not collected yet, may be held again."""
        holders = self._holders
        for payload in payloads:
            holders[payload] = holders.get(payload, 0) + 1
            if self._dropped:
                self._dropped.pop(payload, None)

    def let_go(self, payloads: Iterable[Payload]) -> None:
        """One holder of each less."""
        for payload in payloads:
            holders = self._holders[payload] - 1
            if holders:
                self._holders[payload] = holders
            else:
                del self._holders[payload]
                self._dropped[payload] = None

    def collect(self) -> tuple[Payload, ...]:
        """The payloads that nobody holds any more; the next time they are not among them."""
        if not self._dropped:
            return ()
        dropped, self._dropped = self._dropped, {}
        return tuple(dropped)

    def __len__(self) -> int:
        return len(self._holders)
