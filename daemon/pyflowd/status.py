"""How the daemon is, as a reply. Reads the controller's state and changes nothing."""

import os
import time
from collections.abc import Callable

from pyflowd import __version__
from pyflowd.core.calls import LiveWork, NodeWork
from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import WorkerId, ZygoteId
from pyflowd.core.live_session import UNDECIDED
from pyflowd.core.profiles import profile_of
from pyflowd.core.runs import Run
from pyflowd.core.worker_pool import Worker
from pyflowd.core.zygotes import Zygote
from pyflowd_client.protocol import replies
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.version import PROTOCOL_VERSION

PidOf = Callable[[ZygoteId, WorkerId], int | None]
UNKNOWN_TIER = "unknown"  # before the first fork server is warm


class StatusReport:
    """Knows when the daemon started, monotonic and by the wall clock."""

    def __init__(self, controller: ExecutionController, pid_of: PidOf, socket: str, wall_offset_s: float) -> None:
        self._controller = controller
        self._pid_of = pid_of
        self._socket = socket
        self._wall_offset_s = wall_offset_s
        self._started_at = time.monotonic()

    def __call__(self) -> replies.DaemonStatus:
        """The status now."""
        controller = self._controller
        return replies.DaemonStatus(
            pid=os.getpid(),
            version=__version__,
            protocol=PROTOCOL_VERSION,
            uptime_s=time.monotonic() - self._started_at,
            sandbox_tier=min(
                (zygote.tier for zygote in controller.pool.zygotes.values() if zygote.tier), default=UNKNOWN_TIER
            ),
            socket=self._socket,
            environments=tuple(_environment(zygote) for zygote in controller.pool.zygotes.values()),
            runs=tuple(self._run(run) for run in controller.runs.values()),
            workers=tuple(self._worker(worker) for worker in controller.pool.workers.values()),
        )

    def _run(self, run: Run) -> replies.RunStatus:
        return replies.RunStatus(
            run=run.id,
            state=run.state,
            graph=run.graph,
            submitted=run.submitted_at + self._wall_offset_s,
            nodes=run.nodes,
            nodes_over=_nodes_over(run),
        )

    def _worker(self, worker: Worker) -> replies.WorkerStatus:
        work = worker.call.work if worker.call else None
        run = self._controller.runs.get(work.run) if isinstance(work, NodeWork | LiveWork) else None
        node: NodeId | None = None
        if isinstance(work, LiveWork):
            node = work.id
        elif isinstance(work, NodeWork) and run is not None and run.executor is not None:
            node = run.executor.plan.nodes[work.node].id
        return replies.WorkerStatus(
            pid=self._pid_of(worker.zygote.id, worker.id),
            state=worker.state.value,
            python=profile_of(worker.environment).python,
            run=run.id if run else None,
            node=node,
        )


def _nodes_over(run: Run) -> int:
    """How many nodes of a run have come to an end; of a live session, to one that counts."""
    if run.live is not None and run.live.session is not None:
        return sum(node.state not in UNDECIDED for node in run.live.session.nodes.values())
    return run.executor.nodes_over if run.executor else run.nodes_over


def _environment(zygote: Zygote) -> replies.EnvironmentStatus:
    profile = profile_of(zygote.environment)
    return replies.EnvironmentStatus(
        python=profile.python,
        permissions=profile.permissions or None,
        tier=zygote.tier or None,
        state=zygote.state.value,
        version=zygote.version,
        pid=zygote.pid,
        spares=len(zygote.spares),
        lacks=zygote.lacks or None,
    )
