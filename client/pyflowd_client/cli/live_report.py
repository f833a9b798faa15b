"""A run told on a terminal: a line for each node that works, and everything else scrolling by above."""

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from pyflowd_client.cli.report import Report
from pyflowd_client.cli.tables import cut
from pyflowd_client.cli.values import one_line
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.events import (
    DebuggerClosed,
    DebuggerOpened,
    EnvironmentProgress,
    EnvironmentReady,
    Event,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    RunFinished,
    RunStarted,
)
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.record import RunRecord

TITLE_WIDTH = 30


class WorkColumn(BarColumn):
    """A bar for nodes that say how far they are, and nothing for the others."""

    def render(self, task: Task) -> ProgressBar | Text:  # type: ignore[override]
        """The bar, or an empty text."""
        return super().render(task) if task.total is not None else Text("")


def _new_progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[title]}", markup=False),
        WorkColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", style="dim", markup=False),
        console=Console(stderr=True, highlight=False, soft_wrap=True),
        transient=True,
    )


class LiveReport(Report):
    """Tells a run on the terminal that stderr is."""

    def __init__(self, record: RunRecord, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(record, quiet=quiet, verbose=verbose)
        self._working: dict[NodeId, TaskID] = {}
        self._building: TaskID | None = None  # an environment, which nodes wait for
        self._progress = _new_progress()
        self._progress.start()

    def show(self, event: Event) -> None:
        """One more event."""
        if isinstance(event, EnvironmentProgress):
            self._show_building(one_line(event.message))
            return
        if isinstance(event, EnvironmentReady | RunStarted | RunFinished):
            self._end_building()
        if isinstance(event, DebuggerClosed) and event.node in self._working:
            self._begin_anew()
        if isinstance(event, NodeStarted):
            title = one_line(event.title)[:TITLE_WIDTH]
            self._working[event.node] = self._progress.add_task("", total=None, title=title, message="")
        elif isinstance(event, NodeProgress) and event.node in self._working:
            task = self._working[event.node]
            self._progress.update(task, total=1.0, completed=event.fraction, message=one_line(event.message))
        super().show(event)
        if isinstance(event, NodeFinished) and event.node in self._working:
            self._progress.remove_task(self._working.pop(event.node))

    def _show_building(self, message: str) -> None:
        """The newest word on the environment takes the place of the one before; a long one would take the clock's."""
        message = cut(message, self._progress.console.width - TITLE_WIDTH)
        if self._building is None:
            self._building = self._progress.add_task("", total=None, title="environment", message=message)
        else:
            self._progress.update(self._building, message=message)

    def _end_building(self) -> None:
        if self._building is not None:
            self._progress.remove_task(self._building)
            self._building = None

    def show_debugger(self, event: DebuggerOpened) -> None:
        """Pdb takes the terminal for itself, until it is closed."""
        super().show_debugger(event)
        if event.port is None:
            self._progress.stop()

    def _begin_anew(self) -> None:
        """One that was stopped would go on over the lines that others have written since."""
        before, self._progress = self._progress, _new_progress()
        tasks = {task.id: task for task in before.tasks}
        for node, number in self._working.items():
            old = tasks[number]
            new = self._working[node] = self._progress.add_task("", total=old.total, **old.fields)
            self._progress.update(new, completed=old.completed)
            self._progress.tasks[-1].start_time = old.start_time
        self._progress.start()

    def finish(self) -> None:
        """The run is over: the working lines go, and what the last nodes give is printed."""
        self.close()
        super().finish()

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()

    def print_output(self, name: str, value: object) -> None:
        """A text of several lines is shown as it reads, where people look at it."""
        if isinstance(value, str) and "\n" in value and sys.stdout.isatty():
            print(f"{name} =")
            print("\n".join(f"  {line}" for line in value.splitlines()))
        else:
            super().print_output(name, value)

    def node_line(self, title: str, text: str) -> None:
        """What a node wrote, under its title when others work at the same time."""
        written = Text.from_ansi(text)
        if len(self._working) > 1:
            written = Text(f"{one_line(title)} ", style="cyan") + Text("| ", style="dim") + written
        self._progress.console.print(written)

    def line(self, text: str) -> None:
        """A line for people."""
        self._progress.console.print(Text(text))

    def show_failure(self, title: str, error: ErrorInfo) -> None:
        """A node failed, and why."""
        self._progress.console.print(Text(f"{title} failed: ", style="bold red") + Text(error.message))
        if error.traceback:
            self._progress.console.print(Text("\n".join(f"  {line}" for line in error.traceback.rstrip().split("\n"))))
        self.show_variables(error)
        self.show_hint(error)
