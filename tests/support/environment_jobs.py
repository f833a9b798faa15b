"""Jobs on environments: in this process, and in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyflowd.environments import job

DEADLINE_S = 60.0


@dataclass
class Bench:
    """Asks for one thing after the other, of one manager, in this process."""

    root: Path
    manager: str
    progress: list[str] = field(default_factory=list)

    def request(self, action: str, **parameters: Any) -> dict[str, Any]:
        """What a job is asked."""
        base = {"action": action, "root": str(self.root), "manager": self.manager, "default_python": sys.executable}
        return {**base, **parameters}

    def ask(self, action: str, **parameters: Any) -> dict[str, Any]:
        """What comes of it: the result."""
        self.progress.clear()
        outcome = job.perform(self.request(action, **parameters), self.progress.append)
        assert "result" in outcome, outcome
        result: dict[str, Any] = outcome["result"]
        return result

    def fail(self, action: str, **parameters: Any) -> dict[str, Any]:
        """What comes of it: the error."""
        self.progress.clear()
        outcome = job.perform(self.request(action, **parameters), self.progress.append)
        assert "error" in outcome, outcome
        error: dict[str, Any] = outcome["error"]
        return error

    def build(self, *requirements: str, **more: Any) -> dict[str, Any]:
        """An environment with these packages."""
        return self.ask("build", spec={"requirements": requirements, **more})

    def fail_to_build(self, *requirements: str, **more: Any) -> dict[str, Any]:
        """The error; and nothing is left."""
        error = self.fail("build", spec={"requirements": requirements, **more})
        self.expect_nothing()
        return error

    def expect_nothing(self) -> None:
        """No environment, complete or not, and nothing of the work for one."""
        left = [
            path for name in ("named", "built", "work", "locks", "records") for path in (self.root / name).glob("*")
        ]
        assert not left


def run(python: str, code: str) -> str:
    """What it prints, in the environment as nodes see it."""
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def version_of(python: str, package: str) -> str:
    """Which version of a package of ours is imported there; "" when there is none."""
    code = f"import {package}; print({package}.VERSION)"
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False).stdout.strip()


class RunningJob:
    """A job that was started as the daemon does, and all it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @property
    def group(self) -> int:
        """Its processes."""
        return self.process.pid

    def say_nothing_more(self) -> None:
        """As when the daemon dies."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def outcome(self) -> tuple[list[str], dict[str, Any]]:
        """What it told meanwhile, and the last message."""
        assert self.process.stdout is not None
        messages = [json.loads(line) for line in self.process.stdout]
        self.process.wait(DEADLINE_S)
        return [message["progress"] for message in messages[:-1]], messages[-1]


@contextmanager
def started(request: Mapping[str, Any], variables: Mapping[str, str], umask: int = 0o077) -> Iterator[RunningJob]:
    """A job, which is dead afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pyflowd.environments.job"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True, env=dict(variables), umask=umask,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        yield RunningJob(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with suppress(OSError):
            process.stdin.close()
