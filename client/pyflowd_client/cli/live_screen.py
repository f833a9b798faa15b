"""A live session on a terminal: its nodes in place, and keys that change it."""

import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live as Screen

from pyflowd_client.cli.keys import KeyTerminal
from pyflowd_client.cli.live_view import LiveView
from pyflowd_client.cli.values import several_lines
from pyflowd_client.errors import ChangeRefused
from pyflowd_client.live import Live
from pyflowd_client.live_handle import typed
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import Diagnostic, EnvironmentProgress, NodeFinished, NodeOutput
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.requests import UpdateLive
from pyflowd_client.protocol.states import ChangeKind, LiveAction, NodeState

DRAW_EVERY_S = 1 / 15
PAGE = 10
MOVES = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -PAGE, "page down": PAGE}


class ScreenFace:
    """What `pyflowctl live` shows where people look."""

    patience_s = 0.0

    def __init__(self, live: Live) -> None:
        self._live = live
        self._view = LiveView(live.record, live.id)
        self._keys = KeyTerminal(sys.stdin.fileno()) if sys.stdin is not None and sys.stdin.isatty() else None
        self.fd: int | None = None if self._keys is None else self._keys.fd
        self.is_done = False
        self._console = Console(highlight=False)
        self._screen = Screen(console=self._console, screen=True, auto_refresh=False, redirect_stderr=False)
        self._drawn_at = 0.0
        self._drawn: object = None
        self._is_stale = True
        self._screen.start()
        self.refresh()

    def read(self) -> Iterator[UpdateLive]:
        """The changes that keys ask for."""
        keys = None if self._keys is None else self._keys.read()
        if keys is None:
            self.is_done = True
        for key in keys or ():
            self._view.warning = ""
            if key in MOVES:
                self._view.move(MOVES[key])
            elif key.isdigit():
                self._view.type(key)
            elif key == "q":
                self.is_done = True
            else:
                yield from self._change(key)
        self._is_stale = True

    def show(self, record: EventRecord) -> None:
        """What cannot be seen in the row of a node goes below."""
        if record.wire.get("event") in _LOGGED:
            event = typed(record)
            if isinstance(event, NodeOutput):
                self._view.log(self._title(event.node), event.text)
            elif isinstance(event, Diagnostic) and event.severity != "info":
                self._view.log(event.title or event.severity, event.message, "red" if event.severity == "error" else "")
            elif isinstance(event, EnvironmentProgress):
                self._view.log("environment", event.message)
            elif isinstance(event, NodeFinished) and event.state is NodeState.FAILED and event.error is not None:
                self._view.log(event.title, event.error.traceback or event.error.message, "red")
        self._is_stale = True
        self.refresh()

    def refuse(self, refusal: ChangeRefused) -> None:
        """Why nothing was changed."""
        self.warn(f"not changed: {refusal}")

    def warn(self, text: str) -> None:
        """The line above the keys."""
        self._view.warning = " ".join(text.split())
        self._is_stale = True

    def refresh(self) -> None:
        """Draw what is new, unless that was done a moment ago; of nodes that run each second is new."""
        now = time.monotonic()
        if now - self._drawn_at < DRAW_EVERY_S:
            return
        is_running = any(node.state is NodeState.RUNNING for node in self._live.record.nodes.values())
        state = (self._console.size, int(now) if is_running else 0, self._live.record.needs_present)
        if self._is_stale or state != self._drawn:
            self._drawn_at, self._drawn, self._is_stale = now, state, False
            self._screen.update(self._view.render(*self._console.size), refresh=True)

    def close(self) -> None:
        """Give the terminal back, with a last word on how it ended."""
        self._screen.stop()
        if self._keys is not None:
            self._keys.give_back()
        record = self._live.record
        if record.error is not None:
            print(several_lines(f"the session ended: {record.error.message}"), file=sys.stderr)
        elif not record.is_over and not self._live.is_own:
            print(f"session {self._live.id} stays open", file=sys.stderr)

    def _change(self, key: str) -> Iterator[UpdateLive]:
        if key in ("t", "enter"):
            if self._view.node is not None:
                yield self._live.triggering(self._view.node, ChangeKind.BUTTON_CLICK, None)
        elif key == "p":
            yield self._live.simple(LiveAction.RESUME if self._live.is_paused else LiveAction.PAUSE, None)
        elif key in _SIMPLE:
            yield self._live.simple(_SIMPLE[key], None)

    def _title(self, node: NodeId) -> str:
        known = self._live.record.nodes.get(node)
        return known.title if known is not None else node


_SIMPLE = {"a": LiveAction.RUN_ALL, "r": LiveAction.RESET}
_LOGGED = frozenset({NodeOutput.NAME, Diagnostic.NAME, EnvironmentProgress.NAME, NodeFinished.NAME})
