"""Reads documents and builds plans. Small ones at once; large ones in a thread, so that nobody else waits."""

import asyncio
import gc
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar, cast

from pyflowd.core.effects import BuildPlan, ReadGraph
from pyflowd.core.judgement import finding
from pyflowd.core.stimuli import GraphRead, PlanBuilt, Stimulus
from pyflowd.graph.diagnostics import Severity, has_errors
from pyflowd.graph.document import read_document, write_document
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.placement import Placement, place
from pyflowd.graph.planning import build_plan
from pyflowd_client.protocol.replies import GraphConverted
from pyflowd_client.protocol.requests import ConvertGraph

T = TypeVar("T")
Conversion = tuple[GraphConverted | None, str]

SMALL_DOCUMENT_CHARS = 30_000
SMALL_GRAPH_NODES = 150


class Planner:
    """Performs the effects that are about documents; one thread, so that large ones wait for each other.

    is_there: whether an environment need not be made.
    """

    def __init__(
        self,
        is_there: Callable[[EnvironmentSpec], bool],
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[Stimulus], None],
    ) -> None:
        self._is_there = is_there
        self._loop = loop
        self._feed = feed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="planner")

    def read(self, effect: ReadGraph) -> None:
        """Read a document."""
        is_small = len(effect.document) <= SMALL_DOCUMENT_CHARS
        self._perform(lambda: _read(effect, self._is_there), self._feed, is_small=is_small)

    def build(self, effect: BuildPlan) -> None:
        """Plan a graph."""
        self._perform(lambda: _build(effect), self._feed, is_small=len(effect.graph.nodes) <= SMALL_GRAPH_NODES)

    def convert(self, request: ConvertGraph, done: Callable[[Conversion], None]) -> None:
        """Read a document and write it in another format."""
        self._perform(lambda: _convert(request), done, is_small=len(request.document) <= SMALL_DOCUMENT_CHARS)

    def close(self) -> None:
        """Wait for nothing."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _perform(self, act: Callable[[], T], done: Callable[[T], None], *, is_small: bool) -> None:
        if is_small:
            done(act())
            return
        future = self._loop.run_in_executor(self._thread, _without_collections, act)
        future.add_done_callback(lambda result: None if result.cancelled() else done(result.result()))


def _without_collections(act: Callable[[], T]) -> T:
    """A large document is a million objects that all live: looking for garbage among them takes a third of the time."""
    gc.disable()
    try:
        return act()
    finally:
        gc.enable()


def _convert(request: ConvertGraph) -> Conversion:
    """The document in another format; None, and what is wrong, when it would not be the same graph."""
    reading = read_document(request.document, request.name)
    if reading.graph is None or has_errors(reading.diagnostics):
        return None, "\n".join(item.message for item in reading.diagnostics if item.severity is Severity.ERROR)
    findings = tuple(finding(item) for item in reading.diagnostics)
    written = write_document(reading.graph, cast("Literal['md', 'json']", request.to))
    return GraphConverted(document=written, findings=findings), ""


def _read(effect: ReadGraph, is_there: Callable[[EnvironmentSpec], bool]) -> Stimulus:
    reading = read_document(effect.document, effect.name)
    placement = Placement() if reading.graph is None else place(reading.graph, effect.choice, effect.python)
    if not effect.makes:
        placement = placement.with_what_is_there(is_there)
    return GraphRead(key=effect.key, graph=reading.graph, placement=placement, diagnostics=reading.diagnostics)


def _build(effect: BuildPlan) -> Stimulus:
    home = os.path.realpath(os.path.expanduser("~"))
    planning = build_plan(effect.graph, effect.interfaces, home, effect.placement)
    return PlanBuilt(key=effect.key, plan=planning.plan, diagnostics=planning.diagnostics)
