"""An editor's end of the Debug Adapter Protocol, as far as tests need it."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 30.0
Message = dict[str, Any]


class Editor:
    """Attached to a debugger; `heard` are the events that have come."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._count = 0
        self.heard: list[Message] = []

    def close(self) -> None:
        """Hang up."""
        self._file.close()

    def send(self, command: str, **arguments: Any) -> int:
        """A request; its number."""
        self._count += 1
        request = {"seq": self._count, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self._count

    def ask(self, command: str, **arguments: Any) -> Message:
        """A request, and the body of its answer."""
        number = self.send(command, **arguments)
        answer = self.until(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        body: Message = answer.get("body", {})
        return body

    def event(self, name: str) -> Message:
        """The body of the next event of this name that has not been heard."""
        return dict(self.until(lambda message: message.get("event") == name).get("body", {}))

    def until(self, is_it: Callable[[Message], bool]) -> Message:
        """The next message that is the one."""
        while True:
            message = self._receive()
            if is_it(message):
                return message
            self.heard.append(message)

    def attach(self) -> None:
        """Begin, up to where breakpoints are set."""
        self.ask("initialize", adapterID="tests", pathFormat="path")
        self.send("attach", justMyCode=False)
        self.event("initialized")

    def _receive(self) -> Message:
        length = 0
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, f"the debugger hung up; heard: {self.heard}"
        message: Message = json.loads(self._file.read(length))
        return message


@contextmanager
def attached(port: int) -> Iterator[Editor]:
    """An editor that is attached to a port of this machine."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        editor = Editor(connection)
        try:
            editor.attach()
            yield editor
        finally:
            editor.close()
