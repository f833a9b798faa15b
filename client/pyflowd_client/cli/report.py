"""A run told in plain lines: what nodes write and what goes wrong to stderr, what the last nodes give to stdout."""

import sys

from pyflowd_client.cli.values import counted, one_line, several_lines, shown_size, shown_time, shown_value
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.events import (
    DebuggerOpened,
    Diagnostic,
    EnvironmentProgress,
    EnvironmentReady,
    Event,
    EventsLost,
    NodeFinished,
    NodeOutput,
    NodeStarted,
    RunFinished,
)
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState, RunState
from pyflowd_client.record import RunRecord

EXPLANATION = "cache"  # comes only if it was asked for


class Report:
    """Tells a run as it goes. Give it each event, then let it finish."""

    def __init__(self, record: RunRecord, *, quiet: bool = False, verbose: bool = False) -> None:
        self._record = record
        self._quiet = quiet
        self._verbose = verbose
        self._unfinished: dict[NodeId, str] = {}  # lines that have begun
        self._skipped = 0

    def show(self, event: Event) -> None:
        """One more event, which the record has already taken."""
        match event:
            case Diagnostic():
                self._show_diagnostic(event)
            case EnvironmentProgress():
                self.note(one_line(event.message))
            case EnvironmentReady():
                self.note(
                    f"environment ready: {counted(event.packages, 'package')}, after {shown_time(event.duration_s)}"
                )
                self.show_warnings(event)
            case NodeStarted() if self._verbose:
                self.note(f"{one_line(event.title)} began")
            case NodeOutput():
                self._show_output(event)
            case NodeFinished():
                self._end_line(event.node)
                self._show_finished(event)
            case DebuggerOpened():
                self.show_debugger(event)
            case EventsLost():
                count = event.last_seq - event.first_seq + 1
                self.line(f"{counted(count, 'event')} came too fast to be kept and cannot be shown")
            case RunFinished():
                self._show_end(event)

    def finish(self) -> None:
        """The run is over: print what its last nodes give."""
        outputs = self._record.outputs
        for node in self._record.last:
            if node not in outputs:
                continue
            for pin, value in outputs[node].items():
                self.print_output(f"{one_line(outputs.label(node))}.{pin}", value)

    def close(self) -> None:
        """Nothing more is shown."""

    def print_output(self, name: str, value: object) -> None:
        """One value that the run gives."""
        print(f"{name} = {shown_value(value)}", file=sys.stdout)

    def line(self, text: str) -> None:
        """A line for people."""
        print(text, file=sys.stderr)

    def node_line(self, title: str, text: str) -> None:
        """A line that a node wrote."""
        self.line(f"{one_line(title)} | {text}")

    def note(self, text: str) -> None:
        """A line that nobody misses who wants it quiet."""
        if not self._quiet:
            self.line(text)

    def title(self, node: NodeId) -> str:
        """What the node is called."""
        return self._record.titles.get(node, node)

    def show_warnings(self, event: EnvironmentReady) -> None:
        """What an environment has to do without."""
        for warning in event.warnings:
            self.note(f"warning: {several_lines(warning)}")

    def _show_diagnostic(self, event: Diagnostic) -> None:
        is_asked_for = self._verbose or event.code == EXPLANATION
        if (event.severity != "error" and self._quiet) or (event.severity == "info" and not is_asked_for):
            return
        where = f"{one_line(event.title or event.node)}: " if event.node else ""
        self.line(several_lines(f"{event.severity}: {where}{event.message} [{event.code}]"))

    def _show_output(self, event: NodeOutput) -> None:
        if self._quiet:
            return
        if event.node not in self._record.titles:  # it was not executed: its end, which comes at once, has its title
            self._unfinished[event.node] = self._unfinished.get(event.node, "") + event.text
            return
        *lines, rest = (self._unfinished.pop(event.node, "") + event.text).split("\n")
        for line in lines:
            self.node_line(self.title(event.node), line.rstrip("\r"))
        if rest:
            self._unfinished[event.node] = rest

    def _end_line(self, node: NodeId) -> None:
        rest = self._unfinished.pop(node, "")
        for line in rest.removesuffix("\n").split("\n") if rest else ():
            self.node_line(self.title(node), line.rstrip("\r"))

    def _show_finished(self, event: NodeFinished) -> None:
        title = one_line(event.title)
        if event.state is NodeState.FAILED and event.error is not None:
            self.show_failure(title, event.error)
        elif event.state is NodeState.SKIPPED:
            self._skipped += 1
            self.note(event.error.message if event.error is not None else f"{title} was skipped")
        elif event.state is NodeState.DONE and self._verbose:
            took = f"{shown_time(event.duration_s)}, {shown_size(event.peak_memory_bytes)}"
            self.note(f"{title} done ({'from the cache' if event.cached else took})")

    def show_debugger(self, event: DebuggerOpened) -> None:
        """A debugger is open, and where."""
        title = one_line(event.title)
        if event.port is None:
            self.line(f"{title} failed; pdb opens in it")
        else:
            self.line(f"{title} waits for a debugger to attach: debugpy, 127.0.0.1:{event.port}")

    def show_failure(self, title: str, error: ErrorInfo) -> None:
        """A node failed, and why."""
        self.line(f"{title} failed: {error.message}")
        if error.traceback:
            self.line("\n".join(f"  {line}" for line in error.traceback.rstrip().split("\n")))
        self.show_variables(error)
        self.show_hint(error)

    def show_variables(self, error: ErrorInfo) -> None:
        """What the variables were where it happened, the innermost frame last, as in the traceback."""
        for frame in error.frames or () if self._verbose else ():
            if frame.locals:
                self.line(f"  variables of {one_line(frame.function)}, line {frame.line} of {one_line(frame.title)}:")
            for name, text in frame.locals.items():
                self.line(f"    {one_line(name)} = {one_line(text)}")

    def show_hint(self, error: ErrorInfo) -> None:
        """What would allow what was denied."""
        if error.hint:
            self.line(f"hint: {one_line(error.hint)}")

    def _show_end(self, event: RunFinished) -> None:
        if event.error is not None:
            self.line(several_lines(f"{self._record.verdict()} [{event.error.code}]"))
            self.show_hint(event.error)
            return
        if event.state is RunState.SUCCEEDED and not self._verbose:
            return
        counts = [(len(self._record.failures), "failed"), (self._skipped, "skipped")]
        details = ", ".join(f"{counted(count, 'node')} {what}" for count, what in counts if count)
        self.line(f"{event.state} after {shown_time(event.duration_s)}{': ' + details if details else ''}")
