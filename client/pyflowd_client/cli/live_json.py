"""A live session for programs: each event as it came on a line of stdout, each line of stdin a change.

A line that is no change, and a change that is refused, are answered by `{"error": {...}, "line": N, "id": ...}`.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from pyflowd_client.cli.live_lines import BadLine, request_of
from pyflowd_client.errors import ChangeRefused
from pyflowd_client.live import Live
from pyflowd_client.protocol.codec import EventRecord, to_wire
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES
from pyflowd_client.protocol.requests import UpdateLive

CHUNK_BYTES = 1 << 16


class JsonFace:
    """What `pyflowctl live --json` writes and reads."""

    patience_s = 5.0  # for what was asked for before the end of the input

    def __init__(self, live: Live) -> None:
        self._live = live
        self._begun = b""  # a line that has not ended
        self._is_too_long = False
        self._lines = 0
        self._line_of: dict[str, int] = {}  # of changes whose event has not come
        self.fd: int | None = sys.stdin.fileno() if sys.stdin is not None else None
        self.is_done = self.fd is None
        if live.present is not None:
            self._write({"reply": live.present.NAME, **to_wire(live.present)})

    def read(self) -> Iterator[UpdateLive]:
        """The changes of the lines that have come; at the end of the input a last line needs no end."""
        assert self.fd is not None
        data = os.read(self.fd, CHUNK_BYTES)
        if not data:
            self.is_done = True
            data = b"\n" if self._begun else b""
        *lines, rest = (self._begun + data).split(b"\n")
        self._begun = rest
        for line in lines:
            yield from self._take(line)
        if len(self._begun) > MAX_REQUEST_BYTES:
            self._begun, self._is_too_long = b"", True

    def show(self, record: EventRecord) -> None:
        """The event as it came: encoding its values again could change them."""
        self._line_of.pop(str(record.wire.get("change")), None)
        sys.stdout.buffer.write(record.text.encode() + b"\n")

    def refuse(self, refusal: ChangeRefused) -> None:
        """The line of the change, and why."""
        self._complain(refusal.error, self._line_of.pop(refusal.change, None), refusal.change)

    def warn(self, text: str) -> None:
        """As an error that no line has."""
        self._complain(ErrorInfo(code=ErrorCode.BAD_GRAPH, message=text), None, None)

    def refresh(self) -> None:
        """What was written is sent."""
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Nothing is left to do."""

    def _take(self, line: bytes) -> Iterator[UpdateLive]:
        self._lines += 1
        if not line.strip() and not self._is_too_long:
            return
        try:
            if self._is_too_long:
                self._is_too_long = False
                raise BadLine(ErrorCode.BAD_INPUT, f"a line may have {MAX_REQUEST_BYTES} bytes")
            request = request_of(self._live, line)
        except BadLine as bad:
            self._complain(ErrorInfo(code=bad.code, message=str(bad)), self._lines, bad.change)
            return
        self._line_of[str(request.change)] = self._lines
        yield request

    def _complain(self, error: ErrorInfo, line: int | None, change: str | None) -> None:
        told = {"error": to_wire(error), "line": line, "id": change}
        self._write({name: value for name, value in told.items() if value is not None})

    def _write(self, wire: dict[str, Any]) -> None:
        before = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)  # integers of any size survive
        try:
            text = json.dumps(wire)
        finally:
            sys.set_int_max_str_digits(before)
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.buffer.flush()
