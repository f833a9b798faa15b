"""A node of another run, which works on while others attack, and tells how it is whenever it is asked by a signal."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

from attacks.victim import PATIENCE_S, SECRET, looks_of, status_of
from pyflowd_client.blocking import Client
from pyflowd_client.errors import DaemonLost, Refused
from pyflowd_client.protocol.events import NodeOutput
from pyflowd_client.protocol.options import Permissions
from support.daemons import graph, node

VALUE = SECRET * 10_000  # so large that it travels in a memfd
CODE = """
import ctypes, json, os, resource, signal, time
signals = []
def note(number, _): signals.append(number)
signal.signal(signal.SIGURG, note)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
secret = value[:26]
kept = ctypes.create_string_buffer(secret.encode())
file = open("kept", "w+")
file.write(secret)
file.flush()

def health():
    child = os.fork()
    if not child: os._exit(7)
    status = os.stat("kept")
    file.seek(0)
    return {
        "memory": kept.value.decode("latin-1") == secret, "value": hash(value) == known, "file": file.read() == secret,
        "folder": os.listdir("."), "mode": status.st_mode, "time": status.st_mtime_ns, "links": status.st_nlink,
        "limits": [resource.getrlimit(n) for n in range(16)], "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "variables": os.environ.get("TOKEN") == secret, "signals": signals, "place": os.getcwd(),
        "can fork": os.waitpid(child, 0)[1] == 7 << 8,
    }

known = hash(value)
print(json.dumps([os.getcwd(), ctypes.addressof(kept), file.fileno()]), flush=True)
while True:
    signal.sigwaitinfo([signal.SIGUSR1])
    print(json.dumps(health()), flush=True)
"""


class Sibling:
    """The process `pid`, as we number it; `scratch`, `address`, `descriptor`: where it keeps a secret."""

    def __init__(self, pid: int, lines: Iterator[str]) -> None:
        self.pid = pid
        self._lines = lines
        self.scratch, self.address, self.descriptor = json.loads(next(lines))

    def state(self) -> dict[str, Any]:
        """How it is: by its own account, and by what the kernel says."""
        seen = looks_of(self.pid)
        return seen | {"health": self._health() if seen["is free"] else None}

    def _health(self) -> Any:
        os.kill(self.pid, signal.SIGUSR1)
        alarm = threading.Timer(PATIENCE_S, _kill, [self.pid])  # one that says nothing says so by its end
        alarm.daemon = True
        alarm.start()
        try:
            return json.loads(next(self._lines, "null"))
        finally:
            alarm.cancel()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def sibling_node(client: Client) -> Iterator[Sibling]:
    """A node that runs until the block ends."""
    run = client.run_document(
        graph(node(CODE, "value: str")),
        inputs={"n0.value": VALUE},
        permissions=Permissions(env={"TOKEN": SECRET}),
        output_bytes=10**9,
    )
    lines = (event.text for event in run if isinstance(event, NodeOutput))
    first = next(lines)
    pid = None
    while pid is None:
        [pid] = [worker.pid for worker in client.status().workers if worker.run == run.id]
    yield Sibling(pid, _chain(first, lines))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    with contextlib.suppress(Refused, DaemonLost):  # it may be over, or all may be
        run.cancel()
        list(run)


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


@contextlib.contextmanager
def unconfined_sibling(folder: str) -> Iterator[Sibling]:
    """The same as a process like any other."""
    code = f"def run(value):\n{textwrap.indent(CODE, '    ')}\nrun({SECRET!r} * 10_000)"
    with subprocess.Popen(
        [sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True, cwd=folder, env={"TOKEN": SECRET}
    ) as process:
        assert process.stdout is not None
        yield Sibling(process.pid, iter(process.stdout.readline, ""))
        process.kill()


def numbers_of(pid: int) -> list[int]:
    """All the numbers that a process has, here and in the namespaces it is in."""
    return [int(number) for number in status_of(pid)["NSpid"].split()]
