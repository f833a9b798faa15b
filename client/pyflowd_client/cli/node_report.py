"""A single node, told in plain lines: what it gives to stdout by the names of its pins, and what it took to stderr."""

from pyflowd_client.cli.report import Report
from pyflowd_client.cli.values import one_line, shown_size, shown_time
from pyflowd_client.protocol.events import Event, NodeFinished
from pyflowd_client.protocol.states import NodeState
from pyflowd_client.record import RunRecord


class NodeReport:
    """Tells a run of one node, by means of a report of runs."""

    def __init__(self, record: RunRecord, report: Report) -> None:
        self._record = record
        self._report = report
        self._finished: NodeFinished | None = None

    def show(self, event: Event) -> None:
        """One more event, which the record has already taken."""
        self._report.show(event)
        if isinstance(event, NodeFinished):
            self._finished = event

    def finish(self) -> None:
        """The run is over: print what the node gives, then what it took."""
        self._report.close()
        if self._finished is None:
            return
        for pin, value in self._finished.outputs.items():
            self._report.print_output(one_line(pin), value)
        if self._finished.state in (NodeState.DONE, NodeState.FAILED):
            self._report.note(_figures(self._finished))

    def close(self) -> None:
        """Nothing more is shown."""
        self._report.close()


def _figures(finished: NodeFinished) -> str:
    used = f"{shown_time(finished.cpu_s)} of CPU time, {shown_size(finished.peak_memory_bytes)} of memory"
    return f"{one_line(finished.title)} {finished.state} after {shown_time(finished.duration_s)}: {used}"
