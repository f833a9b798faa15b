"""A run that stands still where a test wants it to, so that nothing has to be waited for by the clock."""

import os
from pathlib import Path
from typing import Any

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.events import NodeProgress
from pyflowd_client.protocol.options import Permissions
from support.daemons import graph, node

WAITS = node(
    "import apple\nprogress(0.5, 'here')\nwith open(path) as pipe:\n    pipe.read()\nreturn apple.VERSION",
    "path: str",
    "str",
)
FOLLOWS = node("import apple\nreturn before + ' ' + apple.VERSION", "before: str", "str")


class Held:
    """A node that has come as far as it can until it is let go: it reads from a pipe. Another follows it."""

    def __init__(self, client: Client, folder: Path, **arguments: Any) -> None:
        self._path = folder / "pipe"
        os.mkfifo(self._path, 0o644)
        document = graph(WAITS, FOLLOWS, edges=(("n0", "output_1", "n1", "before"),))
        grant = Permissions(read=(str(folder),))
        self.run = client.run_document(document, inputs={"n0.path": str(self._path)}, permissions=grant, **arguments)
        self._events = iter(self.run)
        while not isinstance(event := next(self._events), NodeProgress):
            assert event.NAME != "run_finished", event

    def let_go(self) -> str:
        """What the last node returns: the versions of apple that both saw."""
        self.end()
        found: str = self.run.result()["n1"]["output_1"]
        return found

    def end(self) -> None:
        """Let the run go on to its end, whatever that is."""
        self._path.write_text("go")
        for _ in self._events:
            continue
        self._path.unlink()
