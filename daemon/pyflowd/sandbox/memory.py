"""Which tier each profile has been shown to have, since this machine started, with this version of ours.

A file of the daemon's own, in a folder that no node sees: hidden by itself, it would be seen again once it is replaced.
What cannot be read there counts for nothing.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyflowd import __version__
from pyflowd.core.ids import EnvironmentId
from pyflowd.sandbox.bubblewrap import find_bubblewrap
from pyflowd.sandbox.tiers import Tier

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROFILES_MOST = 1000


class TierMemory:
    """What was proven: (tier, why not a higher one) by profile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._proven: dict[str, tuple[Tier, tuple[str, ...]]] = {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(path.read_bytes())
            if found["of"] == _circumstances():
                self._proven = {name: (Tier(tier), tuple(why)) for name, (tier, why) in found["tiers"].items()}

    def get(self, environment: EnvironmentId) -> tuple[Tier, tuple[str, ...]] | None:
        """What was proven for a profile."""
        return self._proven.get(environment)

    def put(self, environment: EnvironmentId, tier: Tier, reasons: tuple[str, ...]) -> None:
        """Something was proven."""
        self._proven.pop(environment, None)
        self._proven[environment] = tier, reasons
        while len(self._proven) > PROFILES_MOST:
            del self._proven[next(iter(self._proven))]
        self._write()

    def forget(self, environment: EnvironmentId) -> None:
        """It does not hold any more."""
        if self._proven.pop(environment, None) is not None:
            self._write()

    def _write(self) -> None:
        draft = self._path.with_name(self._path.name + ".new")
        with suppress(OSError):
            draft.write_text(json.dumps({"of": _circumstances(), "tiers": self._proven}), encoding="utf-8")
            draft.replace(self._path)


def _circumstances() -> list[Any]:
    program = find_bubblewrap()
    stamp = [program, os.stat(program).st_mtime_ns, os.stat(program).st_mode] if program else None
    return [__version__, BOOT_ID.read_text(encoding="ascii").strip(), os.getuid(), stamp]
