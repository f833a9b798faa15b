"""The interface of a peer - one way of running nodes - and the code that workers of other systems run.

Inputs and results of `call`, `chain` and `fan` are JSON values, really encoded and decoded on both sides,
since that is what a client pays.
"""

import functools
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

CPUS = os.cpu_count() or 1


class Isolation(StrEnum):
    """What stands between two node executions."""

    NONE = "none"
    REUSED = "reused process"
    FRESH = "fresh process"


class Peer(ABC):
    """One row of the table.

    requires: packages without which the peer is left out.
    skips: workloads that it cannot do, and why.
    is_slow: tens of milliseconds per node, so it gets smaller counts.
    """

    note: str = ""
    isolation: Isolation = Isolation.NONE
    is_slow: bool = False
    requires: tuple[str, ...] = ()
    skips: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def start(self) -> None:
        """Get ready; counted in the workload `start`."""

    @abstractmethod
    def stop(self) -> None:
        """Leave nothing running."""

    @abstractmethod
    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        """Execute one node and return its value."""

    def chain(self, code: str, nodes: int) -> Any:
        """Execute `nodes` nodes, each with the value of the one before, the first with 0; the last value."""
        value: Any = 0
        for _ in range(nodes):
            value = self.call(code, {"x": value})
        return value

    def fan(self, code: str, nodes: int) -> list[Any]:
        """Execute `nodes` independent nodes with 0, 1, 2, ...; their values in this order."""
        return [self.call(code, {"x": i}) for i in range(nodes)]

    @abstractmethod
    def pass_value(self, make: str, use: str) -> Any:
        """Execute `make`, then `use` with its value; the small value of `use`."""


@functools.lru_cache(256)
def compiled(code: str) -> Callable[..., Any]:
    """The `node` function of the code; a warm worker compiles it once."""
    namespace: dict[str, Any] = {"__name__": "node"}
    exec(compile(code, "<node>", "exec"), namespace)
    return cast("Callable[..., Any]", namespace["node"])


def run_json(code: str, inputs: str) -> str:
    """JSON text of the inputs -> JSON text of the value."""
    return json.dumps(compiled(code)(**json.loads(inputs)))


def run_json_x(code: str, x: str) -> str:
    """The same for a single input `x`, for systems that chain by futures."""
    return json.dumps(compiled(code)(x=json.loads(x)))


def run_objects(code: str, inputs: Mapping[str, Any]) -> Any:
    """Objects in and out, transported however the peer does it."""
    return compiled(code)(**inputs)


def run_object_x(code: str, x: Any) -> Any:
    """The same for a single input `x`."""
    return compiled(code)(x=x)
