"""The user's terminal, lent to the pdb in a node: keys go there, what comes back is shown.

While it is lent it is raw: Ctrl-C interrupts what pdb executes, and not the run. What else happens in the run is told
afterwards. However it ends, the terminal is given back as it was, and what was typed and not read is dropped.
"""

import codecs
import os
import select
import signal
import sys
import termios
import tty
from collections import deque

from pyflowd_client.cli.following import Following
from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.cli.screen import Screen
from pyflowd_client.errors import Refused
from pyflowd_client.protocol.events import DebuggerClosed, DebuggerOpened, RunFinished, TerminalOutput
from pyflowd_client.protocol.ids import NodeId, RunId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from pyflowd_client.blocking import Client
    from pyflowd_client.protocol.codec import EventRecord

READ_BYTES = 1024
END_OF_FILE = "\x04"


class Loan:
    """A terminal while pdb has it: raw, watched for keys and for its size."""

    def __init__(self, client: "Client", run: RunId, node: NodeId) -> None:
        self.node = node
        self._client = client
        self._run = run
        self._screen = Screen()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._input, self._output = sys.stdin.fileno(), sys.stderr.fileno()
        self._before = termios.tcgetattr(self._input)
        self._is_resized = True
        self._handler = signal.signal(signal.SIGWINCH, self._resized)
        self.wake = select.epoll()
        self.wake.register(self._input, select.EPOLLIN)
        tty.setraw(self._input, termios.TCSANOW)

    def close(self) -> None:
        """Give it back."""
        termios.tcsetattr(self._input, termios.TCSAFLUSH, self._before)
        signal.signal(signal.SIGWINCH, self._handler)
        self.wake.close()

    def forward(self) -> None:
        """Pass on what has been typed, and the size if it is another one."""
        try:
            if self._is_resized:
                self._is_resized = False
                columns, rows = os.get_terminal_size(self._output)
                self._client.resize_terminal(self._run, self.node, columns=columns, rows=rows)
            if any(descriptor == self._input for descriptor, _ in self.wake.poll(0)):
                self._client.write_terminal(self._run, self.node, self._typed())
        except Refused:  # it was closed in this moment, of which we shall hear
            return

    def show(self, text: str) -> None:
        """Write what pdb writes."""
        data = self._screen.show(text)
        while data:
            data = data[os.write(self._output, data) :]

    def _typed(self) -> str:
        data = os.read(self._input, READ_BYTES)
        if not data:  # nobody is there any more
            self.wake.unregister(self._input)
            return END_OF_FILE
        return self._decode(data)

    def _resized(self, number: int, frame: "FrameType | None") -> None:
        self._is_resized = True


class PdbFollowing(Following):
    """The events of a run; from the opening of a pdb to its end its terminal is ours, and the others wait."""

    def __init__(self, client: "Client", run: RunId, interrupts: Interrupts) -> None:
        super().__init__(client, run, interrupts)
        self._opened: NodeId | None = None
        self._held: deque[EventRecord] = deque()

    def next(self) -> "EventRecord":
        """The next event for a report; TerminalOutput is shown here."""
        if self._opened is not None:  # which was told meanwhile
            node, self._opened = self._opened, None
            self._lend(node)
        if self._held:
            return self._held.popleft()
        record = super().next()
        if record.wire.get("event") == DebuggerOpened.NAME and record.wire.get("port") is None:
            self._opened = NodeId(record.wire["node"])
        return record

    def _lend(self, node: NodeId) -> None:
        """Let pdb have the terminal to its end."""
        loan = Loan(self._client, self._run, node)
        try:
            loan.wake.register(self._interrupts.fd, select.EPOLLIN)
            while True:
                self._heed_interrupts()
                self._interrupts.drain()
                loan.forward()
                record = self._client.next_event(self._run, wake_fd=loan.wake.fileno())
                if record is not None and not self._take(loan, record):
                    break
        finally:
            loan.close()

    def _take(self, loan: Loan, record: "EventRecord") -> bool:
        """Whether pdb is still open after this."""
        name, is_ours = record.wire.get("event"), record.wire.get("node") == loan.node
        if name == TerminalOutput.NAME and is_ours:
            loan.show(str(record.wire.get("text", "")))
            return True
        self._held.append(record)
        return not (name == RunFinished.NAME or (name == DebuggerClosed.NAME and is_ours))
