"""Processes that mind their own business, and what can be seen of them from outside."""

import os
import resource
import select
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

SECRET = "the-secret-of-" + os.urandom(6).hex()
PATIENCE_S = 5.0
CODE = """
import ctypes, sys
kept = ctypes.create_string_buffer(sys.argv[1].encode())
print(ctypes.addressof(kept), flush=True)
for _ in sys.stdin:
    print(kept.value.decode("latin-1"), flush=True)
"""


class Victim:
    """A process of the same user. Use as a context manager: it ends with the block."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", CODE, SECRET],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"TOKEN": SECRET},
        )
        self.pid = self._process.pid
        self.address = int(self._read_line())

    def __enter__(self) -> "Victim":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with self._process:
            pass

    def state(self) -> dict[str, Any]:
        """Everything that an attack could change."""
        seen = looks_of(self.pid)
        return seen | {"memory": self._memory() if seen["is free"] else "silent"}

    def _memory(self) -> str:
        """What it finds in its own memory; nothing when somebody holds it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE_S)[0]:
            return "silent"
        return self._read_line()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def looks_of(pid: int) -> dict[str, Any]:
    """What others may change about a process, as the kernel tells it."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        process = psutil.Process(pid)
        status = status_of(pid)
        return {
            "is free": status["State"][0] not in "TtZ" and status["TracerPid"] == "0",
            "since": process.create_time(),
            "affinity": sorted(os.sched_getaffinity(pid)),
            "nice": process.nice(),
            "disk": process.ionice(),
            "policy": os.sched_getscheduler(pid),
            "limits": [resource.prlimit(pid, which) for which in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)],
            "doomed": Path(f"/proc/{pid}/oom_score_adj").read_text(),
        }
    return {"is free": False, "since": 0}


def status_of(pid: int) -> Mapping[str, str]:
    """The lines of /proc/PID/status."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
