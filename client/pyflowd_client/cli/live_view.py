"""What `run` shows on a terminal: a bar for each running node, and above them what is to stay."""

import sys
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pyflowd_client.cli.views import PlainView, output_lines, usage_text
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import Event, NodeFinished, NodeProgress, NodeStarted, RunStarted
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState, RunState
from pyflowd_client.record import RunRecord

MARKS = {
    NodeState.DONE: "[green]✓[/green]",
    NodeState.FAILED: "[red]✗[/red]",
    NodeState.SKIPPED: "[yellow]-[/yellow]",
    NodeState.CANCELLED: "[yellow]-[/yellow]",
}
SHOWN_NODES_MOST = 40  # of a large graph only what fails, and the bar


class LiveView(PlainView):
    """A bar of the whole run, and the nodes under way; finished nodes, output and errors scroll above."""

    def __init__(self, *, is_verbose: bool) -> None:
        super().__init__(is_verbose=is_verbose)
        self._console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._live = Live(self._bars, console=self._console, transient=True, refresh_per_second=10)
        self._whole: Any = None
        self._tasks: dict[NodeId, Any] = {}
        self._is_large = False

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, record: EventRecord, event: Event | None, story: RunRecord) -> None:
        """Move the bars, and print what is to stay."""
        match event:
            case RunStarted():
                self._is_large = event.nodes > SHOWN_NODES_MOST
                self._whole = self._bars.add_task(escape(event.graph or "run"), total=event.nodes)
            case NodeStarted() if not self._is_large:
                self._tasks[event.node] = self._bars.add_task(f"  {escape(event.title)}", total=100)
            case NodeProgress():
                self._progressed(event)
            case NodeFinished():
                self._ended(event)
            case _:
                pass
        super().show(record, event, story)

    def end(self, story: RunRecord) -> None:
        """Leave the terminal as it was, with the outputs of the last nodes."""
        self._live.stop()
        if story.state is not RunState.SUCCEEDED:
            self._console.print(f"[red]{escape(story.verdict())}[/red]")
        for line in output_lines(story):
            print(line)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(escape(text))

    def say_output(self, name: str, text: str) -> None:
        """What a node wrote."""
        for line in text.splitlines():
            self._console.print(f"[cyan]{escape(name)}[/cyan] | {escape(line)}")

    def _progressed(self, event: NodeProgress) -> None:
        task = self._tasks.get(event.node)
        if task is not None:
            self._bars.update(task, completed=event.fraction * 100)
            if event.message:
                self.say_output("", event.message)

    def _ended(self, event: NodeFinished) -> None:
        task = self._tasks.pop(event.node, None)
        if task is not None:
            self._bars.remove_task(task)
        if self._whole is not None:
            self._bars.advance(self._whole)
        if not self._is_large:
            self._console.print(f"{MARKS[event.state]} {escape(event.title)} [dim]{usage_text(event)}[/dim]")
