"""Frames of a warm fork server, checked for shape. What does not fit raises FrameError.

It has imported packages, of which some may be hostile.
"""

from typing import Any

from pyflowd.core.ids import WorkerId
from pyflowd.core.usage import Usage
from pyflowd.shell.shapes import Header, number, whole
from pyflowd.worker_side.frames import FrameError

WAIT_STATUS_MOST = 0xFFFF
Exit = tuple[WorkerId, int, Usage]


def births_in(header: Header, count: int) -> list[WorkerId]:
    """The workers that exist now. So many pidfds came with the frame, in the same order: those count, not numbers."""
    workers = [WorkerId(whole(worker, "worker")) for worker, _pid in _rows(header, 2)]
    if len(set(workers)) != len(workers) or len(workers) != count:
        raise FrameError("workers that were not born once each")
    return workers


def exits_in(header: Header) -> list[Exit]:
    """(worker, wait status, what it used) of workers that are dead."""
    exits = []
    for worker, _pid, status, cpu_s, max_rss_kb in _rows(header, 5):
        usage = Usage(cpu_s=number(cpu_s, "cpu_s"), peak_memory_bytes=whole(max_rss_kb, "max_rss_kb") * 1024)
        if type(status) is not int or not 0 <= status <= WAIT_STATUS_MOST:
            raise FrameError("a status that no process ends with")
        exits.append((WorkerId(whole(worker, "worker")), status, usage))
    return exits


def workers_in(header: Header) -> list[WorkerId]:
    """Workers by their numbers."""
    items = header.get("workers")
    if type(items) is not list:
        raise FrameError("`workers` is not a list")
    return [WorkerId(whole(item, "worker")) for item in items]


def _rows(header: Header, length: int) -> list[list[Any]]:
    items = header.get("workers")
    if type(items) is not list or not all(type(item) is list and len(item) == length for item in items):
        raise FrameError(f"`workers` is not a list of lists of {length}")
    return items
