"""What a terminal shows of a live session: a row for each node, below them what nodes wrote and what is wrong.

A view is made of the record, the choices of who looks, and the size of the screen; it asks nobody and draws nothing.
"""

import time
from collections import deque
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pyflowd_client.cli.values import one_line, shown_time, shown_value
from pyflowd_client.live_record import LiveNodeRecord, LiveRecord
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState

LOG_LINES = 200
TITLE_WIDTH = 28
WIDEST_VALUE = 400
KEYS = "arrows, number choose  t trigger  p pause/resume  a run all  r reset  q quit"
STYLES = {
    NodeState.RUNNING: "bold cyan",
    NodeState.DONE: "green",
    NodeState.FAILED: "bold red",
    NodeState.SKIPPED: "yellow",
    NodeState.CANCELLED: "yellow",
}


class LiveView:
    """What somebody sees of a session: which node is chosen, what was written, what is wrong."""

    def __init__(self, record: LiveRecord, name: str) -> None:
        self._record = record
        self._name = name
        self._log: deque[Text] = deque(maxlen=LOG_LINES)
        self._first = 0  # row
        self._number = ""  # as far as it is typed
        self._values: dict[NodeId, tuple[dict[str, Any], str]] = {}
        self.chosen = 0
        self.warning = ""

    @property
    def node(self) -> NodeId | None:
        """The chosen node."""
        nodes = list(self._record.nodes)
        return nodes[min(self.chosen, len(nodes) - 1)] if nodes else None

    def move(self, rows: int) -> None:
        """Choose a node further down, or up."""
        self._number = ""
        self.chosen = max(0, min(self.chosen + rows, len(self._record.nodes) - 1))

    def type(self, digit: str) -> None:
        """One more digit of the number of the node to choose."""
        number = self._number + digit
        if not 0 < int(number) <= len(self._record.nodes):
            number = digit  # it begins anew
        if 0 < int(number) <= len(self._record.nodes):
            self._number, self.chosen = number, int(number) - 1

    def log(self, title: str, text: str, style: str = "") -> None:
        """Lines that a node wrote, or that are about it."""
        for line in text.rstrip("\n").split("\n"):
            self._log.append(Text.assemble((f"{one_line(title)} | ", "dim"), (one_line(line.expandtabs(4)), style)))

    def render(self, width: int, height: int) -> Group:
        """The screen, of `height` lines at most."""
        log_height = min(len(self._log), max(0, (height - 6) // 3))
        rows = max(1, height - log_height - 4)
        parts: list[Any] = [self._headline(width), self._table(width, rows)]
        if log_height:
            parts += [_line(line, width) for line in list(self._log)[-log_height:]]
        parts.append(_line(Text(one_line(self.warning), "red"), width))
        parts.append(_line(Text(KEYS, "dim"), width))
        return Group(*parts)

    def _headline(self, width: int) -> Text:
        record = self._record
        nodes = list(record.nodes.values())
        failed = sum(node.state is NodeState.FAILED for node in nodes)
        if record.is_over:
            state = str(record.state)
        elif record.is_paused:
            state = "paused"
        else:
            state = "at rest" if record.settled_seq and record.is_at_rest else "at work"
        parts = [Text(one_line(record.graph or self._name), "bold"), Text(f"  {state}", "cyan")]
        counts = f"  {len(nodes)} nodes" + (f", {failed} failed" if failed else "")
        timers = f", {len(record.timers)} timed" if record.timers else ""
        parts.append(
            Text(f"{counts}{timers}  {self._name}{f'  {record.isolation}' if record.isolation else ''}", "dim")
        )
        return _line(Text.assemble(*parts), width)

    def _table(self, width: int, rows: int) -> Table:
        nodes = list(self._record.nodes.items())
        self.chosen = max(0, min(self.chosen, len(nodes) - 1))
        self._first = max(0, min(self._first, self.chosen, len(nodes) - rows))
        self._first = max(self._first, self.chosen - rows + 1)
        digits = len(str(len(nodes)))
        title_width = min(TITLE_WIDTH, max(8, (width - digits - 22) // 2))
        rest = max(4, width - digits - title_width - 22)
        table = Table.grid(padding=(0, 1))
        for column_width in (digits + 1, title_width, 9, 8, rest):
            table.add_column(width=column_width, no_wrap=True, overflow="ellipsis")
        table.add_row(*(Text(heading, "dim") for heading in (" #", "NODE", "STATE", "TIME", "VALUES")))
        for place, (node_id, node) in enumerate(nodes[self._first : self._first + rows], self._first):
            is_chosen = place == self.chosen
            table.add_row(
                Text(f"{'>' if is_chosen else ' '}{place + 1}", "bold" if is_chosen else "dim"),
                Text(one_line(node.title), "bold" if is_chosen else ""),
                Text(str(node.state), STYLES.get(node.state, "dim")),
                Text(_shown_duration(node), "dim"),
                self._value(node_id, node),
            )
        return table

    def _value(self, node_id: NodeId, node: LiveNodeRecord) -> Text:
        if node.state is NodeState.RUNNING and node.fraction is not None:
            return Text(f"{node.fraction:.0%} {one_line(node.message)}", "cyan")
        if node.error is not None and node.state in (NodeState.FAILED, NodeState.SKIPPED):
            return Text(one_line(node.error.message), "red" if node.state is NodeState.FAILED else "yellow")
        known, text = self._values.get(node_id, (None, ""))
        if known is not node.outputs:  # a large value is not written anew for each frame
            text = ", ".join(
                f"{one_line(pin)} = {shown_value(value)[:WIDEST_VALUE]}" for pin, value in node.outputs.items()
            )
            self._values[node_id] = (node.outputs, text := one_line(text[:WIDEST_VALUE]))
        return Text(text, "" if node.state is NodeState.DONE else "dim")


def _shown_duration(node: LiveNodeRecord) -> str:
    if node.state is NodeState.RUNNING and node.started is not None:
        return f"{max(0.0, time.time() - node.started):.0f} s"
    if node.duration_s is None or node.state is NodeState.SKIPPED:
        return ""
    return f"{node.duration_s * 1000:.3g} ms" if node.duration_s < 1 else shown_time(node.duration_s)


def _line(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text
