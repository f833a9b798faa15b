"""The environments of a daemon, as its clients ask about them: two classes that differ in how they wait.

What is asked is made by the functions that come first. Environments are given by name, by the beginning of their id,
or by a path; a path is what has a "/" in it. All methods raise Refused when the daemon will not, and DaemonLost.
"""

import os
from collections.abc import Iterable, Sequence

from pyflowd_client.protocol import replies
from pyflowd_client.protocol.requests import (
    ChangeEnvironment,
    CoolEnvironment,
    DetectEnvironments,
    ExportEnvironment,
    ListEnvironments,
    LockEnvironment,
    PruneEnvironments,
    RemoveEnvironment,
    ShowEnvironment,
    VerifyEnvironment,
    WarmEnvironment,
)
from pyflowd_client.requirements import absolute_requirements, address, interpreter
from pyflowd_client.submission import read_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.aio import AsyncClient, AsyncRun
    from pyflowd_client.blocking import Client
    from pyflowd_client.run import Run

Path = str | os.PathLike[str]


def detection(folders: Iterable[Path]) -> DetectEnvironments:
    """What is there for this process, and in these folders. Of PATH what is relative means nothing to the daemon."""
    searched = (folder for folder in os.get_exec_path() if os.path.isabs(folder) and _can_travel(folder))
    virtual_env = os.environ.get("VIRTUAL_ENV", "")
    return DetectEnvironments(
        search_path=os.pathsep.join(searched),
        virtual_env=os.path.abspath(virtual_env) if virtual_env and _can_travel(virtual_env) else None,
        folders=tuple(os.path.abspath(os.fspath(folder)) for folder in folders),
    )


def creation(name: str, requirements: Iterable[str], python: Path | None, allow_builds: bool) -> ChangeEnvironment:
    """A new environment of that name."""
    return ChangeEnvironment(
        action="create",
        name=name,
        requirements=absolute_requirements(requirements),
        python=interpreter(python),
        allow_builds=allow_builds,
    )


def installation(name: str, requirements: Iterable[str], allow_builds: bool) -> ChangeEnvironment:
    """More in the environment of that name."""
    required = absolute_requirements(requirements)
    return ChangeEnvironment(action="install", name=name, requirements=required, allow_builds=allow_builds)


def uninstallation(name: str, packages: Iterable[str]) -> ChangeEnvironment:
    """Less in the environment of that name."""
    return ChangeEnvironment(action="uninstall", name=name, requirements=tuple(packages))


def verification(environment: Path, graph: Path | None) -> VerifyEnvironment:
    """Whether it has what a graph needs, or only whether its packages fit together. GraphFileError."""
    document, name = (None, None) if graph is None else read_graph(graph)
    return VerifyEnvironment(environment=address(environment), document=document, name=name)


def locking(
    environment: Path | None, graph: Path | None, requirements: Sequence[str], python: Path | None
) -> LockEnvironment:
    """What is to be locked, which is one of the first three. GraphFileError."""
    document, name = (None, None) if graph is None else read_graph(graph)
    return LockEnvironment(
        environment=None if environment is None else address(environment),
        document=document,
        name=name,
        requirements=absolute_requirements(requirements),
        python=interpreter(python),
    )


def _can_travel(text: str) -> bool:
    """Whether it is Unicode; a path need not be."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Environments:
    """Those of the daemon that `client` is connected to: `client.environments`."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def detect(self, *, folders: Iterable[Path] = (".",)) -> replies.EnvironmentsDetected:
        """The interpreters and environments of this machine, those in or beside `folders` included."""
        return self._client.ask(detection(folders), replies.EnvironmentsDetected)

    def list(self) -> replies.EnvironmentsListed:
        """Those that the daemon keeps."""
        return self._client.ask(ListEnvironments(), replies.EnvironmentsListed)

    def show(self, environment: Path) -> replies.EnvironmentShown:
        """All that is known of one."""
        return self._client.ask(ShowEnvironment(environment=address(environment)), replies.EnvironmentShown)

    def create(self, name: str, *requirements: str, python: Path | None = None, allow_builds: bool = False) -> "Run":
        """Make a named one. Iterate the run for how it goes, or wait for its `result()`; it has no outputs."""
        return self._client.submit(creation(name, requirements, python, allow_builds))

    def install(self, name: str, *requirements: str, allow_builds: bool = False) -> "Run":
        """Install into a named one. A run, as with `create`."""
        return self._client.submit(installation(name, requirements, allow_builds))

    def uninstall(self, name: str, *packages: str) -> "Run":
        """Remove packages from a named one. A run, as with `create`."""
        return self._client.submit(uninstallation(name, packages))

    def remove(self, environment: str) -> None:
        """Delete one that the daemon keeps."""
        self._client.ask(RemoveEnvironment(environment=environment), replies.Done)

    def warm(self, environment: Path) -> None:
        """Start its fork server, and keep it; returns when it is warm."""
        self._client.ask(WarmEnvironment(environment=address(environment)), replies.Done)

    def cool(self, environment: Path) -> None:
        """End its fork servers as soon as nothing runs in them."""
        self._client.ask(CoolEnvironment(environment=address(environment)), replies.Done)

    def verify(self, environment: Path, graph: Path | None = None) -> replies.EnvironmentVerified:
        """What it lacks for a graph file, and which of its packages do not fit together."""
        return self._client.ask(verification(environment, graph), replies.EnvironmentVerified)

    def lock(
        self,
        environment: Path | None = None,
        *,
        graph: Path | None = None,
        requirements: Sequence[str] = (),
        python: Path | None = None,
    ) -> replies.EnvironmentWritten:
        """The exact versions, with hashes, of an environment, or of what a graph file or `requirements` need."""
        return self._client.ask(locking(environment, graph, requirements, python), replies.EnvironmentWritten)

    def export(self, environment: Path, *, format: str = "requirements") -> replies.EnvironmentWritten:
        """What is installed, as "requirements", "json" or "dependencies" (of a graph)."""
        request = ExportEnvironment(environment=address(environment), format=format)
        return self._client.ask(request, replies.EnvironmentWritten)

    def prune(
        self, *, unused_s: float | None = None, disk_bytes: int | None = None, dry_run: bool = False
    ) -> replies.EnvironmentsPruned:
        """Delete what was built for graphs and is not in use, the longest unused first."""
        request = PruneEnvironments(unused_s=unused_s, disk_bytes=disk_bytes, dry_run=dry_run)
        return self._client.ask(request, replies.EnvironmentsPruned)


class AsyncEnvironments:
    """The twin of `Environments` for `AsyncClient`; its methods do the same."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def detect(self, *, folders: Iterable[Path] = (".",)) -> replies.EnvironmentsDetected:
        """The interpreters and environments of this machine, those in or beside `folders` included."""
        return await self._client.ask(detection(folders), replies.EnvironmentsDetected)

    async def list(self) -> replies.EnvironmentsListed:
        """Those that the daemon keeps."""
        return await self._client.ask(ListEnvironments(), replies.EnvironmentsListed)

    async def show(self, environment: Path) -> replies.EnvironmentShown:
        """All that is known of one."""
        return await self._client.ask(ShowEnvironment(environment=address(environment)), replies.EnvironmentShown)

    async def create(
        self, name: str, *requirements: str, python: Path | None = None, allow_builds: bool = False
    ) -> "AsyncRun":
        """Make a named one. Iterate the run for how it goes, or await its `result()`; it has no outputs."""
        return await self._client.submit(creation(name, requirements, python, allow_builds))

    async def install(self, name: str, *requirements: str, allow_builds: bool = False) -> "AsyncRun":
        """Install into a named one. A run, as with `create`."""
        return await self._client.submit(installation(name, requirements, allow_builds))

    async def uninstall(self, name: str, *packages: str) -> "AsyncRun":
        """Remove packages from a named one. A run, as with `create`."""
        return await self._client.submit(uninstallation(name, packages))

    async def remove(self, environment: str) -> None:
        """Delete one that the daemon keeps."""
        await self._client.ask(RemoveEnvironment(environment=environment), replies.Done)

    async def warm(self, environment: Path) -> None:
        """Start its fork server, and keep it; returns when it is warm."""
        await self._client.ask(WarmEnvironment(environment=address(environment)), replies.Done)

    async def cool(self, environment: Path) -> None:
        """End its fork servers as soon as nothing runs in them."""
        await self._client.ask(CoolEnvironment(environment=address(environment)), replies.Done)

    async def verify(self, environment: Path, graph: Path | None = None) -> replies.EnvironmentVerified:
        """What it lacks for a graph file, and which of its packages do not fit together."""
        return await self._client.ask(verification(environment, graph), replies.EnvironmentVerified)

    async def lock(
        self,
        environment: Path | None = None,
        *,
        graph: Path | None = None,
        requirements: Sequence[str] = (),
        python: Path | None = None,
    ) -> replies.EnvironmentWritten:
        """The exact versions, with hashes, of an environment, or of what a graph file or `requirements` need."""
        return await self._client.ask(locking(environment, graph, requirements, python), replies.EnvironmentWritten)

    async def export(self, environment: Path, *, format: str = "requirements") -> replies.EnvironmentWritten:
        """What is installed, as "requirements", "json" or "dependencies" (of a graph)."""
        request = ExportEnvironment(environment=address(environment), format=format)
        return await self._client.ask(request, replies.EnvironmentWritten)

    async def prune(
        self, *, unused_s: float | None = None, disk_bytes: int | None = None, dry_run: bool = False
    ) -> replies.EnvironmentsPruned:
        """Delete what was built for graphs and is not in use, the longest unused first."""
        request = PruneEnvironments(unused_s=unused_s, disk_bytes=disk_bytes, dry_run=dry_run)
        return await self._client.ask(request, replies.EnvironmentsPruned)
