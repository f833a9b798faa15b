"""A zygote tries out what its workers can do: two are forked, and one attacks the other, the zygote and the user.

They are confined as all will be, since they are born in the same way.
"""

from __future__ import annotations

import os
import select
import signal
import time
from _socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair

from . import frames, orders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    Targets = Dict[str, Any]
    Fork = Callable[[List[Tuple[int, int, int]]], List[Tuple[int, str]]]

PATIENCE_S = 10.0


def prove(fork: Fork, targets: Targets) -> Optional[List[str]]:
    """The names of the attacks that succeeded; None when they could not be tried.

    `fork` makes a worker of each triple of link, stdout and stderr; it gives their process ids and scratch folders.
    """
    ours: List[socket] = []
    triples = []
    for _ in ("victim", "attacker"):
        end, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        ours.append(end)
        triples.append((theirs.detach(), os.dup(2), os.dup(2)))
    workers = fork(triples)
    if len(workers) != len(ours):
        return None
    victim, attacker = ours
    try:
        orders.send(victim, (orders.INSPECT, 0, orders.MORE, []))
        if _answer(victim) is None:
            return None
        more = {"victim": workers[0][0], "victim_scratch": workers[0][1], "zygote": os.getpid()}
        orders.send(attacker, (orders.PROBE, 0, orders.WAIT, dict(targets, **more)))
        answer = _answer(attacker)
        return None if answer is None else [str(name) for name in answer["successes"]]
    except OSError:
        return None
    finally:
        for pid, _ in workers:
            os.kill(pid, signal.SIGKILL)
        for end in ours:
            end.close()


def _answer(link: socket) -> Optional[frames.Header]:
    poll = select.poll()
    poll.register(link, select.POLLIN)
    give_up_s = time.monotonic() + PATIENCE_S
    while poll.poll(max(0, int((give_up_s - time.monotonic()) * 1000))):
        try:
            header, segments, _ = frames.receive(link)
        except (frames.ClosedError, ConnectionError):
            return None
        for segment in segments:
            segment.close()
        return header
    return None
