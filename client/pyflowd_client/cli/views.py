"""What `run` shows: NDJSON for programs, plain lines for pipes and logs. The view of a terminal is in live_view."""

import json
import sys
from typing import Any

from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import Diagnostic, EnvironmentProgress, Event, NodeFinished, NodeOutput, NodeStarted
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState, RunState
from pyflowd_client.record import RunRecord

LONGEST_VALUE = 2000


class View:
    """Shows events as they come, and the verdict at the end. A context manager, since some need to tidy up."""

    def show(self, record: EventRecord, event: Event | None, story: RunRecord) -> None:
        """One event; None when this client does not know its kind."""

    def end(self, story: RunRecord) -> None:
        """The run is over."""

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy up."""


class JsonView(View):
    """One event per line, exactly as the daemon sent it."""

    def show(self, record: EventRecord, event: Event | None, story: RunRecord) -> None:
        """Print the event's own text."""
        sys.stdout.write(record.text + "\n")
        sys.stdout.flush()


class PlainView(View):
    """Lines: what nodes write and why they fail to stderr, the outputs of the last nodes to stdout."""

    def __init__(self, *, is_quiet: bool = False, is_verbose: bool = False) -> None:
        self._is_quiet = is_quiet
        self._is_verbose = is_verbose

    def show(self, record: EventRecord, event: Event | None, story: RunRecord) -> None:
        """Print what a person wants to know of the event."""
        match event:
            case Diagnostic() if event.severity == "error" or not self._is_quiet:
                self.say(f"{event.severity} [{event.code}]: {event.message}")
            case EnvironmentProgress() if not self._is_quiet:
                self.say(event.message)
            case NodeStarted() if self._is_verbose:
                self.say(f"{event.title}: started")
            case NodeOutput() if not self._is_quiet:
                self.say_output(title(story, event.node), event.text)
            case NodeFinished():
                self._finished(event)
            case _:
                pass

    def end(self, story: RunRecord) -> None:
        """Print the outputs of the last nodes, and the verdict if it is a bad one."""
        if story.state is not RunState.SUCCEEDED:
            self.say(story.verdict())
        for line in output_lines(story):
            print(line)

    def say(self, text: str) -> None:
        """A line for people."""
        print(text, file=sys.stderr)

    def say_output(self, name: str, text: str) -> None:
        """What a node wrote, line by line."""
        for line in text.splitlines():
            self.say(f"{name} | {line}")

    def _finished(self, event: NodeFinished) -> None:
        if event.error is not None and (event.state is NodeState.FAILED or not self._is_quiet):
            self.say(failure_text(event))
        elif self._is_verbose:
            self.say(f"{event.title}: {usage_text(event)}")


def failure_text(event: NodeFinished) -> str:
    """Why a node has no outputs."""
    assert event.error is not None
    if event.state is not NodeState.FAILED:
        return event.error.message
    text = f"{event.title} failed [{event.error.code}]: "
    if event.error.traceback:
        return f"{text}\n{event.error.traceback.rstrip()}"
    return text + event.error.message


def usage_text(event: NodeFinished) -> str:
    """What a node took."""
    return f"{event.state} after {event.duration_s:.3f} s, {event.peak_memory_bytes / 1e6:.0f} MB"


def title(story: RunRecord, node: NodeId) -> str:
    """A node's title, or its id where no event has told it."""
    return story.titles.get(node, node)


def output_lines(story: RunRecord) -> list[str]:
    """`Title.pin = value` for the nodes that nothing depends on."""
    return [
        f"{title(story, node)}.{pin} = {value_text(value)}"
        for node in story.last
        if node in story.outputs_by_id
        for pin, value in story.outputs_by_id[node].items()
    ]


def value_text(value: Any) -> str:
    """A value as JSON, shortened if it is long."""
    if isinstance(value, dict) and set(value) == {"$value"} and isinstance(value["$value"], dict):
        shown = value["$value"]
        return (
            f"({shown.get('type')}, {shown.get('size_bytes')} bytes: {shown.get('preview')}) --max-value all shows it"
        )
    text = json.dumps(value, ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) > LONGEST_VALUE:
        return f"{text[:LONGEST_VALUE]}... ({len(text)} characters; --json shows all)"
    return text
