"""debugpy in nodes: the real one, attached to as editors do."""

import importlib.util
import socket
import sys
import venv
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.errors import Refused
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import DebuggerClosed, DebuggerOpened, NodeFinished, RunFinished
from pyflowd_client.protocol.options import Debugging, Permissions
from pyflowd_client.protocol.states import DebuggerKind, NodeState, RunState
from support.daemons import RunningDaemon, graph, node, pyflowctl, running_daemon
from support.dap import attached

needs_debugpy = pytest.mark.skipif(importlib.util.find_spec("debugpy") is None, reason="debugpy is not installed")
NET = Permissions(net=True)
OWN = sys.prefix  # where the tests run, debugpy is installed
DOUBLE = node("y = x + 1\nz = y * 2\nreturn z", "x: int = 20")
STOPS = node("y = 7\nbreakpoint()\nreturn y")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def debugpy(port: int) -> Debugging:
    return Debugging(debugger=DebuggerKind.DEBUGPY, port=port)


@needs_debugpy
@pytest.mark.parametrize("tier", ["T0", "T1", "T2", "T3"])
def test_in_every_tier_an_editor_stops_the_node_and_looks_at_it(tier: str, port: int) -> None:
    settings = f'[sandbox]\nmaximum_tier = "{tier}"\nminimum_tier = "T0"\n'
    with running_daemon(settings=settings) as daemon, daemon.client() as client:
        run = client.run_document(graph(DOUBLE), debugging=debugpy(port), permissions=NET, python=OWN, timeout_s=1.0)
        for event in run:
            if not isinstance(event, DebuggerOpened):
                continue
            assert (event.debugger, event.port) == (DebuggerKind.DEBUGPY, port)
            with attached(port) as editor:
                editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "run"}])
                editor.send("configurationDone")
                thread = editor.event("stopped")["threadId"]
                frame = editor.ask("stackTrace", threadId=thread)["stackFrames"][0]
                assert frame["source"]["path"] == "<node: Node 0>"
                source = frame["source"]
                content = editor.ask("source", source=source, sourceReference=source["sourceReference"])["content"]
                assert content.rstrip() == DOUBLE.rstrip()
                assert editor.ask("evaluate", expression="x * 100", frameId=frame["id"])["result"] == "2000"
                editor.ask("continue", threadId=thread)
        assert run.outputs["n0"]["output_1"] == 42
        assert client.status().environments[-1].tier == tier


@needs_debugpy
def test_nodes_wait_one_after_the_other_and_breakpoint_stops(client: Client, port: int) -> None:
    run = client.run_document(graph(STOPS, STOPS), debugging=debugpy(port), permissions=NET, python=OWN)
    told = []
    for event in run:
        if isinstance(event, DebuggerOpened | DebuggerClosed | NodeFinished):
            told.append((event.NAME, event.node))
        if isinstance(event, DebuggerOpened):
            with attached(port) as editor:
                editor.send("configurationDone")
                thread = editor.event("stopped")["threadId"]
                editor.ask("continue", threadId=thread)
                editor.event("terminated")
    first, second = told[0][1], told[3][1]
    assert {first, second} == {"n0", "n1"}
    steps = ("debugger_opened", "debugger_closed", "node_finished")
    assert told == [(name, node) for node in (first, second) for name in steps]
    assert run.state is RunState.SUCCEEDED


@needs_debugpy
def test_a_cancel_ends_the_wait(client: Client, port: int) -> None:
    run = client.run_document(graph(DOUBLE), debugging=debugpy(port), permissions=NET, python=OWN)
    for event in run:
        if isinstance(event, DebuggerOpened):
            run.cancel()
        if isinstance(event, NodeFinished):
            assert event.state is NodeState.CANCELLED
    assert run.state is RunState.CANCELLED


@needs_debugpy
def test_a_port_that_is_taken_fails_the_node_with_that_reason(client: Client, port: int) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        run = client.run_document(graph(DOUBLE), debugging=debugpy(port), permissions=NET, python=OWN)
        assert [event.NAME for event in run if isinstance(event, DebuggerOpened)] == []
    [failed] = run.failures
    assert failed.error is not None
    assert failed.error.message.startswith(f"debugpy cannot wait on port {port}: ")


@needs_debugpy
def test_what_debugpy_imports_is_not_learnt(client: Client, port: int) -> None:
    run = client.run_document(graph(STOPS), debugging=debugpy(port), permissions=NET, python=OWN)
    for event in run:
        if isinstance(event, DebuggerOpened):
            with attached(port) as editor:
                editor.send("configurationDone")
                editor.ask("continue", threadId=editor.event("stopped")["threadId"])
                editor.event("terminated")
    [shown] = [client.environments.show(OWN)]
    assert not [module for module in shown.learnt if "pydev" in module or "debugpy" in module]


def test_without_the_network_it_is_refused(client: Client, port: int) -> None:
    with pytest.raises(Refused, match="only if the network is permitted") as refused:
        client.run_document(graph(DOUBLE), debugging=debugpy(port))
    assert refused.value.code is ErrorCode.NOT_PERMITTED
    assert refused.value.error.hint == "run it with --allow-net"


def test_where_it_is_not_installed_the_node_says_how_to_have_it(client: Client, folder: Path, port: int) -> None:
    venv.create(folder / "bare", symlinks=True, with_pip=False)
    run = client.run_document(graph(DOUBLE), debugging=debugpy(port), permissions=NET, python=folder / "bare")
    assert isinstance(list(run)[-1], RunFinished)
    [failed] = run.failures
    assert failed.error is not None
    assert "--with debugpy" in failed.error.message


def test_the_command_line_says_what_it_lacks_and_what_is_no_port(unharmed: RunningDaemon, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text(graph(DOUBLE))
    done = pyflowctl(unharmed.socket, "run", str(path), "--debugpy", "5678")
    assert done.returncode == 77
    assert "--allow-net" in done.stderr
    done = pyflowctl(unharmed.socket, "run", str(path), "--debugpy", "70000")
    assert done.returncode == 2
    assert "is not a port" in done.stderr
    done = pyflowctl(unharmed.socket, "run", str(path), "--debugpy", "5678", "--pdb")
    assert done.returncode == 2
