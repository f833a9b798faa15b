"""Programs that are started to see whether they work, and given up on when they take too long."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program wrote, and why it failed; "" when it did not."""

    output: str
    problem: str


def outcome(command: Sequence[str], *, user: tuple[int, int] | None = None) -> Outcome:
    """What becomes of a command; `user` are the ids of another user and group to be."""
    uid, gid = user or (None, None)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            cwd="/",
            check=False,
            user=uid,
            group=gid,
            extra_groups=None if user is None else [],
        )
    except subprocess.TimeoutExpired:
        return Outcome("", f"{command[0]} took longer than {PATIENCE_S:.0f} s")
    except OSError as error:
        return Outcome("", f"{command[0]} cannot be started: {error.strerror}")
    if done.returncode == 0:
        return Outcome(done.stdout.strip(), "")
    words = done.stderr.strip().splitlines()
    return Outcome("", words[-1] if words else f"{command[0]} ended with status {done.returncode}")
