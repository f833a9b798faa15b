"""What stands between a document and its plan: reading it, having its environments, inspecting its code, planning it.

And what is remembered: a source is inspected once per environment, a plan is built once per document and environments;
equal graphs submitted at the same time share one preparation.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from pyflowd.core.ids import EnvironmentId, PreparationKey
from pyflowd.core.stimuli import Submission
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.interface import CodeHash, CodeInterface
from pyflowd.graph.model import Graph
from pyflowd.graph.placement import Placement
from pyflowd.graph.plan import Plan

INSPECTION_CODES = 64
INSPECTION_BYTES = 200_000
PLACEMENTS_KEPT = 1000
PLANS_KEPT = 64
PLAN_BYTES_KEPT = 32_000_000
CODES_KEPT = 20_000

W = TypeVar("W")
PlanKey = tuple[str, tuple[EnvironmentId, ...]]


class Stage(Enum):
    """What a preparation waits for."""

    READING = "reading"
    PROVIDING = "providing"
    INSPECTING = "inspecting"
    PLANNING = "planning"


@dataclass(frozen=True, slots=True)
class InspectedCode:
    """What an environment knows of a source: its pins, and its marshalled code object (opaque).

    is_certain: not, when the worker that looked at it died: perhaps for another reason.
    """

    interface: CodeInterface
    code: bytes
    is_certain: bool = True

    @property
    def is_lasting(self) -> bool:
        """Whether another look would find the same."""
        return self.is_certain and not self.interface.may_change


@dataclass(frozen=True, slots=True)
class Prepared:
    """A finished preparation; no plan when the graph is refused. environments: as the plan's nodes number them."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    environments: tuple[EnvironmentId, ...] = ()
    codes: Mapping[CodeHash, InspectedCode] = field(default_factory=dict)
    size_bytes: int = 0


@dataclass(slots=True, eq=False)
class Preparation(Generic[W]):
    """One document on its way to a plan; `waiters` want to know.

    provided: the interpreters of the specs that its nodes run in, as far as they are there.
    environments: those with what nodes are permitted, once all are there.
    """

    submission: Submission
    stage: Stage = Stage.READING
    waiters: list[W] = field(default_factory=list)
    graph: Graph | None = None
    placement: Placement | None = None
    provided: dict[EnvironmentSpec, str] = field(default_factory=dict)
    environments: tuple[EnvironmentId, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: dict[CodeHash, str] = field(default_factory=dict)
    titles: dict[CodeHash, str] = field(default_factory=dict)
    places: dict[CodeHash, EnvironmentId] = field(default_factory=dict)
    codes: dict[CodeHash, InspectedCode] = field(default_factory=dict)

    @property
    def key(self) -> PreparationKey:
        """Equal keys mean the same way to the same plan."""
        return self.submission.key, self.submission.profile

    @property
    def size_bytes(self) -> int:
        """About what a plan of it takes."""
        return len(self.submission.document)

    @property
    def wanted(self) -> list[EnvironmentSpec]:
        """The environments that are not there yet."""
        specs = self.placement.specs if self.placement else ()
        return [spec for spec in dict.fromkeys(specs) if spec not in self.provided]

    def missing(self, environment: EnvironmentId) -> list[CodeHash]:
        """The sources of an environment that nobody has looked at yet."""
        return [code for code, place in self.places.items() if place == environment and code not in self.codes]

    @property
    def is_inspected(self) -> bool:
        """Whether all sources were looked at."""
        return len(self.codes) == len(self.sources)


class Memory:
    """Plans and inspected code that were made before, least recently used first out."""

    def __init__(self) -> None:
        self._placements: OrderedDict[str, Placement] = OrderedDict()
        self._plans: OrderedDict[PlanKey, Prepared] = OrderedDict()
        self._plan_bytes = 0
        self._codes: dict[EnvironmentId, OrderedDict[CodeHash, InspectedCode]] = {}

    def placement(self, key: str) -> Placement | None:
        """Where the nodes of a graph run, if that is remembered."""
        return self._placements.get(key)

    def keep_placement(self, key: str, placement: Placement) -> None:
        """Remember where the nodes of a graph run."""
        self._placements[key] = placement
        if len(self._placements) > PLACEMENTS_KEPT:
            self._placements.popitem(last=False)

    def plan(self, key: str, environments: tuple[EnvironmentId, ...]) -> Prepared | None:
        """A finished preparation, if one is remembered."""
        found = self._plans.get((key, environments))
        if found is not None:
            self._plans.move_to_end((key, environments))
        return found

    def keep_plan(self, key: str, prepared: Prepared) -> None:
        """Remember a finished preparation."""
        self._plans[(key, prepared.environments)] = prepared
        self._plan_bytes += prepared.size_bytes
        while len(self._plans) > 1 and (len(self._plans) > PLANS_KEPT or self._plan_bytes > PLAN_BYTES_KEPT):
            self._plan_bytes -= self._plans.popitem(last=False)[1].size_bytes

    def code(self, environment: EnvironmentId, code: CodeHash) -> InspectedCode | None:
        """What is known of a source in an environment."""
        codes = self._codes.get(environment)
        return codes.get(code) if codes else None

    def keep_code(self, environment: EnvironmentId, code: CodeHash, inspected: InspectedCode) -> None:
        """Remember what a worker found."""
        codes = self._codes.setdefault(environment, OrderedDict())
        codes[code] = inspected
        if len(codes) > CODES_KEPT:
            codes.popitem(last=False)

    def forget(self, environment: EnvironmentId) -> None:
        """Another interpreter may stand there now: nothing that was found in the environment counts."""
        self._codes.pop(environment, None)
        for key in [key for key in self._plans if environment in key[1]]:
            self._plan_bytes -= self._plans.pop(key).size_bytes


def chunks(codes: Iterable[CodeHash], sources: dict[CodeHash, str]) -> list[tuple[CodeHash, ...]]:
    """Sources in portions that one worker reads in one go."""
    portions: list[tuple[CodeHash, ...]] = []
    portion: list[CodeHash] = []
    size = 0
    for code in codes:
        if portion and (len(portion) == INSPECTION_CODES or size + len(sources[code]) > INSPECTION_BYTES):
            portions.append(tuple(portion))
            portion, size = [], 0
        portion.append(code)
        size += len(sources[code])
    return [*portions, tuple(portion)] if portion else portions
