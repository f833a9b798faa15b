"""A live session in plain lines: what nodes give to stdout, whatever else there is to say to stderr."""

from collections.abc import Iterable

from pyflowd_client.cli.report import Report
from pyflowd_client.cli.values import counted, one_line, several_lines
from pyflowd_client.errors import ChangeRefused
from pyflowd_client.live import Live
from pyflowd_client.live_handle import typed
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import LiveSettled, NodeFinished, RunFinished
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.requests import UpdateLive
from pyflowd_client.protocol.states import NodeState
from pyflowd_client.record import RunRecord


class _Telling(Report):
    """The lines of a run, with titles from the session: a record of all its failures would grow without end."""

    def __init__(self, live: Live) -> None:
        super().__init__(RunRecord())
        self._live = live

    def title(self, node: NodeId) -> str:
        """What the node is called."""
        known = self._live.record.nodes.get(node)
        return known.title if known is not None else node

    def end(self, event: RunFinished) -> None:
        """The session is over; why is said where there is a reason."""
        if event.error is not None:
            self._record.add(event)
            self.show(event)


class PlainFace:
    """What `pyflowctl live` writes where it writes to no terminal; it reads nothing."""

    fd: int | None = None
    is_done = False
    patience_s = 0.0

    def __init__(self, live: Live) -> None:
        self._live = live
        self._telling = _Telling(live)
        if live.present is not None:
            for node in live.record.nodes.values():
                self._print(node.title, node.outputs)

    def read(self) -> Iterable[UpdateLive]:
        """Nothing."""
        return ()

    def show(self, record: EventRecord) -> None:
        """What a node gives, and how it failed; what only a newer daemon tells is left out."""
        event = typed(record)
        if isinstance(event, RunFinished):
            self._telling.end(event)
        elif isinstance(event, LiveSettled):
            failed = f", {event.failed} failed" if event.failed else ""
            self._telling.line(f"settled: {counted(event.executed, 'node')} executed{failed}")
        elif isinstance(event, NodeFinished) and event.state is NodeState.SKIPPED:
            return  # its cause is told, and each change would tell it again
        elif event is not None:
            self._telling.show(event)
            if isinstance(event, NodeFinished) and event.state is NodeState.DONE:
                self._print(event.title, event.outputs)

    def refuse(self, refusal: ChangeRefused) -> None:
        """Why nothing was changed."""
        self.warn(f"not changed: {refusal}")

    def warn(self, text: str) -> None:
        """A line."""
        self._telling.line(several_lines(text))

    def refresh(self) -> None:
        """Lines are shown when they are written."""

    def close(self) -> None:
        """Nothing is left to do."""

    def _print(self, title: str, outputs: dict[str, object]) -> None:
        for pin, value in outputs.items():
            self._telling.print_output(f"{one_line(title)}.{pin}", value)
