"""A pyflowd of our own: private socket, private state, in a temporary folder; ended by pid on every way out."""

import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0


def private_environment(folder: Path) -> dict[str, str]:
    """Our environment, but with pyflowd's socket in `folder`; its state stays beside a chosen socket."""
    return {**os.environ, "PYFLOWD_SOCKET": str(folder / "daemon.sock")}


class DaemonProcess:
    """A running daemon; `socket` is where it listens, `pid` its process."""

    def __init__(self, *arguments: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pyflowd-bench-"))
        self.socket = self._folder / "daemon.sock"
        self.environment = private_environment(self._folder)
        self._log = self._folder / "stderr"
        self._process = self._start(arguments)

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to leave, then make it; its folder goes too."""
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, arguments: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        ready, ready_child_end = os.pipe()
        command = [sys.executable, "-m", "pyflowd", "--socket", str(self.socket), "--ready-fd", str(ready_child_end)]
        command += arguments
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command,
                pass_fds=[ready_child_end],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        os.close(ready_child_end)
        try:
            is_told, _, _ = select.select([ready], [], [], START_LIMIT_S)
            if is_told and os.read(ready, 1):
                return process
        finally:
            os.close(ready)
        process.kill()
        process.wait()
        story = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        shutil.rmtree(self._folder, ignore_errors=True)
        raise RuntimeError(f"the daemon did not start:\n{story}")
