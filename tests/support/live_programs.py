"""`pyflowctl live --json` as an editor has it: lines go in, lines come out."""

import json
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from support.client_commands import COMMAND


class LiveProgram:
    """The program, with what it has told so far."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [*COMMAND, "live", "--json", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def say(self, *lines: Any) -> None:
        """Changes, or texts as they are."""
        assert self.process.stdin is not None
        for line in lines:
            text = line if isinstance(line, str) else json.dumps(line)
            self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, **fields: Any) -> dict[str, Any]:
        """The next line that has these fields."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            wire = json.loads(line)
            self.told.append(wire)
            if fields.items() <= wire.items():
                return dict(wire)
        raise AssertionError(f"{fields} was not told, but {self.told}")

    def end(self) -> int:
        """Close its input; its exit status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.told += map(json.loads, self.process.stdout)
        return self.process.wait(20)

    def __enter__(self) -> "LiveProgram":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
