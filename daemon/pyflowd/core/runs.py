"""A run as the controller keeps it: who asked, how far it is, and the number of its next event."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyflowd.core.effects import NodeTerms
from pyflowd.core.graph_executor import GraphExecutor
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.limits import Limits
from pyflowd.core.live_state import LiveState
from pyflowd.core.machines import RUN_MOVES, mover
from pyflowd.core.permissions import Variables
from pyflowd.core.preparation import InspectedCode
from pyflowd.graph.interface import CodeHash
from pyflowd.graph.plan import Plan, PlanNode
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import NO_DEBUGGING, WHOLE_GRAPH, Debugging, Permissions, RunOptions, Selection
from pyflowd_client.protocol.states import FINAL_RUN_STATES, RunState


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One execution of one graph. Times are monotonic seconds; `executor` is there once the plan is.

    `profile` is what its nodes are permitted, `environments` where they run, once that is known.
    `asked` are the limits that its client named. `verdict` is set when we end it before all its nodes are over.
    `origin` is what its graph is known by, `selection` the part of it that runs.
    `live` is there when it is a live session, which has no executor.
    `is_change`: no nodes are executed, a named environment is made or changed. `may_keep`: results of its nodes are
    looked up and kept, or somebody wants to know why not.
    """

    id: RunId
    graph: str
    profile: EnvironmentId
    inputs: dict[str, str]
    options: RunOptions
    permissions: Permissions
    variables: Variables
    asked: Mapping[str, float]
    limits: Limits
    submitted_at: float
    state: RunState = RunState.QUEUED
    started_at: float | None = None
    environments: tuple[EnvironmentId, ...] = ()
    executor: GraphExecutor | None = None
    codes: Mapping[CodeHash, InspectedCode] = field(default_factory=dict)
    verdict: ErrorInfo | None = None
    last_seq: int = 0
    nodes: int = 0
    nodes_over: int = 0
    is_change: bool = False
    may_keep: bool = False
    origin: str = ""
    selection: Selection = WHOLE_GRAPH
    live: LiveState | None = None
    debugging: Debugging = NO_DEBUGGING

    @property
    def is_over(self) -> bool:
        """True once the terminal event is out."""
        return self.state in FINAL_RUN_STATES

    to = mover(RUN_MOVES, "run", lambda run: run.id)

    def terms(self, plan: Plan, node: PlanNode, limits: Limits) -> NodeTerms:
        """What the calls of a node have in common."""
        return NodeTerms(
            title=node.title,
            code=self.codes[node.code].code,
            source=plan.sources[node.code],
            outputs=node.outputs,
            seed=self.options.seed,
            limits=limits,
            variables=self.variables,
        )
