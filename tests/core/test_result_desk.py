"""Which nodes are looked up, which results are kept, and what is said of both."""

import json
from typing import Any

import pytest

from pyflowd.core import result_reasons, stimuli
from pyflowd.core.ids import WorkerId
from pyflowd.core.kept_results import KeptResult
from pyflowd.core.permissions import normal, profile
from pyflowd.core.profiles import NOWHERE
from pyflowd_client.protocol.events import Diagnostic, NodeFinished, NodeOutput, NodeStarted, RunFinished
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import Debugging, Permissions, Selection
from pyflowd_client.protocol.states import DebuggerKind, NodeState, RunState
from support.world import PYTHON, SESSION, World, shape


def chain(count: int, **metadata: Any) -> str:
    """A chain of good nodes; metadata goes to the first."""
    document = json.loads(shape(count, {(index, index + 1) for index in range(count - 1)}))
    document["nodes"][0] |= metadata
    return json.dumps(document)


def run(world: World, document: str, **options: Any) -> RunId:
    """A run to its end, in which all goes well."""
    request = world.submit(document, **options)
    world.settle()
    world.check_over()
    return world.run_of(request)


def told(world: World, run_id: RunId, kind: type) -> list[Any]:
    return [event for event in world.events[run_id] if isinstance(event, kind)]


def executed(world: World, run_id: RunId) -> list[str]:
    return [event.node for event in told(world, run_id, NodeStarted)]


def explanations(world: World, run_id: RunId) -> dict[str, str]:
    return {event.node: event.message for event in told(world, run_id, Diagnostic) if event.code == "cache"}


def test_what_nobody_asked_for_is_neither_looked_up_nor_kept() -> None:
    world = World()
    for _ in range(2):
        assert executed(world, run(world, chain(2))) == ["n0", "n1"]
    assert not world.results


@pytest.mark.parametrize(
    ("keeps_results", "metadata", "options", "again"),
    [
        (False, {}, {"cache": True}, []),
        (True, {}, {}, []),
        (True, {}, {"cache": False}, ["n0", "n1"]),
        (True, {"cache": False}, {}, ["n0"]),
        (False, {"cache": True}, {}, ["n1"]),
        (False, {"cache": True}, {"cache": False}, ["n0", "n1"]),
        (False, {"cache": False}, {"cache": True}, ["n0"]),
    ],
)
def test_a_node_goes_before_a_run_which_goes_before_the_settings(
    keeps_results: bool, metadata: dict[str, Any], options: dict[str, Any], again: list[str]
) -> None:
    world = World(keeps_results=keeps_results)
    run(world, chain(2, **metadata), **options)
    second = run(world, chain(2, **metadata), **options)
    assert executed(world, second) == again
    finished = {event.node: event for event in told(world, second, NodeFinished)}
    assert {node for node, event in finished.items() if not event.cached} == set(again)
    assert all(event.state is NodeState.DONE for event in finished.values())
    assert all(event.cpu_s == event.peak_memory_bytes == 0 for event in finished.values() if event.cached)


def begun(world: World, document: str, **options: Any) -> tuple[RunId, WorkerId]:
    """A run of one node that is not kept, and who executes it."""
    run(world, document)  # what has to be inspected is
    request = world.submit(document, **options)
    world.look()
    [worker] = world.busy()
    return world.run_of(request), worker


def test_what_a_node_wrote_and_was_warned_of_comes_again_before_its_end() -> None:
    world = World()
    first, worker = begun(world, chain(1), cache=True)
    for stream, data in (("stdout", b"one\ntw"), ("stderr", b"oh\n"), ("stdout", b"o")):
        world.feed(stimuli.WorkerWrote(worker=worker, stream=stream, data=data))
    world.warnings = ("odd",)
    world.answer(worker)
    world.settle()
    second = run(world, chain(1), cache=True)
    assert executed(world, second) == []
    parts = [
        [(kind.NAME, getattr(event, "text", None)) for event in world.events[run_id] if isinstance(event, kind)]
        for run_id in (first, second)
        for kind in (NodeOutput, Diagnostic)
    ]
    assert (
        parts[:2] == parts[2:] == [[("node_output", text) for text in ("one\n", "oh\n", "two")], [("diagnostic", None)]]
    )
    assert isinstance(world.events[second][-2], NodeFinished)


def test_a_result_whose_output_was_cut_is_not_kept() -> None:
    world = World()
    _, worker = begun(world, chain(1), cache=True, output_bytes=10)
    world.feed(stimuli.WorkerWrote(worker=worker, stream="stdout", data=b"x" * 11))
    world.answer(worker)
    world.settle()
    assert not world.results


def test_a_failure_is_not_kept() -> None:
    world = World()
    _, worker = begun(world, chain(1), cache=True)
    world.fail(worker)
    world.settle()
    assert not world.results
    assert executed(world, run(world, chain(1), cache=True)) == ["n0"]


def test_a_result_of_a_fork_server_that_knew_other_packages_is_not_kept() -> None:
    """Packages have changed since it started: it is asked for the result of the new ones, and has the old."""
    world = World()
    run(world, chain(1))
    request = world.submit(chain(1), cache=True, explain=True)
    world.fingerprint = "2"
    world.settle()
    told_run = world.run_of(request)
    assert not world.results
    [_, message] = [event.message for event in told(world, told_run, Diagnostic)]
    assert message == result_reasons.ENVIRONMENT_CHANGES


def test_what_cannot_be_kept_is_executed() -> None:
    world = World()
    world.stamp = None
    second = run(world, chain(2), cache=True, explain=True)
    assert executed(world, second) == ["n0", "n1"]
    assert explanations(world, second)["n0"] == result_reasons.executed("there is no stamp")
    assert not world.results


@pytest.mark.parametrize(
    ("permissions", "metadata", "reason"),
    [
        (Permissions(net=True), {}, result_reasons.MAY_USE_NET),
        (Permissions(all=True), {}, result_reasons.MAY_DO_ALL),
        (Permissions(net=True), {"cache": True}, None),
        (Permissions(all=True), {"cache": {"files": ["/etc/hosts"]}}, None),
        (Permissions(all=True), {"cache": {"files": ["hosts"]}}, result_reasons.not_granted("hosts")),
        (Permissions(read=("/data",)), {"cache": {"files": ["/data/a/b"]}}, None),
        (Permissions(read=("/data",)), {"cache": {"files": ["/datum"]}}, result_reasons.not_granted("/datum")),
        (Permissions(), {"cache": {"files": ["/etc/hosts"]}}, result_reasons.not_granted("/etc/hosts")),
    ],
)
def test_what_may_come_from_anywhere_is_kept_only_where_the_node_says_so(
    permissions: Permissions, metadata: dict[str, Any], reason: str | None
) -> None:
    world = World()
    granted = normal(permissions, None)
    place = {"permissions": granted, "profile": profile(NOWHERE, granted, None).id}
    first = run(world, chain(1, **metadata), cache=True, explain=True, **place)
    again = run(world, chain(1, **metadata), cache=True, explain=True, **place)
    assert executed(world, again) == ([] if reason is None else ["n0"])
    assert (reason is None) == ("n0" in [event.node for event in told(world, again, NodeFinished) if event.cached])
    if reason is not None:
        assert explanations(world, first)["n0"] == result_reasons.executed(reason)


def test_what_a_node_depends_on_is_asked_for_by_real_names() -> None:
    world = World()
    granted = normal(Permissions(read=("/data",), write=("/out",)), "/work")
    world.submit(
        chain(1, cache={"files": ["a.csv", "/data/x"]}),
        permissions=granted,
        profile=profile(NOWHERE, granted, "/work").id,
    )
    world.warm()
    world.fork()
    [inspector] = world.busy()
    world.answer(inspector)
    [asked] = world.lookups
    assert asked.question.paths == ("/data", "/work", "/out", "/work/a.csv", "/data/x")
    assert asked.question.python == PYTHON
    world.settle()


def test_a_run_that_ends_while_a_result_is_looked_up_gives_back_what_is_found() -> None:
    world = World()
    run(world, chain(2), cache=True)
    request = world.submit(chain(2), cache=True)
    assert world.lookups
    world.requests += 1
    world.feed(stimuli.CancelAsked(session=SESSION, request=world.requests, run=world.run_of(request)))
    assert world.events[world.run_of(request)][-1].state is RunState.CANCELLED  # type: ignore[union-attr]
    world.look()
    world.check_over()


def test_a_result_of_another_shape_is_executed_anew() -> None:
    """Of the same code in the same environment that cannot be; what lies on a disk is not believed for that."""
    world = World()
    run(world, chain(1), cache=True)
    [digest] = world.results
    world.results[digest] = KeptResult(outputs=(), texts=(), warnings=())
    again = run(world, chain(1), cache=True)
    assert executed(world, again) == ["n0"]
    assert told(world, again, RunFinished)[0].state is RunState.SUCCEEDED


def test_explanations_name_what_differs() -> None:
    world = World()
    explained = {"cache": True, "explain": True}
    assert explanations(world, run(world, chain(2), **explained))["n0"].endswith("no result of it is kept")
    assert set(explanations(world, run(world, chain(2), **explained)).values()) == {result_reasons.FOUND}
    other = explanations(world, run(world, chain(2), inputs={"n0.x": "5"}, seed=4, **explained))
    assert other["n0"].endswith(': seed, input "x"')
    assert other["n1"].endswith(": seed")
    world.results.clear()
    gone = explanations(world, run(world, chain(2), inputs={"n0.x": "5"}, seed=4, **explained))
    assert gone["n0"].endswith("was kept, and is not any more")
    off = explanations(world, run(world, chain(2), explain=True))
    assert off == dict.fromkeys(["n0", "n1"], result_reasons.executed(result_reasons.OFF))


def test_only_who_asks_is_told_why() -> None:
    world = World()
    for _ in range(2):
        assert explanations(world, run(world, chain(2), cache=True)) == {}


def test_what_a_debugger_may_open_in_is_neither_taken_nor_kept() -> None:
    """Whoever sits in it may change what it gives."""
    world = World()
    run(world, chain(1, cache=True), cache=True)
    pdb = {"debugging": Debugging(debugger=DebuggerKind.PDB), "explain": True}
    again = run(world, chain(1, cache=True), cache=True, **pdb)
    assert executed(world, again) == ["n0"]
    assert explanations(world, again)["n0"] == result_reasons.executed(result_reasons.DEBUGGED)
    assert len(world.results) == 1


def test_what_was_taken_is_the_last_value_of_its_node() -> None:
    world = World()
    run(world, chain(2), cache=True)
    taken = world.submit(chain(2), cache=True, origin="another")
    world.settle()
    assert executed(world, world.run_of(taken)) == []
    part = run(world, chain(2), selection=Selection(only=("n1",)), origin="another")
    assert executed(world, part) == ["n1"]
