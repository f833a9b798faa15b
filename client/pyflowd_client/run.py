"""A run as its client holds it: an iterator of typed events, and what they amount to so far."""

from __future__ import annotations

from collections.abc import Iterator

from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.events import Event, NodeFinished
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.states import RunState
from pyflowd_client.record import Outputs, RunRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client


class RunHandle:
    """What a client knows of a run, as of the last event it has seen."""

    def __init__(self, run: RunId) -> None:
        self.id = run
        self._record = RunRecord()

    @property
    def state(self) -> RunState:
        """Where the run is."""
        return self._record.state

    @property
    def outputs(self) -> Outputs:
        """The outputs of the nodes that finished."""
        return self._record.outputs

    @property
    def failures(self) -> tuple[NodeFinished, ...]:
        """The nodes that failed."""
        return self._record.failures

    @property
    def error(self) -> ErrorInfo | None:
        """What ended the run as a whole, if anything did."""
        return self._record.error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state}>"


class Run(RunHandle):
    """Iterate it for its events as they come, or ask for `result()`. The run itself belongs to the daemon."""

    def __init__(self, client: Client, run: RunId) -> None:
        super().__init__(run)
        self._client = client

    def __iter__(self) -> Iterator[Event]:
        """The events not yet seen, until the last; DaemonLost when the connection breaks."""
        while not self._record.is_over:
            record = self._client.next_event(self.id)
            event = self._record.take(record) if record is not None else None
            if event is not None:
                yield event

    def result(self) -> Outputs:
        """Wait for the end; the outputs, or RunFailed."""
        while not self._record.is_over:
            record = self._client.next_event(self.id)
            if record is not None:
                self._record.skim(record)
        self._record.raise_unless_succeeded()
        return self._record.outputs

    def cancel(self) -> None:
        """End the run: its nodes are interrupted, then killed. Its last events still come."""
        self._client.cancel(self.id)

    def follow(self, from_seq: int = 1) -> Run:
        """The same run told again from event `from_seq` on, as a new handle; this one then gets no more events."""
        return self._client.follow(self.id, from_seq)
