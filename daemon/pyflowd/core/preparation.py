"""What stands between a document and its plan: reading it, inspecting its code, planning it. And what is remembered.

A document is read once, a source is inspected once per environment, a plan is built once per document and
environment; equal graphs submitted at the same time share one preparation.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from pyflowd.core.ids import EnvironmentId
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.interface import CodeHash, CodeInterface
from pyflowd.graph.model import Graph
from pyflowd.graph.plan import Plan

INSPECTION_CODES = 64
INSPECTION_BYTES = 200_000
PLANS_KEPT = 64
PLAN_BYTES_KEPT = 32_000_000
CODES_KEPT = 20_000

W = TypeVar("W")


class Stage(Enum):
    """What a preparation waits for."""

    READING = "reading"
    INSPECTING = "inspecting"
    PLANNING = "planning"


@dataclass(frozen=True, slots=True)
class InspectedCode:
    """What an environment knows of a source: its pins, and its marshalled code object (opaque)."""

    interface: CodeInterface
    code: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A finished preparation; no plan when the graph is refused."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    codes: Mapping[CodeHash, InspectedCode] = field(default_factory=dict)
    size_bytes: int = 0


@dataclass(slots=True)
class Preparation(Generic[W]):
    """One document on its way to a plan; `waiters` want to know."""

    key: str
    environment: EnvironmentId
    stage: Stage = Stage.READING
    waiters: list[W] = field(default_factory=list)
    graph: Graph | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: dict[CodeHash, str] = field(default_factory=dict)
    titles: dict[CodeHash, str] = field(default_factory=dict)
    codes: dict[CodeHash, InspectedCode] = field(default_factory=dict)
    size_bytes: int = 0

    @property
    def missing(self) -> list[CodeHash]:
        """The sources that nobody has looked at yet."""
        return [code for code in self.sources if code not in self.codes]


class Memory:
    """Plans and inspected code that were made before, least recently used first out."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[str, EnvironmentId], Prepared] = OrderedDict()
        self._plan_bytes = 0
        self._codes: dict[EnvironmentId, OrderedDict[CodeHash, InspectedCode]] = {}

    def plan(self, key: str, environment: EnvironmentId) -> Prepared | None:
        """A finished preparation, if one is remembered."""
        found = self._plans.get((key, environment))
        if found is not None:
            self._plans.move_to_end((key, environment))
        return found

    def keep_plan(self, key: str, environment: EnvironmentId, prepared: Prepared) -> None:
        """Remember a finished preparation."""
        self._plans[(key, environment)] = prepared
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
        for key in [key for key in self._plans if key[1] == environment]:
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
