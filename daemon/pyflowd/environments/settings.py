"""What can be set about environments: `[environments]` in the settings file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MANAGERS = ("auto", "uv", "venv")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """
    name: the named environment of nodes for which nobody says otherwise; "" means the interpreter of `python`.
    manager: who makes environments: "uv", "venv" (with pip), or "auto", which is uv where it is installed.
    folder: where they lie; "" means the user's data folder.
    idle_s: a fork server that nobody has used for so long ends. most: so many there are at most.
    learn: whether fork servers import beforehand what nodes were seen to import.
    memory_bytes: what they may need with their spares; 0 means a quarter of the machine's memory.
    unused_s: what was built for graphs and not used for so long is removed by `env prune`. disk_bytes: what all of
    these may take there.
    warm: environments to be kept warm, by name, or by the path of an interpreter or a virtual environment, with the
    modules that their fork servers shall import besides those that they learn.
    """

    name: str = ""
    manager: str = "auto"
    folder: str = ""
    idle_s: float = 300.0
    most: int = 12
    learn: bool = True
    memory_bytes: int = 0
    unused_s: float = 30 * 86400.0
    disk_bytes: int = 20_000_000_000
    warm: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
