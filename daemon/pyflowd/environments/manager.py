"""What makes and changes environments: the roles that PyFlowGraph's `EnvironmentManager` has.

A manager knows how, never where or when: `Builder` decides that, and holds the lock meanwhile.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pyflowd.environments.commands import Workshop
from pyflowd.environments.failures import ALLOW_BUILDS, EnvironmentFailed
from pyflowd.environments.interpreters import FindPython, Interpreter, choose_interpreter
from pyflowd.environments.trees import delete_tree
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd_client.protocol.replies import DetectedEnvironment

if TYPE_CHECKING:
    from pyflowd.environments.packages import InstalledPackage
    from pyflowd.environments.verification import Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be installed.

    constraints: exact versions ("name==version") that must not change. repairs: also what seems to be there already.
    """

    requirements: Sequence[str]
    constraints: Sequence[str] = ()
    allow_builds: bool = False
    repairs: bool = False


class EnvironmentManager(ABC):
    """Finds, makes, changes and examines environments. Nothing of an environment is executed outside the sandbox.

    Failures are `EnvironmentFailed`.
    """

    NAME: ClassVar[str]

    def __init__(self, default_python: str, find_python: FindPython) -> None:
        self._default_python = default_python
        self._find_python = find_python

    def select(self, python: str) -> Interpreter:
        """The interpreter to make an environment with: by path, by versions, or the default one for ""."""
        return choose_interpreter(python, self._default_python, self._find_python)

    @abstractmethod
    def create(self, folder: Path, interpreter: Interpreter, workshop: Workshop) -> None:
        """Makes an empty virtual environment, where nothing is yet."""

    @abstractmethod
    def install(self, folder: Path, wanted: Wanted, workshop: Workshop) -> None:
        """Installs what is not there; all of it, or nothing."""

    @abstractmethod
    def uninstall(self, folder: Path, names: Sequence[str], workshop: Workshop) -> None:
        """Removes packages, but not what they had required."""

    @abstractmethod
    def lock(self, interpreter: Interpreter, wanted: Wanted, workshop: Workshop) -> str:
        """The exact versions that requirements lead to, with hashes: the text of a requirements file."""

    def remove(self, folder: Path) -> None:
        """Deletes a virtual environment."""
        delete_tree(folder)

    def detect(self, search_path: str, virtual_env: str | None, folders: Sequence[str]) -> list[DetectedEnvironment]:
        """Interpreters and environments on this machine."""
        from pyflowd.environments.discovery import detect

        return detect(search_path, virtual_env, folders)

    def verify(self, python: str, spec: EnvironmentSpec) -> "Verification":
        """What an environment lacks, and what in it does not fit together."""
        from pyflowd.environments.verification import verify

        return verify(python, spec.requirements, spec.optional)

    def describe(self, python: str) -> "list[InstalledPackage]":
        """What is installed in an environment."""
        from pyflowd.environments.packages import installed

        return installed(python)


def check_requirements(wanted: Wanted) -> None:
    """Refuses what would be taken for an option, and sources that nobody allowed to be built."""
    for requirement in wanted.requirements:
        if requirement.startswith("-"):
            raise EnvironmentFailed(f"'{requirement}' is an option, and no requirement", requirement)
        if not wanted.allow_builds and _is_source(requirement):
            message = f"'{requirement}' is source, and not a wheel: to build it runs its code"
            raise EnvironmentFailed(message, requirement, hint=ALLOW_BUILDS)


def _is_source(requirement: str) -> bool:
    """Whether it names a path or a URL that does not end as wheels do."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        place = Requirement(requirement).url
    except InvalidRequirement:
        place = requirement
    return place is not None and not place.partition("#")[0].partition("?")[0].endswith(".whl")
