"""What was found, before anybody judges it. A text that says why something does not work is "" when it does."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyflowd.sandbox.tiers import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """
    trials: what was tried, by its name, and why it does not work; what could not be tried is left out.
    landlock: the version of Landlock. modules: the security modules that are on, "" when that is not told.
    switches: the settings of the kernel that bear on user namespaces, of those that it has.
    """

    machine: str
    trials: Mapping[str, str]
    landlock: int
    modules: str
    switches: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """The program, and why no sandbox can be made with it."""

    program: str | None
    version: str = ""
    has_setuid: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroups:
    """is_mounted: version 2, where it belongs. is_ours: the daemon may make groups below its own, for `controllers`."""

    is_mounted: bool
    is_ours: bool = False
    controllers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An interpreter with what its nodes may do, as the daemon knows it.

    reason: why it cannot be used. process: the fork server's id; user: whom it, and so its nodes, run as.
    """

    python: str
    permissions: str
    is_default: bool
    is_warm: bool
    version: str | None
    tier: Tier | None
    lacks: tuple[str, ...]
    reason: str
    process: int | None
    user: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The default one, as it answers for itself."""

    path: str
    problem: str = ""
    implementation: str = ""
    version: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Who the daemon is, and the user that it makes of nodes if it is root; has_node_user: whether there is one."""

    uid: int
    name: str
    node_user: str
    has_node_user: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of the daemon's, and what is free where it lies; no files at all where they are not counted."""

    purpose: str
    path: str
    free_bytes: int
    all_bytes: int
    free_files: int
    all_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of the machine, in bytes."""

    available: int
    all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """How many the daemon may have open, and how many it needs when it is busy."""

    most: int
    needed: int
