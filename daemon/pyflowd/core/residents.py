"""Residents: which worker is held for which node of a live session, and when it is not needed any more.

A node keeps its process as long as that runs the same code in the same environment. There are not to be too many, nor
may they need too much memory: the longest unused goes first, and its node simply starts afresh the next time.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, Place
from pyflowd.core.ids import EnvironmentId, WorkerId
from pyflowd.graph.interface import CodeHash
from pyflowd_client.protocol.ids import NodeId, RunId

Key = tuple[RunId, NodeId]

ON_A_NEW_ONE = Place(stays=True, is_urgent=True)


class _Resident(NamedTuple):
    worker: WorkerId
    code: CodeHash
    environment: EnvironmentId
    place: Place  # of the calls that it carries out


class Residents:
    """The workers of the pool that are kept, by session and node."""

    def __init__(self, desk: CallDesk) -> None:
        self._desk = desk
        self._pool = desk.pool
        self._by_node: dict[Key, _Resident] = {}

    def place(self, key: Key, code: CodeHash, environment: EnvironmentId) -> Place:
        """Where the next call of a node is carried out. A process for other code, or elsewhere, is let go."""
        resident = self._by_node.get(key)
        if resident is None:
            return ON_A_NEW_ONE
        if resident.code != code or resident.environment != environment:
            self.dismiss(key)
            return ON_A_NEW_ONE
        return resident.place

    def begun(self, key: Key, call: Call, code: CodeHash) -> None:
        """A worker has a node's call: it is the one that is kept for it."""
        assert call.worker is not None
        place = Place(stays=True, on=call.worker, is_urgent=True)
        self._by_node[key] = _Resident(call.worker, code, call.environment, place)

    def dismiss(self, key: Key) -> None:
        """A node needs no process any more; one that is at work is let go when it has answered."""
        resident = self._by_node.pop(key, None)
        if resident is not None:
            self._desk.dismiss(resident.worker)

    def dismiss_all(self, run: RunId) -> None:
        """A session is over, or begins anew."""
        for key in [key for key in self._by_node if key[0] == run]:
            self.dismiss(key)

    def leave(self, environment: EnvironmentId) -> None:
        """An environment has changed: what was forked from its former fork server is out of date."""
        for key in [key for key, resident in self._by_node.items() if resident.environment == environment]:
            self.dismiss(key)

    def settle(self, key: Key, worker: WorkerId) -> None:
        """A call is over: its worker stays only if it is still the one that is kept for the node."""
        resident = self._by_node.get(key)
        if resident is None or resident.worker != worker:
            self._desk.dismiss(worker)
        while len(self._pool.held) > self._pool.limits.held:
            self._let_go(next(iter(self._pool.held)))

    def make_room(self, needed_bytes: int, bytes_of: Mapping[WorkerId, int]) -> None:
        """So much memory is needed for something else: let go of as many as it takes, the longest unused first."""
        for worker in list(self._pool.held):
            if needed_bytes <= 0:
                return
            needed_bytes -= bytes_of.get(worker, 0)
            self._let_go(worker)

    def _let_go(self, worker: WorkerId) -> None:
        for key in [key for key, resident in self._by_node.items() if resident.worker == worker]:
            del self._by_node[key]
        self._desk.dismiss(worker)
