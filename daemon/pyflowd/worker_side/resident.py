"""A worker that stays: it keeps what it has loaded and carries out one call after the other, of one node.

What survives from call to call is what would survive in a Python session: the module with its variables, imports,
threads, the working directory and the files in the scratch folder, environment variables, limits. What does not is
what belongs to one call: its seed, its progress, its interrupt. Code that comes with a call replaces the module; the
process stays. Threads are waited for and exit functions called when the daemon hangs up, not between calls.

Peak memory is that of the process so far, for what it keeps is its own.

An interrupt must end the call that it was meant for and no other, and SIGINT says not which. So the daemon puts a word
into the channel before it sends the signal:

    daemon -> worker    call 1     interrupt 1, SIGINT     call 2     interrupt 2, SIGINT     call 3

Between two calls SIGINT is blocked, and where the kernel hands it to a thread of the node's, noted. Without the word of
an earlier interrupt before a call, what is pending was meant for that call: unblocking it ends the call. With it, what
is pending is dropped, and the channel looked into: a second SIGINT may have been dropped with the first, but its word
is there. Whatever is sent after that look arrives as a signal.
"""

from __future__ import annotations

import sys
from _signal import (  # type: ignore[import-not-found]
    SIG_BLOCK,
    SIG_UNBLOCK,
    SIGINT,
    default_int_handler,
    pthread_sigmask,
    signal,
    sigtimedwait,
)
from fcntl import ioctl

from . import node_call, node_module
from .limits import unlimit_cpu
from .link import LINK
from .node_call import INTERRUPT, flush_output
from .orders import CALL, receive
from .orders import INTERRUPT as INTERRUPT_ORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .answers import Output
    from .failures import Failure
    from .orders import Order

FIONREAD = 0x541B
_NOTHING = bytes(4)


class Interrupts:
    """Which SIGINT is whose."""

    def __init__(self) -> None:
        self.was_asked = False  # the daemon sent one that a call before did not wait for
        self._was_noted = False
        self._handler: Any = default_int_handler
        self.close()

    def open(self) -> None:
        """From here on a SIGINT ends the present call, as a KeyboardInterrupt: perhaps at once."""
        signal(SIGINT, self._handler)
        if self.was_asked or self._was_noted:
            self.was_asked = self._was_noted = False
            sigtimedwait(INTERRUPT, 0)
            if ioctl(LINK, FIONREAD, _NOTHING) != _NOTHING:  # nothing but the word of an interrupt comes during a call
                raise KeyboardInterrupt
        pthread_sigmask(SIG_UNBLOCK, INTERRUPT)

    def close(self) -> None:
        """From here on none ends anything."""
        while True:
            try:
                pthread_sigmask(SIG_BLOCK, INTERRUPT)
                handler = signal(SIGINT, self._note)
            except KeyboardInterrupt:
                continue
            if handler != self._note:
                self._handler = default_int_handler if handler is None else handler  # None: it is C code's own
            return

    def run(self, order: Order, outputs: list[Output], warnings: list[str]) -> Failure | None:
        """The node's part of a call."""
        try:
            try:
                self.open()
                return node_call.run(order, outputs, warnings)
            finally:
                self.close()
        except KeyboardInterrupt:
            self.close()  # it came before that had begun
            raise

    def _note(self, *_: object) -> None:
        self._was_noted = True


def stay(order: Order) -> Order | None:
    """Carry out this call and all that follow; the one that was the last, or None when the daemon has hung up."""
    interrupts = Interrupts()
    code = order[4:6]
    bounds: Any = None
    cpu_s: int | None = None
    while True:
        if order[0] == CALL:
            code = order[4:6] if order[4] else code
            if order[4] or not node_module.is_loaded():  # the last call has ended in the module's body, or before
                node_module.forget()
                order = (*order[:4], *code, *order[6:])
            before, bounds, cpu_before_s, cpu_s = bounds, order[8], cpu_s, order[9]
            if bounds == before:
                order = (*order[:8], (), *order[9:])  # they hold already
            if cpu_s is None and cpu_before_s is not None:
                unlimit_cpu()
            node_call.perform(order, interrupts.run)
            if order[2]:
                return order
        elif order[0] == INTERRUPT_ORDER:
            interrupts.was_asked = True
        following = receive(LINK)
        if following is None:
            _leave()
            return None
        order = following


def _leave() -> None:
    """Nobody hears an answer any more, but what threads and exit functions do may be meant to last."""
    try:
        node_call.finish_process()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    flush_output()
