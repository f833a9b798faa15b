"""Jobs: slow work on environments, each in a process of its own that ends with us, whatever ends us.

A job is told what to do by one line of JSON, and tells by lines what happens and, at last, what came out of it. When
its standard input ends, so does it, with all that it started.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

MODULE = "pyflowd.environments.job"
READ_BYTES = 65536
LINE_BYTES_MOST = 64_000_000
LAST_WORDS_BYTES = 2000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who wants to know how a job gets on: exactly one of `done` and `failed` is called, unless it is abandoned."""

    done: Callable[[dict[str, Any]], None]
    failed: Callable[[ErrorInfo], None]
    progressed: Callable[[str], None] = lambda _: None


class Job:
    """One process."""

    def __init__(self, request: Mapping[str, Any], loop: asyncio.AbstractEventLoop, listener: Listener) -> None:
        self._loop = loop
        self._listener = listener
        self._buffer = b""
        self._outcome: Callable[[], None] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._last_words = b""
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        for descriptor, read in ((self._out, self._read), (self._err, self._read_words)):
            os.set_blocking(descriptor, False)
            loop.add_reader(descriptor, read)

    def abandon(self) -> None:
        """End it and all that it started; nobody is told."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._close()

    def _read(self) -> None:
        try:
            data = os.read(self._out, READ_BYTES)
        except BlockingIOError:
            return
        self._buffer += data
        if not data or len(self._buffer) > LINE_BYTES_MOST:
            self._end()
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._take(line)

    def _read_words(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._err, READ_BYTES)
            if not data:
                self._loop.remove_reader(self._err)
            self._last_words = (self._last_words + data)[-LAST_WORDS_BYTES:]

    def _take(self, line: bytes) -> None:
        message: dict[str, Any] = json.loads(line)
        if "progress" in message:
            self._listener.progressed(str(message["progress"]))
        elif "result" in message:
            result = message["result"]
            self._outcome = lambda: self._listener.done(result)
        elif "error" in message:
            said = message["error"]
            error = ErrorInfo(code=ErrorCode.ENVIRONMENT, message=said["message"], hint=said.get("hint"))
            self._outcome = lambda: self._listener.failed(error)

    def _end(self) -> None:
        """It has said all that it will; what is left of it, if anything, is not waited for."""
        self._read_words()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._close()
        if self._outcome is not None:
            self._outcome()
            return
        words = self._last_words.decode("utf-8", "replace").strip().splitlines()
        log.error("a job ended with status %s: %s", self._process.returncode, "\n".join(words))
        reason = f": {words[-1]}" if words else "."
        message = f"The process that works on environments ended without a result{reason}"
        self._listener.failed(ErrorInfo(code=ErrorCode.INTERNAL, message=message))

    def _close(self) -> None:
        for descriptor in (self._out, self._err):
            self._loop.remove_reader(descriptor)
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert file is not None
            with suppress(BrokenPipeError):
                file.close()
        self._process.wait()


class Jobs:
    """All jobs under way. `common` is what every job must know."""

    def __init__(self, common: Mapping[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        self._common = common
        self._loop = loop
        self._under_way: dict[int, Job] = {}
        self._last_id = 0

    def start(self, action: str, parameters: Mapping[str, Any], listener: Listener) -> int:
        """Begin a job; the number by which it can be abandoned."""
        self._last_id += 1
        number = self._last_id

        def leave() -> None:
            self._under_way.pop(number, None)

        def done(result: dict[str, Any]) -> None:
            leave()
            listener.done(result)

        def failed(error: ErrorInfo) -> None:
            leave()
            listener.failed(error)

        told = Listener(done=done, failed=failed, progressed=listener.progressed)
        self._under_way[number] = Job({**self._common, **parameters, "action": action}, self._loop, told)
        return number

    def abandon(self, number: int) -> None:
        """End a job, if it has not ended."""
        job = self._under_way.pop(number, None)
        if job is not None:
            job.abandon()

    def close(self) -> None:
        """End all."""
        for number in list(self._under_way):
            self.abandon(number)
