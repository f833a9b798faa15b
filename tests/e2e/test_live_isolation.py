"""Live sessions on real processes: what survives a change, what a death costs, and what overtakes what."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.live import Live
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import NodeFinished, NodeOutput, NodeProgress, NodeStarted
from pyflowd_client.protocol.states import NodeState
from support.daemons import ADD, RunningDaemon, assert_serves, graph, node, running_daemon
from support.zygote import poll_until, wait_gone

PATIENCE_S = 30.0
COUNTS = "calls = []\n" + node("import os\ncalls.append(x)\nreturn [os.getpid(), len(calls)]", "x: int = 0", "list")
LOOPS = node("progress(0)\nwhile x == 1: pass\nreturn x", "x: int = 0")
STUBBORN = node(
    "progress(0)\nwhile x == 1:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass\nreturn x",
    "x: int = 0",
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with running_daemon() as running:
        yield running


@pytest.fixture
def client(daemon: RunningDaemon) -> Iterator[Client]:
    with daemon.client() as client:
        yield client
        assert_serves(client)


@contextmanager
def live(client: Client, document: str, **options: object) -> Iterator[Live]:
    """A session that has settled once."""
    with client.live_document(document, **options) as session:  # type: ignore[arg-type]
        session.settle(PATIENCE_S)
        yield session


def until_progress(session: Live) -> NodeProgress:
    """Its nodes are at work."""
    return next(event for event in session if isinstance(event, NodeProgress))


def pid_of(client: Client, state: str) -> int:
    """The one process in this state, once its fork server has told of it: it may have worked before that."""
    pids: list[int | None] = [None]

    def is_known() -> bool:
        pids[:] = [worker.pid for worker in client.status().workers if worker.state == state]
        return None not in pids

    poll_until(is_known)
    [pid] = pids
    assert pid is not None
    return pid


def test_a_resident_node_keeps_its_variables_and_its_process(client: Client) -> None:
    with live(client, graph(COUNTS)) as session:
        first = session.values["n0"]["output_1"]
        for number in range(1, 5):
            session.set("n0", "x", number)
            session.settle(PATIENCE_S)
            now = session.values["n0"]["output_1"]
            assert now == [first[0], number + 1]


def test_what_a_thread_of_a_resident_node_writes_between_calls_is_told(client: Client) -> None:
    late = node("import threading\nthreading.Timer(0.3, lambda: print('later', x)).start()\nreturn x", "x: int = 0")
    with live(client, graph(late)) as session:
        change = session.set("n0", "x", 1)
        session.settle(PATIENCE_S)
        told = next(event for event in session if isinstance(event, NodeOutput) and event.text == "later 1\n")
        assert (told.node, told.change) == ("n0", change)


def test_a_fresh_node_begins_anew(client: Client) -> None:
    with live(client, graph(COUNTS), isolation="fresh") as session:
        session.set("n0", "x", 1)
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"][1] == 1


def test_other_code_begins_anew_and_the_other_nodes_keep_what_they_have(client: Client) -> None:
    with live(client, graph(COUNTS, COUNTS)) as session:
        session.run_all()
        session.settle(PATIENCE_S)
        before = session.values["n1"]["output_1"]
        session.update_document(graph(COUNTS + "# edited\n", COUNTS))
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"][1] == 1
        assert session.values["n1"]["output_1"] == before
        session.run_all()
        session.settle(PATIENCE_S)
        assert session.values["n1"]["output_1"] == [before[0], before[1] + 1]


def test_reset_forgets_variables(client: Client) -> None:
    with live(client, graph(COUNTS)) as session:
        session.run_all()
        session.settle(PATIENCE_S)
        session.reset()
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"][1] == 1


def test_a_resident_that_is_killed_at_work_fails_its_node_and_the_next_change_starts_another(client: Client) -> None:
    with live(client, graph(LOOPS, ADD)) as session:
        session.set("n0", "x", 1)
        until_progress(session)
        os.kill(pid_of(client, "busy"), signal.SIGKILL)
        session.settle(PATIENCE_S)
        assert session.errors["n0"].code is ErrorCode.KILLED
        assert session.states["n1"] is NodeState.DONE
        session.set("n0", "x", 2)
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"] == 2
        assert "n0" not in session.errors


def test_a_resident_that_is_killed_at_rest_costs_nothing_but_its_variables(client: Client) -> None:
    with live(client, graph(COUNTS)) as session:
        pid = pid_of(client, "held")
        os.kill(pid, signal.SIGKILL)
        assert wait_gone(pid)
        session.set("n0", "x", 1)
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"][1] == 1
        assert session.errors == {}


@pytest.mark.parametrize("code", [LOOPS, STUBBORN], ids=["plain", "stubborn"])
@pytest.mark.parametrize("how", ["input", "edit"])
def test_an_endless_loop_is_ended_by_the_next_change(client: Client, code: str, how: str) -> None:
    with live(client, graph(code)) as session:
        session.set("n0", "x", 1)
        until_progress(session)
        if how == "input":
            session.set("n0", "x", 3)
        else:
            session.update_document(graph(node("return 3")))
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"] == 3


def test_a_session_of_two_hundred_nodes(client: Client) -> None:
    count = 200
    edges = tuple((f"n{i}", "output_1", f"n{i + 1}", "x") for i in range(count - 1))
    with live(client, graph(*[ADD] * count, edges=edges)) as session:
        assert session.values[f"n{count - 1}"]["output_1"] == count
        session.set("n100", "x", 0)
        session.settle(PATIENCE_S)
        assert session.values[f"n{count - 1}"]["output_1"] == count - 100
        assert session.values["n99"]["output_1"] == 100


def test_what_a_node_prints_is_told_with_its_change(client: Client) -> None:
    with live(client, graph(node("print('got', x)\nreturn x", "x: int = 0"))) as session:
        change = session.set("n0", "x", 7)
        for event in session:
            if isinstance(event, NodeOutput) and event.change == change:
                assert event.text == "got 7\n"
                break


def test_objects_are_passed_on_by_reference_where_nodes_share_a_process(client: Client) -> None:
    make = node("global kept\nkept = {1, 2}\nreturn kept", returns="object")
    same = node("import os\nreturn [id(v), sorted(v), os.getpid()]", "v: object", "list")
    edges = (("n0", "output_1", "n1", "v"), ("n0", "output_1", "n2", "v"))
    with live(client, graph(make, same, same, edges=edges), isolation="shared") as session:
        assert session.values["n1"] == session.values["n2"]
        assert session.values["n1"]["output_1"][1] == [1, 2]
        assert session.values["n0"]["output_1"]["$value"]["type"] == "set"
        before = session.values["n1"]
        session.trigger("n1")
        session.settle(PATIENCE_S)
        assert session.values["n1"] == before


def test_the_death_of_a_shared_process_is_its_nodes_and_the_next_change_starts_it_anew(client: Client) -> None:
    make = node("return {1, 2}", returns="object")
    dies = node("import os\nif x: os.kill(os.getpid(), 9)\nreturn len(v)", "v: object, x: int = 0")
    size = node("return len(v)", "v: object")
    edges = (("n0", "output_1", "n1", "v"), ("n0", "output_1", "n2", "v"))
    with live(client, graph(make, dies, size, edges=edges), isolation="shared") as session:
        assert session.values["n1"]["output_1"] == 2
        session.set("n1", "x", 1)
        session.settle(PATIENCE_S)
        assert session.errors["n1"].code is ErrorCode.KILLED
        assert session.values["n2"]["output_1"] == 2
        session.set("n1", "x", 0)
        session.settle(PATIENCE_S)
        assert session.values["n1"]["output_1"] == 2
        assert session.errors == {}


def test_an_endless_loop_in_a_shared_process_is_ended_by_the_next_change(client: Client) -> None:
    edges = (("n0", "output_1", "n1", "x"),)
    with live(client, graph(LOOPS, ADD, edges=edges), isolation="shared") as session:
        session.set("n0", "x", 1)
        until_progress(session)
        session.set("n0", "x", 3)
        session.settle(PATIENCE_S)
        assert session.values["n1"]["output_1"] == 4


@pytest.mark.parametrize("isolation", ["fresh", "resident", "shared"])
def test_a_run_gives_the_same_in_every_isolation(client: Client, isolation: str) -> None:
    says = node("print('one', x)\nreturn x + 1", "x: int = 0")
    edges = (("n0", "output_1", "n1", "x"), ("n2", "output_1", "n3", "x"))
    document = graph(says, says, node("raise ValueError('no')"), ADD, edges=edges)
    run = client.run_document(document, isolation=isolation)
    events = list(run)
    ends = {event.node: event for event in events if isinstance(event, NodeFinished)}
    assert {name: end.state.value for name, end in ends.items()} == {
        "n0": "done",
        "n1": "done",
        "n2": "failed",
        "n3": "skipped",
    }
    assert [ends[name].outputs for name in ("n0", "n1")] == [{"output_1": 1}, {"output_1": 2}]
    error = ends["n2"].error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "no")
    told = [(event.node, event.text) for event in events if isinstance(event, NodeOutput)]
    assert sorted(told) == [("n0", "one 0\n"), ("n1", "one 1\n")]
    begun = {event.node for event in events if isinstance(event, NodeStarted)}
    assert {"n0", "n1"} <= begun <= {"n0", "n1", "n2"}, "what has written something was seen to run"
    assert len(begun) == 3 or isolation == "shared"
    assert all(getattr(event, "change", None) is None for event in events)


def test_a_time_limit_is_of_each_node_also_where_they_share_a_process(client: Client) -> None:
    nap = node("import time\ntime.sleep(x)\nreturn 0.4", "x: float = 0.4", "float")
    edges = tuple((f"n{i}", "output_1", f"n{i + 1}", "x") for i in range(3))
    run = client.run_document(graph(*[nap] * 4, edges=edges), isolation="shared", timeout_s=1.0)
    assert len(run.result()) == 4
    slow = client.run_document(graph(nap, LOOPS), isolation="shared", timeout_s=1.0, inputs={"n1.x": 1})
    list(slow)
    [failed] = slow.failures
    assert (failed.node, failed.error and failed.error.code) == ("n1", ErrorCode.TIME_LIMIT)
    assert slow.outputs["n0"]["output_1"] == 0.4


def test_a_shared_run_is_cancelled_like_any_other(client: Client) -> None:
    run = client.run_document(graph(LOOPS, ADD), isolation="shared", inputs={"n0.x": 1})
    next(event for event in run if isinstance(event, NodeProgress))
    run.cancel()
    ends = {event.node: event.state for event in run if isinstance(event, NodeFinished)}
    assert ends == {"n0": NodeState.CANCELLED, "n1": NodeState.CANCELLED}


def test_nodes_that_cannot_share_a_process_are_refused(client: Client) -> None:
    document = json.loads(graph(ADD))
    document["nodes"][0]["limits"] = {"processes": 7}
    run = client.run_document(json.dumps(document), isolation="shared")
    list(run)
    assert run.error is not None
    assert run.error.code is ErrorCode.BAD_GRAPH
    assert "share a process" in run.error.message


def test_a_full_queue_of_batch_work_does_not_keep_live_work_from_running(client: Client, daemon: RunningDaemon) -> None:
    with daemon.client() as other, live(client, graph(node("return x", "x: int = 0"))) as session:
        forever = node("progress(0)\nimport threading\nthreading.Event().wait()")
        batch = other.run_document(graph(*[forever] * 40))
        next(event for event in batch if isinstance(event, NodeProgress))
        for value in range(5):
            session.set("n0", "x", value)
            session.settle(PATIENCE_S)
            assert session.values["n0"]["output_1"] == value
        session.update_document(graph(node("return x + 100", "x: int = 0")))
        session.settle(PATIENCE_S)
        assert session.values["n0"]["output_1"] == 104
        batch.cancel()
        list(batch)


def test_a_timer_ticks_until_it_is_taken_back(client: Client) -> None:
    with live(client, graph("ticks = 0\n" + node("global ticks\nticks += 1\nreturn ticks"))) as session:
        session.every(0.05, "n0")
        for event in session:
            if isinstance(event, NodeFinished) and event.outputs["output_1"] >= 4:
                break
        session.every(None, "n0")
        session.settle(PATIENCE_S)
