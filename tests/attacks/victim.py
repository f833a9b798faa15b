"""A process of the same user that minds its own business, and what can be seen of it from outside."""

import json
import os
import resource
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

SECRET = b"unharmed"
PATIENCE_S = 5.0
CODE = """
import ctypes, json, sys
kept = ctypes.create_string_buffer(%r)
print(ctypes.addressof(kept), flush=True)
for _ in sys.stdin:
    print(json.dumps(kept.value.decode("latin-1")), flush=True)
"""


class Victim:
    """Use as a context manager: it ends with the block."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", CODE % SECRET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
        process = psutil.Process(self.pid)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        is_held = status["State"][0] in "Tt" or status["TracerPid"] != "0"
        return {
            "tracer": status["TracerPid"],
            "is held": is_held,
            "memory": "silent" if is_held else self._memory(),
            "affinity": sorted(os.sched_getaffinity(self.pid)),
            "nice": process.nice(),
            "policy": os.sched_getscheduler(self.pid),
            "cpu limit": resource.prlimit(self.pid, resource.RLIMIT_CPU),
        }

    def _memory(self) -> str:
        """What it finds in its own memory; nothing when somebody holds it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE_S)[0]:
            return "silent"
        found: str = json.loads(self._read_line())
        return found

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
