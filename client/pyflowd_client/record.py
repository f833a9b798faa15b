"""What is known of a run from the events seen so far: states, outputs, failures, and at last the verdict.

It takes events in order and asks nobody; the handles of both clients and the command line keep one each.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pyflowd_client.errors import ProtocolMismatch, RunFailed
from pyflowd_client.protocol.codec import EventRecord, ProtocolError
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.events import (
    Diagnostic,
    EnvironmentProgress,
    EnvironmentReady,
    Event,
    NodeFinished,
    NodeOutput,
    NodeProgress,
    NodeStarted,
    RunFinished,
    RunStarted,
)
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import FINAL_RUN_STATES, NodeState, RunState

_PASSING = frozenset(
    kind.NAME for kind in (NodeStarted, NodeOutput, NodeProgress, Diagnostic, EnvironmentProgress, EnvironmentReady)
)
_VERDICTS = {
    RunState.QUEUED: "the run has not begun",
    RunState.RUNNING: "the run is not over",
    RunState.SUCCEEDED: "the run succeeded",
    RunState.FAILED: "the run failed",
    RunState.CANCELLED: "the run was cancelled",
    RunState.INTERRUPTED: "the run was interrupted: its daemon ended before it",
}


class Outputs(Mapping[str, dict[str, Any]]):
    """The output values of finished nodes: `outputs["Report"]["text"]`.

    A node is found by its id, or by its title when no other node has it. Iterating gives titles, and ids where
    titles are shared.
    """

    def __init__(self) -> None:
        self._values: dict[str, dict[str, Any]] = {}
        self._titles: dict[str, str] = {}
        self._ids_by_title: dict[str, list[str]] = {}

    def add(self, node: NodeId, title: str, values: dict[str, Any]) -> None:
        """The outputs of one more node."""
        if node not in self._values:
            self._ids_by_title.setdefault(title, []).append(node)
        self._values[node] = values
        self._titles[node] = title

    def __getitem__(self, node: str) -> dict[str, Any]:
        if node in self._values:
            return self._values[node]
        ids = self._ids_by_title.get(node, [])
        if len(ids) > 1:
            raise KeyError(f"{len(ids)} nodes are called {node!r}; use an id: {', '.join(ids)}")
        if not ids:
            raise KeyError(f"no finished node has the id or title {node!r}")
        return self._values[ids[0]]

    def __iter__(self) -> Iterator[str]:
        return map(self.label, self._titles)

    def label(self, node: str) -> str:
        """The shortest name that means this node: its title, or its id where the title means others too."""
        title = self._titles[node]
        return title if len(self._ids_by_title[title]) == 1 and title not in self._titles else node

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Outputs({dict(self)!r})"


class RunRecord:
    """The story of one run so far."""

    def __init__(self) -> None:
        self.state = RunState.QUEUED
        self.outputs = Outputs()
        self.failures: tuple[NodeFinished, ...] = ()
        self.error: ErrorInfo | None = None
        self.last: tuple[NodeId, ...] = ()
        self.titles: dict[NodeId, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether the last event was seen."""
        return self.state in FINAL_RUN_STATES

    def take(self, record: EventRecord) -> Event | None:
        """The next event of the run, typed; None for a kind that this client does not know."""
        try:
            event = record.decode()
        except ProtocolError as error:
            raise ProtocolMismatch(f"cannot understand an event of the daemon: {error}.") from None
        if event is not None:
            self.add(event)
        return event

    def skim(self, record: EventRecord) -> None:
        """The next event of the run, for who only wants to know what it amounts to."""
        wire = record.wire
        if wire.get("event") in _PASSING:
            return
        node, title, outputs = wire.get("node"), wire.get("title"), wire.get("outputs")
        is_done = wire.get("event") == NodeFinished.NAME and wire.get("state") == NodeState.DONE
        if is_done and type(node) is str and type(title) is str and type(outputs) is dict:
            self._add_outputs(NodeId(node), title, outputs)
        else:
            self.take(record)

    def add(self, event: Event) -> None:
        """The next event of the run."""
        match event:
            case RunStarted():
                self.state, self.last = RunState.RUNNING, event.last
            case NodeStarted():
                self.titles[event.node] = event.title
            case NodeFinished():
                self._add_finished(event)
            case RunFinished():
                self.state, self.error = event.state, event.error

    def raise_unless_succeeded(self) -> None:
        """RunFailed unless the run succeeded."""
        if self.state is not RunState.SUCCEEDED:
            raise RunFailed(self.verdict(), state=self.state, failures=self.failures, error=self.error)

    def verdict(self) -> str:
        """How the run ended, as a sentence."""
        if self.error is not None:
            return f"{_VERDICTS[self.state]}: {self.error.message}"
        if not self.failures:
            return f"{_VERDICTS[self.state]}."
        first = self.failures[0]
        reason = f": {first.error.message}" if first.error is not None else ""
        others = f" (and {len(self.failures) - 1} more)" if len(self.failures) > 1 else ""
        return f"{first.title} failed{reason}{others}"

    def _add_finished(self, event: NodeFinished) -> None:
        if event.state is NodeState.DONE:
            self._add_outputs(event.node, event.title, event.outputs)
            return
        self.titles[event.node] = event.title
        if event.state is NodeState.FAILED:
            self.failures += (event,)

    def _add_outputs(self, node: NodeId, title: str, outputs: dict[str, Any]) -> None:
        self.titles[node] = title
        self.outputs.add(node, title, outputs)
