"""What the fake daemon answers about environments; some of it would move the cursor of a terminal."""

import time

from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

HOUR_S = 3600.0
DIGEST = "3f9a0c12ab34cd56ef78901234567890"


def kept() -> tuple[replies.EnvironmentSummary, ...]:
    """A named one, and one that was built for graphs."""
    now = time.time()
    science = replies.EnvironmentSummary(
        id="science",
        kind="named",
        python="/state/environments/science/bin/python",
        version="3.11.7",
        requirements=("numpy>=2", "pandas"),
        packages=12,
        size_bytes=214_000_000,
        created=now - 80 * HOUR_S,
        used=now - 49 * HOUR_S,
        state="warm",
    )
    built = replies.EnvironmentSummary(
        id=DIGEST,
        kind="built",
        python=f"/state/environments/{DIGEST}/bin/python",
        version="3.12.1",
        requirements=("requests", "a" * 80, "esc\x1b[2J"),
        packages=1,
        size_bytes=1_200_000,
    )
    return science, built


DETECTED = (
    replies.DetectedEnvironment(
        kind="interpreter",
        source="PATH",
        python="/usr/bin/python3",
        version="3.12.1",
        implementation="CPython",
        packages=1024,
        fingerprint="5e6f" * 8,
    ),
    replies.DetectedEnvironment(kind="venv", source=".venv", python="/srv/a\x1b[2J/.venv/bin/python", version="3.9.18"),
    replies.DetectedEnvironment(
        kind="interpreter", source="pyenv", python="/opt/pypy/bin/python", problem="it is PyPy, and nodes need CPython"
    ),
)


def shown() -> replies.EnvironmentShown:
    """All that can be known of one."""
    server = replies.ForkServer(
        state="warm",
        pid=4711,
        tier="T3",
        spares=16,
        memory_bytes=45_100_000,
        preloaded=(replies.Preloaded(module="numpy", seconds=0.0812), replies.Preloaded(module="pandas", seconds=0.35)),
        not_preloaded=(replies.NotPreloaded(module="this\x1b[2J", reason="it left\na thread running"),),
    )
    return replies.EnvironmentShown(
        environment=kept()[0],
        manager="uv",
        packages=(replies.Package(name="numpy", version="2.1.0"), replies.Package(name="pandas", version="2.2.2")),
        fork_servers=(server, replies.ForkServer(state="cold", permissions="network")),
        learnt=("numpy", "pandas"),
        is_kept=True,
    )


def answer(request: requests.Request) -> replies.Reply | None:
    """The prepared answer to a request about environments; None to others. Nothing is called `nothing`."""
    if getattr(request, "environment", None) == "nothing":
        return replies.Refused(
            error=ErrorInfo(code=ErrorCode.ENVIRONMENT, message="no environment is called nothing\x1b[2J")
        )
    match request:
        case requests.DetectEnvironments():
            return replies.EnvironmentsDetected(environments=DETECTED)
        case requests.ListEnvironments():
            return replies.EnvironmentsListed(environments=kept())
        case requests.ShowEnvironment(environment="/bare/bin/python" as python):
            bare = replies.EnvironmentSummary(id=python, kind="found", python=python)
            return replies.EnvironmentShown(environment=bare)
        case requests.ShowEnvironment():
            return shown()
        case requests.VerifyEnvironment():
            return _verified(request)
        case requests.LockEnvironment() | requests.ExportEnvironment():
            return replies.EnvironmentWritten(text="numpy==2.1.0\n")
        case requests.PruneEnvironments(disk_bytes=None, unused_s=None):
            return replies.EnvironmentsPruned()
        case requests.PruneEnvironments():
            return replies.EnvironmentsPruned(removed=kept()[1:], freed_bytes=1_200_000)
        case requests.RemoveEnvironment() | requests.WarmEnvironment() | requests.CoolEnvironment():
            return replies.Done()
    return None


def _verified(request: requests.VerifyEnvironment) -> replies.EnvironmentVerified:
    """A graph needs what its document names, and `odd` has packages that do not fit."""
    conflicts = ("pandas 2.2 requires numpy<2\x1b[2J",) if request.environment == "odd" else ()
    missing = tuple((request.document or "").split())
    return replies.EnvironmentVerified(missing=missing, optional_missing=("torch",), conflicts=conflicts)
