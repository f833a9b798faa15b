"""Nodes at work, each in a control group of its own, where there are any to be had."""

import logging
from collections.abc import Iterable, Mapping

import psutil

from pyflowd.core.ids import WorkerId
from pyflowd.core.limits import Limits
from pyflowd.sandbox.cgroups import Group, Groups

log = logging.getLogger(__name__)


class Wards:
    """The groups of busy workers. Where the daemon has none to make, nothing happens here."""

    def __init__(self, source: Groups | None) -> None:
        self._groups: dict[WorkerId, Group] = {}
        self._over: list[Group] = []
        self._source = source

    def __bool__(self) -> bool:
        """Whether something is still to be ended."""
        return bool(self._groups or self._over)

    def take(self, limits: Mapping[WorkerId, Limits], pids: Mapping[WorkerId, int | None]) -> None:
        """Give each worker a group that has none, with all that it has started."""
        if self._source is None:
            return
        for worker, limit in limits.items():
            pid = pids.get(worker)
            if pid is None or worker in self._groups:
                continue
            try:
                group = self._groups[worker] = self._source.new(limit.memory_bytes, limit.processes)
                group.take([pid])  # first: what it starts from now on is in there
                group.take(_descendants(pid))
            except OSError as error:
                log.warning("a node goes without a control group: %s", error)

    def end_others(self, busy: Iterable[WorkerId]) -> None:
        """End whatever is left in the groups of workers that are not busy any more."""
        staying = set(busy)
        for worker in [worker for worker in self._groups if worker not in staying]:
            self._over.append(self._groups.pop(worker))
        self._over = [group for group in self._over if not group.end()]

    def has_run_out_of_memory(self, worker: WorkerId) -> bool:
        """Whether the kernel has ended a worker for the memory that it used."""
        group = self._groups.get(worker)
        return group is not None and group.has_run_out_of_memory()


def _descendants(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
