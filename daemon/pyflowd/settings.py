"""Everything that can be set, read once at start. Flags win over the settings file, which wins over defaults.

The file is TOML: `$XDG_CONFIG_HOME/pyflowd/config.toml` (`/etc/xdg/pyflowd/config.toml` for a system service), with
the names of this class as keys; `limits`, `caps`, `permissions`, `sandbox`, `environments` and `cache` are tables. An
unknown key, or a value of the wrong kind, is an error: a misspelt limit must not be ignored in silence.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pyflowd.core.execution_controller import Policy
from pyflowd.core.last_values import ROOM_BYTES
from pyflowd.core.limits import Limits, PoolLimits
from pyflowd.core.permissions import PermissionCaps, path_problem
from pyflowd.environments.settings import MANAGERS, EnvironmentSettings
from pyflowd.sandbox.sandboxes import SandboxSettings
from pyflowd.sandbox.tiers import Tier
from pyflowd_client.protocol.options import LIMITS

TIERS = tuple(Tier.__members__)
PERMISSIONS: dict[str, type] = {"net": bool, "read": list, "write": list, "env": list, "all": bool}
SANDBOX: dict[str, type] = {"minimum_tier": str, "maximum_tier": str, "node_user": str}
CACHE: dict[str, type] = {"enabled": bool, "size_bytes": int}
TABLES = ("limits", "caps", "permissions", "sandbox", "environments", "cache")


class SettingsError(ValueError):
    """The settings cannot be used; the message names the file and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """
    enabled: results of nodes are kept unless a run or a node says otherwise. size_bytes: what all may take on the disk.
    """

    enabled: bool = False
    size_bytes: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    python: interpreter or virtual environment of nodes; "" means the one below the daemon's own.
    running: calls under way at once; 0 means twice the number of processors.
    spares: idle processes kept ready for each environment.
    limits: what a run and its nodes may use unless a client asks for something else.
    caps: the most that a client may ask for, by the names of `limits`.
    permissions: the most that a client may grant to nodes.
    environments: which there are, and how long they are kept. cache: whether results of nodes are.
    last_values_bytes: room for what nodes gave last, which parts of graphs are run with; 0 remembers nothing.
    leave_after_s: how long an automatically started daemon stays without runs and clients.
    """

    python: str = ""
    running: int = 0
    spares: int = 16
    limits: Limits = field(default_factory=Limits)
    caps: Mapping[str, float] = field(default_factory=dict)
    permissions: PermissionCaps = field(default_factory=PermissionCaps)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    last_values_bytes: int = ROOM_BYTES
    leave_after_s: float = 600.0
    log_level: str = "info"

    def policy(self, *, leaves_when_idle: bool) -> Policy:
        """The figures for the core."""
        running = self.running or 2 * (os.cpu_count() or 1)
        return Policy(
            pool=PoolLimits(
                running=running,
                urgent=running,
                spares=self.spares,
                reserve=self.spares // 8,
                retire_s=self.environments.idle_s,
                environments=self.environments.most,
                memory_bytes=self.environments.memory_bytes or _memory_bytes() // 4,
            ),
            call=self.limits,
            caps=self.caps,
            permissions=self.permissions,
            learns=self.environments.learn,
            keeps_results=self.cache.enabled,
            last_values_bytes=self.last_values_bytes,
            leave_after_s=self.leave_after_s if leaves_when_idle else None,
        )


def read_settings(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Settings from a file, which may be absent unless it was named, and flags that were given (not None)."""
    values = _read(path)
    place = f"{path}: "
    limits, caps = (_limits(name, values.pop(name, {}), place) for name in ("limits", "caps"))
    for name, cap in caps.items():
        default = limits.get(name, getattr(Limits(), name))
        limits[name] = cap if default is None else min(default, cap)
    permissions = _permissions(values.pop("permissions", {}), place)
    sandbox = _sandbox(values.pop("sandbox", {}), place)
    environments = _environments(values.pop("environments", {}), place)
    cache = CacheSettings(**_table("cache", values.pop("cache", {}), CACHE, place))
    values |= {name: value for name, value in flags.items() if value is not None}
    kinds = {item.name: type(item.default) for item in fields(Settings) if item.name not in TABLES}
    checked = {name: _checked(name, value, _kind(name, kinds, place)) for name, value in values.items()}
    return Settings(
        limits=Limits(**limits),
        caps=caps,
        permissions=permissions,
        sandbox=sandbox,
        environments=environments,
        cache=cache,
        **checked,
    )


def _read(path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from None


def _table(table: str, values: Any, kinds: Mapping[str, type], place: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SettingsError(f"{place}`{table}` must be a table")
    return {
        name: _checked(f"{table}.{name}", value, _kind(name, kinds, f"{place}{table}: "))
        for name, value in values.items()
    }


def _limits(table: str, values: Any, place: str) -> dict[str, Any]:
    limits = _table(table, values, LIMITS, place)
    for name, figure in limits.items():
        if not figure:
            raise SettingsError(f"setting `{table}.{name}` must be over 0; leave it out for the default")
    return limits


def _permissions(values: Any, place: str) -> PermissionCaps:
    caps = _table("permissions", values, PERMISSIONS, place)
    for name, items in caps.items():
        if isinstance(items, list):
            caps[name] = tuple(_permitted(f"permissions.{name}", item, is_path=name != "env") for item in items)
    return PermissionCaps(**caps)


def _permitted(name: str, item: Any, *, is_path: bool) -> str:
    """A folder is taken for what it leads to, as are the paths that clients grant."""
    if not isinstance(item, str):
        raise SettingsError(f"setting `{name}` must be a list of texts, and {item!r} is none")
    if not is_path:
        return item
    problem = path_problem(item)
    if problem is not None:
        raise SettingsError(f"setting `{name}`: {item!r} is no folder that can be meant: {problem}")
    return os.path.realpath(item)


def _sandbox(values: Any, place: str) -> SandboxSettings:
    sandbox = SandboxSettings(**_table("sandbox", values, SANDBOX, place))
    for name in ("minimum_tier", "maximum_tier"):
        if getattr(sandbox, name) not in TIERS:
            raise SettingsError(f"setting `sandbox.{name}` must be one of {', '.join(TIERS)}")
    if sandbox.minimum_tier > sandbox.maximum_tier:
        raise SettingsError("setting `sandbox.minimum_tier` is above `sandbox.maximum_tier`")
    if not sandbox.node_user:
        raise SettingsError("setting `sandbox.node_user` must name a user")
    return sandbox


def _environments(values: Any, place: str) -> EnvironmentSettings:
    if not isinstance(values, dict):
        raise SettingsError(f"{place}`environments` must be a table")
    kinds = {item.name: type(item.default) for item in fields(EnvironmentSettings) if item.name != "warm"}
    plain = {name: value for name, value in values.items() if name != "warm"}
    settings = _table("environments", plain, kinds, place)
    if settings.get("manager", "auto") not in MANAGERS:
        raise SettingsError(f"setting `environments.manager` must be one of {', '.join(MANAGERS)}")
    if settings.get("folder") and not os.path.isabs(settings["folder"]):
        raise SettingsError("setting `environments.folder` must be an absolute path")
    return EnvironmentSettings(warm=_warm(values.get("warm", {}), place), **settings)


def _warm(values: Any, place: str) -> dict[str, tuple[str, ...]]:
    """`[environments.warm]`: a table for each, which may have `preload`."""
    if not isinstance(values, dict) or not all(isinstance(value, dict) for value in values.values()):
        raise SettingsError(f"{place}`environments.warm` must be a table of tables")
    warm = {}
    for name, value in values.items():
        preload = _table(f"environments.warm.{name}", value, {"preload": list}, place).get("preload", [])
        if not all(isinstance(module, str) and _is_module(module) for module in preload):
            raise SettingsError(f"setting `environments.warm.{name}.preload` must be a list of names of modules")
        warm[name] = tuple(preload)
    return warm


def _is_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _memory_bytes() -> int:
    """What the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _kind(name: str, kinds: Mapping[str, type], place: str) -> type:
    if name not in kinds:
        raise SettingsError(f"{place}unknown setting `{name}`; known are {', '.join(kinds)}")
    return kinds[name]


def _checked(name: str, value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise SettingsError(f"setting `{name}` must be {kind.__name__}, not {type(value).__name__}")
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise SettingsError(f"setting `{name}` must be a number of 0 or more")
    return value
