"""What can be asked of environments and takes time, as actions of the process that such work is done in.

Each takes the parameters of a request and answers with what belongs into the reply, as JSON has it.
"""

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from pyflowd.environments import discovery
from pyflowd.environments.installation import Installation, installation_of, problem_of
from pyflowd.environments.packages import installed_in, size_bytes
from pyflowd.environments.verification import verify as verify_packages
from pyflowd_client.protocol.codec import to_wire
from pyflowd_client.protocol.replies import EnvironmentsDetected, EnvironmentVerified, Package

Params = dict[str, Any]
Progress = Callable[[str], None]


def detect(params: Params, progress: Progress) -> Params:
    """search_path, virtual_env, folders: as in DetectEnvironments. managed: as in `discovery.detect`. cache_folder."""
    with contextlib.redirect_stdout(sys.stderr):  # what an interpreter prints when it starts is nobody's answer
        found = discovery.detect(
            params.get("search_path", ""),
            params.get("virtual_env"),
            params.get("folders", ()),
            params.get("managed", ()),
            cache_folder=params.get("cache_folder"),
        )
    return to_wire(EnvironmentsDetected(environments=tuple(found)))


def show(params: Params, progress: Progress) -> Params:
    """python: an interpreter's absolute path. manager: what made its environment; None for an interpreter alone."""
    installation = installation_of(params["python"])
    found = [to_wire(Package(name=package.name, version=package.version)) for package in installed_in(installation)]
    return {
        "kind": installation.kind,
        "packages": found,
        "version": installation.version,
        "size_bytes": sum(map(size_bytes, _own_folders(installation))),
        "manager": installation.manager,
        "problem": problem_of(installation),
    }


def verify(params: Params, progress: Progress) -> Params:
    """python: an interpreter's absolute path. requirements, optional: PEP 508."""
    found = verify_packages(params["python"], params.get("requirements", ()), params.get("optional", ()))
    return to_wire(
        EnvironmentVerified(
            missing=found.missing,
            optional_missing=found.optional_missing,
            conflicts=found.conflicts,
            problem=found.problem,
        )
    )


def _own_folders(installation: Installation) -> list[str]:
    """An environment is a folder of its own; an interpreter may share its folder with everything else."""
    return installation.package_folders if installation.kind == "interpreter" else [installation.prefix]


ACTIONS: dict[str, Callable[[Params, Progress], Params]] = {"detect": detect, "show": show, "verify": verify}
