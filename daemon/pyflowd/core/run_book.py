"""RunBook: the runs that are under way, and the last of those that are over. It numbers them, and forgets the oldest.

What happens in a run is not its business.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyflowd.core.ids import EnvironmentId
from pyflowd.core.last_values import LastValues
from pyflowd.core.limits import Caps, Limits, asked_limits, limits_refusal
from pyflowd.core.permissions import PermissionCaps
from pyflowd.core.profiles import NOWHERE, bounded
from pyflowd.core.runs import Run
from pyflowd.core.stimuli import Submission
from pyflowd.graph.plan import PlanNode
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import NO_PERMISSIONS, RunOptions
from pyflowd_client.protocol.requests import ChangeEnvironment

RUNS_REMEMBERED = 100
ISOLATIONS = ("fresh", "resident", "shared")
RUNS_ACTIVE_MOST = 1000


class RunBook:
    """All runs by id; `active` are those that are not over, in the order they came. Ids begin with `prefix`.

    `closed`: no new run is opened. `last_values`: what the nodes of their graphs gave last.
    """

    def __init__(
        self, prefix: str, limits: Limits, caps: Caps, permission_caps: PermissionCaps, last_values: LastValues
    ) -> None:
        self.runs: dict[RunId, Run] = {}
        self.active: dict[RunId, Run] = {}
        self.closed = False
        self.last_values = last_values
        self._prefix = prefix
        self._limits = limits
        self._caps = caps
        self._permission_caps = permission_caps
        self._over: deque[RunId] = deque()
        self._made = 0

    def refusal(self, submission: Submission, options: RunOptions) -> ErrorInfo | None:
        """Why no such run can be opened now."""
        refusal = self.capacity_refusal() or _isolation_refusal(options)
        refusal = refusal or limits_refusal(asked_limits(options), self._caps)
        return refusal or self._permission_caps.refusal(submission.permissions)

    def capacity_refusal(self) -> ErrorInfo | None:
        """Why no run at all can be opened now."""
        if self.closed:
            return ErrorInfo(code=ErrorCode.STOPPING, message="The daemon is stopping and takes no new runs.")
        if len(self.active) >= RUNS_ACTIVE_MOST:
            return ErrorInfo(code=ErrorCode.BUSY, message=f"{RUNS_ACTIVE_MOST} runs are under way; try again later.")
        return None

    def open(self, submission: Submission, options: RunOptions, now: float) -> Run:
        """A new run."""
        asked = asked_limits(options)
        run = Run(
            id=self._next_id(),
            graph=submission.name or "",
            profile=submission.profile,
            inputs=dict(submission.inputs),
            options=options,
            permissions=submission.permissions,
            variables=submission.variables,
            asked=asked,
            limits=replace(self._limits, **asked) if asked else self._limits,
            submitted_at=now,
            origin=submission.origin,
            selection=submission.selection,
        )
        self.runs[run.id] = self.active[run.id] = run
        return run

    def open_change(self, change: ChangeEnvironment, now: float) -> Run:
        """A new run that executes nothing."""
        run = Run(
            id=self._next_id(),
            graph=change.name,
            profile=NOWHERE,
            inputs={},
            options=RunOptions(),
            permissions=NO_PERMISSIONS,
            variables=(),
            asked={},
            limits=self._limits,
            submitted_at=now,
            is_change=True,
        )
        self.runs[run.id] = self.active[run.id] = run
        return run

    def _next_id(self) -> RunId:
        self._made += 1
        return RunId(f"{self._prefix}-{self._made}")

    def granted(self, run: Run, declared: Mapping[str, float]) -> Limits:
        """The limits of a run, or of a node of it, that declares some: the client's wishes go before, caps bound it."""
        if not declared:
            return run.limits
        caps = self._caps
        given: dict[str, Any] = {
            name: min(figure, caps.get(name, figure)) for name, figure in declared.items() if name not in run.asked
        }
        return replace(run.limits, **given) if given else run.limits

    def place(self, run: Run, node: PlanNode) -> tuple[EnvironmentId, Limits]:
        """Where a node of a run is executed, and with which limits, which may need a profile of their own."""
        limits = self.granted(run, node.limits) if node.limits else run.limits
        usual, environment = self._limits, run.environments[node.environment]
        if (
            limits.scratch_bytes == usual.scratch_bytes
            and limits.scratch_files == usual.scratch_files
            and limits.processes == usual.processes
        ):
            return environment, limits
        return bounded(environment, limits), limits

    def close(self, run: Run) -> RunId | None:
        """The run is over. Returns a run that is forgotten for its sake."""
        del self.active[run.id]
        self._over.append(run.id)
        if len(self._over) <= RUNS_REMEMBERED:
            return None
        oldest = self._over.popleft()
        del self.runs[oldest]
        return oldest


def _isolation_refusal(options: RunOptions) -> ErrorInfo | None:
    if options.isolation in ISOLATIONS:
        return None
    message = f"`isolation` must be one of: {', '.join(ISOLATIONS)}."
    return ErrorInfo(code=ErrorCode.BAD_INPUT, message=message)
