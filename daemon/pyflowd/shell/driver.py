"""The loop between the world and the core: stimuli in, effects performed, in order, at once.

A performer may cause another stimulus; it waits in the queue until the effects before it are done. What is only told
to clients, and what is let go of, waits a little longer: first everything that workers wait for.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from pyflowd.core.effects import Effect
from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.stimuli import DeadlinePassed, Stimulus
from pyflowd.shell.alarm import Alarm

log = logging.getLogger(__name__)

Perform = Callable[[Any], None]


class Driver:
    """Owns the queue of stimuli and the alarm of deadlines. `after_turn` is called once per turn of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._controller: ExecutionController
        self._loop = loop
        self._queue: deque[Stimulus] = deque()
        self._telling: list[Effect] = []
        self._performers: Mapping[type[Effect], Perform] = {}
        self._tellers: Mapping[type[Effect], Perform] = {}
        self._after_turn: Callable[[], None] = lambda: None
        self._on_bug: Callable[[], None] = lambda: None
        self._is_running = False
        self._is_turn_open = self._is_turn_marked = False
        self._is_closed = False
        self._alarm = Alarm(loop, self._ring)

    def attend(self, controller: ExecutionController) -> None:
        """Feed this one, which gives its effects to `take`."""
        self._controller = controller

    def connect(
        self,
        performers: Mapping[type[Effect], Perform],
        tellers: Mapping[type[Effect], Perform],
        after_turn: Callable[[], None],
        on_bug: Callable[[], None],
    ) -> None:
        """Who performs which effect at once and who after that, what follows each turn, and an exception of our own.

        After that the state is half-changed: going on could falsify results, so `on_bug` shall end the daemon.
        """
        self._performers = performers
        self._tellers = tellers
        self._after_turn = after_turn
        self._on_bug = on_bug

    def feed(self, stimulus: Stimulus) -> None:
        """Something has happened. After `close` nothing matters any more."""
        if self._is_closed:
            return
        self._queue.append(stimulus)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._queue:
                self._controller.handle(self._queue.popleft(), time.monotonic())
            self.tell()
        except Exception:
            log.critical("a bug in pyflowd: the daemon ends, its runs with it", exc_info=True)
            self._is_closed = True
            self._on_bug()
        finally:
            self._is_running = False
        if not self._is_turn_marked:
            self._is_turn_marked = True
            if not self._is_turn_open:
                self._loop.call_soon(self.end_turn)

    def close(self) -> None:
        """Take no more stimuli, ring no more timers."""
        self._is_closed = True
        self._alarm.close()

    def tell(self) -> None:
        """Tell what has gathered, in order."""
        telling, self._telling = self._telling, []
        for effect in telling:
            self._tellers[type(effect)](effect)

    def take(self, effect: Effect) -> None:
        """Perform an effect, or tell it later."""
        perform = self._performers.get(type(effect))
        if perform is None:
            self._telling.append(effect)
        else:
            perform(effect)

    def begin_turn(self) -> None:
        """Stimuli may come, and `end_turn` is called after the last: the loop need not."""
        self._is_turn_open = True

    def end_turn(self) -> None:
        """What a turn gathered goes out now: called by whoever knows that its batch is done, else by the loop."""
        self._is_turn_open = False
        if self._is_turn_marked and not self._is_closed and not self._is_running:
            self._is_turn_marked = False
            self._after_turn()
            self._alarm.set(self._controller.next_deadline())

    def _ring(self) -> None:
        self.feed(DeadlinePassed())
