"""Commands that make and change environments, and what they say while they do.

They run in `/`, with the user's settings of uv and pip, and with none of a project's. They never read our input, and
what they write never reaches our output.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyflowd.environments.failures import ANSI

OUTPUT_MOST = 1_000_000  # characters that are kept, of the end
REDIRECTING = (
    "VIRTUAL_ENV CONDA_PREFIX UV_PYTHON UV_SYSTEM_PYTHON UV_BREAK_SYSTEM_PACKAGES UV_COMPILE_BYTECODE UV_WORKING_DIR"
    " UV_PROJECT UV_PROJECT_ENVIRONMENT UV_VENV_SEED UV_VENV_CLEAR UV_VENV_RELOCATABLE UV_NO_BUILD_ISOLATION"
    " UV_MANAGED_PYTHON PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PIP_REQUIREMENT PIP_EDITABLE PIP_DRY_RUN"
    " PIP_REPORT PIP_QUIET PIP_VERBOSE PIP_LOG PIP_NO_BUILD_ISOLATION PIP_REQUIRE_VIRTUALENV PIP_IGNORE_INSTALLED"
    " PIP_UPGRADE"
)
PATIENCE = {  # unless the user says otherwise: no network is told at once, and one hiccup is forgiven
    "UV_HTTP_RETRIES": "1",
    "UV_HTTP_CONNECT_TIMEOUT": "5",
    "PIP_RETRIES": "1",
    "PIP_DEFAULT_TIMEOUT": "15",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What is needed to make or change one environment.

    scratch: a folder for what is only needed meanwhile. lock: the descriptor that holds the environment's lock.
    say: tells who waits what is being done, in a few words.
    """

    scratch: Path
    say: Callable[[str], None]
    lock: int
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(self, command: Sequence[str], progress: Callable[[str], str | None]) -> tuple[int, str]:
        """Exit code, and what it wrote. `progress` makes of a line what is told, or None."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            env=self._variables(), pass_fds=(self.lock,), text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(ANSI.sub("", line))
                told = progress(lines[-1].rstrip())
                if told:
                    self.say(told)
            return process.wait(), "".join(lines)[-OUTPUT_MOST:]
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def write(self, name: str, text: str) -> Path:
        """A file in the scratch folder."""
        path = self.scratch / name
        path.write_text(text, encoding="utf-8")
        return path

    def _variables(self) -> dict[str, str]:
        redirecting = REDIRECTING.split()
        kept = {
            name: value
            for name, value in self.variables.items()
            if name not in redirecting and not name.startswith("PYTHON")
        }
        return {**PATIENCE, **kept, "TMPDIR": str(self.scratch), "NO_COLOR": "1", "UV_NO_WRAP": "1"}
