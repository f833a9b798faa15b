"""A worker that stays: it keeps what it has loaded and carries out one call after the other, of one node.

(Of several it is in `shared`.)

What survives from call to call is what would survive in a Python session: the module with its variables, imports,
threads, the working directory and the files in the scratch folder, environment variables, limits. What does not is
what belongs to one call: its seed, its progress, its interrupt. Code that comes with a call replaces the module; the
process stays. Threads are waited for and exit functions called when the daemon hangs up, not between calls.

Peak memory is that of the process so far, for what it keeps is its own.

An interrupt must end the call that it was meant for and no other, and SIGINT says not which. So the daemon puts a word
into the channel before it sends the signal:

    daemon -> worker    call 1     interrupt, SIGINT     call 2     interrupt, SIGINT     call 3

While a call is under way nothing else comes through the channel, and what was there before was read before. So, when
the signal is seen to, be it late, or once for two, a word that waits in the channel is for the present call; without
one the signal was for a call that is over.
"""

from __future__ import annotations

import sys
from _signal import SIG_UNBLOCK, SIGINT, pthread_sigmask, signal  # type: ignore[import-not-found]
from fcntl import ioctl
from functools import partial

from . import node_call, node_module
from .limits import unlimit_cpu
from .link import LINK
from .node_call import INTERRUPT, flush_output
from .orders import AGAIN, CALL, PROGRAM, READ, receive
from .orders import INTERRUPT as INTERRUPT_WORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .failures import Failure
    from .orders import Order
    from .shared import Graph

FIONREAD = 0x541B
_NOTHING = bytes(4)


class Interrupts:
    """Which SIGINT is whose. A node may put a handler of its own in the place of ours, and then sees them all."""

    def __init__(self) -> None:
        self.may_be_late = False  # there were words before, whose signals may come yet
        self.was_read = False  # the word for the present program is not in the channel any more
        self._is_open = False
        self._was_early = False  # one was seen to before the call had begun for which it may be
        signal(SIGINT, self._see_to)
        pthread_sigmask(SIG_UNBLOCK, INTERRUPT)

    def during(self, nodes_part: Callable[..., Failure | None], *arguments: Any) -> Failure | None:
        """Let an interrupt end the node's part of a call."""
        try:
            try:
                self._is_open = True
                if self._was_early:
                    self._was_early = False
                    if self.is_asked():
                        raise KeyboardInterrupt
                return nodes_part(*arguments)
            finally:
                self._is_open = False
        except KeyboardInterrupt:
            self._is_open = False  # it came in between
            raise

    def _see_to(self, *_: object) -> None:
        if not self._is_open:
            self._was_early = True
        elif self.is_asked() or not self.may_be_late:  # or it is the node's own
            raise KeyboardInterrupt

    def is_asked(self) -> bool:
        """Whether an interrupt of the present call was asked for."""
        return self.was_read or ioctl(LINK, FIONREAD, _NOTHING) != _NOTHING

    def wait_until_read(self) -> None:
        """Wait for the daemon to say that it has read what a step has written, or for it to hang up."""
        while True:
            order = receive(LINK)
            if order is None or order[0] == READ:
                return
            if order[0] == INTERRUPT_WORD:
                self.was_read = self.may_be_late = True


def stay(order: Order) -> Order | None:
    """Carry out this call and all that follow; the one that was the last, or None when the daemon has hung up."""
    interrupts = Interrupts()
    calls = Calls(interrupts)
    graph: Graph | None = None
    while True:
        if order[0] == AGAIN:
            calls.repeat(order)
        elif order[0] == CALL:
            calls.perform(order)
        elif order[0] == PROGRAM:
            if graph is None:
                from .shared import Graph

                graph = Graph(interrupts)
            interrupts.was_read = False
            graph.perform(order)
        elif order[0] == INTERRUPT_WORD:
            interrupts.may_be_late = True
        if order[2]:
            return order
        following = receive(LINK)
        if following is None:
            _leave()
            return None
        order = following


class Calls:
    """The calls of one node: what one leaves behind for the next."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._nodes_part = partial(interrupts.during, node_call.run)
        self._code: tuple[bytes, str] = b"", ""
        self._bounds: Any = None
        self._cpu_s: int | None = None
        self._terms: tuple[Any, ...] = ()  # of a call, but for its inputs, once code and bounds hold

    def perform(self, order: Order) -> None:
        """A call, with code or without."""
        self._interrupts.was_read = False
        _, call, last, title, compiled, source, names, seed, bounds, cpu_s, variables, given = order
        self._terms = title, b"", "", names, seed, (), cpu_s, variables
        if compiled:
            self._code = compiled, source
        if compiled or not node_module.is_loaded():  # the last call has ended in the module's body, or before
            node_module.forget()
            compiled, source = self._code
        if bounds == self._bounds:
            bounds = ()  # they hold already
        else:
            self._bounds = bounds
        if cpu_s is None and self._cpu_s is not None:
            unlimit_cpu()
        self._cpu_s = cpu_s
        order = (CALL, call, last, title, compiled, source, names, seed, bounds, cpu_s, variables, given)
        node_call.perform(order, self._nodes_part)

    def repeat(self, order: Order) -> None:
        """The call before once more, with other inputs."""
        again = (CALL, order[1], order[2], *self._terms, order[3])
        if node_module.is_loaded():
            self._interrupts.was_read = False
            node_call.perform(again, self._nodes_part)
        else:
            self.perform((*again[:8], self._bounds, *again[9:]))


def _leave() -> None:
    """Nobody hears an answer any more, but what threads and exit functions do may be meant to last."""
    try:
        node_call.finish_process()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    flush_output()
