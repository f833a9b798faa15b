"""Everything that can be set, read once at start. Flags win over the settings file, which wins over defaults.

The file is TOML: `$XDG_CONFIG_HOME/pyflowd/config.toml` (`/etc/xdg/pyflowd/config.toml` for a system service), with
the names of this class as keys. An unknown key, or a value of the wrong kind, is an error: a misspelt limit must
not be ignored in silence.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pyflowd.core.execution_controller import Policy
from pyflowd.core.limits import CallLimits, PoolLimits


class SettingsError(ValueError):
    """The settings cannot be used; the message names the file and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    python: interpreter or virtual environment of nodes; "" means the one below the daemon's own.
    running: calls under way at once; 0 means twice the number of processors.
    spares: idle processes kept ready for each environment.
    time_limit_s, memory_limit_bytes, output_limit_bytes: what one node may use unless a client says otherwise.
    leave_after_s: how long an automatically started daemon stays without runs and clients.
    """

    python: str = ""
    running: int = 0
    spares: int = 16
    time_limit_s: float = 300.0
    memory_limit_bytes: int = 2_000_000_000
    output_limit_bytes: int = 1_000_000
    leave_after_s: float = 600.0
    log_level: str = "info"

    def policy(self, *, leaves_when_idle: bool) -> Policy:
        """The figures for the core."""
        running = self.running or 2 * (os.cpu_count() or 1)
        return Policy(
            pool=PoolLimits(running=running, spares=self.spares, reserve=self.spares // 8),
            call=CallLimits(
                wall_s=self.time_limit_s, memory_bytes=self.memory_limit_bytes, output_bytes=self.output_limit_bytes
            ),
            leave_after_s=self.leave_after_s if leaves_when_idle else None,
        )


def read_settings(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Settings from a file, which may be absent unless it was named, and flags that were given (not None)."""
    values: dict[str, Any] = {}
    if path is not None and path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: {error}") from None
    values |= {name: value for name, value in flags.items() if value is not None}
    kinds = {item.name: type(item.default) for item in fields(Settings)}
    for name, value in values.items():
        if name not in kinds:
            raise SettingsError(f"{path}: unknown setting `{name}`; known are {', '.join(kinds)}")
        values[name] = _checked(name, value, kinds[name])
    return Settings(**values)


def _checked(name: str, value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise SettingsError(f"setting `{name}` must be {kind.__name__}, not {type(value).__name__}")
    if isinstance(value, int | float) and value < 0:
        raise SettingsError(f"setting `{name}` must not be negative")
    return value
