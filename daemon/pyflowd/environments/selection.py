"""Which manager makes environments."""

from pyflowd.environments.default_manager import DefaultEnvironmentManager
from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.interpreters import FindPython
from pyflowd.environments.manager import EnvironmentManager
from pyflowd.environments.uv_manager import UvEnvironmentManager, find_uv

MANAGERS: dict[str, type[EnvironmentManager]] = {
    kind.NAME: kind for kind in (UvEnvironmentManager, DefaultEnvironmentManager)
}


def select_manager(choice: str, default_python: str, find_python: FindPython) -> EnvironmentManager:
    """By name; "auto" means uv where it is installed."""
    if choice == "auto":
        choice = UvEnvironmentManager.NAME if find_uv() else DefaultEnvironmentManager.NAME
    if choice not in MANAGERS:
        raise EnvironmentFailed(f"there is no environment manager '{choice}'; there are auto, {', '.join(MANAGERS)}")
    return MANAGERS[choice](default_python, find_python)
