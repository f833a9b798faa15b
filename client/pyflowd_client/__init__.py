"""The thin client of pyflowd. Names load when they are used, so that a command pays for what it needs.

from pyflowd_client import connect

with connect() as daemon:                        # starts one if none runs
    run = daemon.run("report.md", inputs={"Loader.path": "a.csv"})
    for event in run: ...                        # typed events as they come; or run.result()
    run.outputs["Report"]["report"]
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.aio import AsyncClient, AsyncRun, connect_async
    from pyflowd_client.aio_live import AsyncLive
    from pyflowd_client.blocking import Client, connect
    from pyflowd_client.environments import AsyncEnvironments, Environments
    from pyflowd_client.errors import (
        ChangeRefused,
        DaemonLost,
        DaemonUnavailable,
        GraphFileError,
        LocationRefused,
        ProtocolMismatch,
        PyflowdError,
        Refused,
        RequestUnsendable,
        RequirementsFileError,
        RunFailed,
    )
    from pyflowd_client.live import Live
    from pyflowd_client.protocol import events
    from pyflowd_client.protocol.options import Debugging, Permissions
    from pyflowd_client.protocol.states import DebuggerKind
    from pyflowd_client.record import Outputs
    from pyflowd_client.requirements_file import read_requirements
    from pyflowd_client.run import Run

__all__ = [
    "AsyncClient",
    "AsyncEnvironments",
    "AsyncLive",
    "AsyncRun",
    "ChangeRefused",
    "Client",
    "DaemonLost",
    "DaemonUnavailable",
    "DebuggerKind",
    "Debugging",
    "Environments",
    "GraphFileError",
    "Live",
    "LocationRefused",
    "Outputs",
    "Permissions",
    "ProtocolMismatch",
    "PyflowdError",
    "Refused",
    "RequestUnsendable",
    "RequirementsFileError",
    "Run",
    "RunFailed",
    "connect",
    "connect_async",
    "events",
    "read_requirements",
]

_HOMES = tuple(
    f"{__name__}.{home}"
    for home in (
        "errors",
        "record",
        "run",
        "protocol.requests",
        "protocol.states",
        "environments",
        "requirements_file",
        "blocking",
        "live",
        "aio",
        "aio_live",
    )
)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name == "events":
        return import_module("pyflowd_client.protocol.events")
    return next(getattr(home, name) for home in map(import_module, _HOMES) if hasattr(home, name))
