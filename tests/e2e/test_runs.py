"""Graphs executed by a real daemon: what a user gets."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from pyflowd_client import Refused, RunFailed
from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode, ExitStatus
from pyflowd_client.protocol.events import Diagnostic, NodeFinished, NodeOutput, NodeProgress, RunFinished, RunStarted
from pyflowd_client.protocol.states import NodeState, RunState
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".md", ".json") and path.name != "README.md")


def test_a_chain_passes_values_on_and_numbers_its_events_without_gaps(client: Client) -> None:
    text = graph(ADD, ADD, ADD, edges=(("n0", "output_1", "n1", "x"), ("n1", "output_1", "n2", "x")))
    run = client.run_document(text, inputs={"n0.x": 39})
    events = list(run)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], RunStarted)
    assert events[0].last == ("n2",)
    assert isinstance(events[-1], RunFinished)
    assert run.outputs["n2"] == {"output_1": 42}


def test_every_node_runs_in_a_process_of_its_own(client: Client) -> None:
    code = node("import sys\nsys.count = getattr(sys, 'count', 0) + 1\nreturn sys.count")
    run = client.run_document(graph(code, code, code))
    assert [run.result()[f"n{i}"]["output_1"] for i in range(3)] == [1, 1, 1]


def test_the_time_of_no_node_begins_below_nothing(client: Client) -> None:
    events = list(client.run_document(graph(*[ADD] * 4)))
    assert [event for event in events if isinstance(event, NodeFinished) and event.cpu_s < 0] == []


def test_nodes_see_who_and_where_they_are_and_nothing_of_how_they_were_started(client: Client) -> None:
    code = node("import os\nreturn sorted(os.environ)", returns="list")
    names = client.run_document(graph(code)).result()["n0"]["output_1"]
    assert {"PATH", "TMPDIR"} <= set(names)
    assert [name for name in names if name.startswith(("LD_", "PYFLOWD"))] == []


def test_values_cross_unchanged_in_pythons_json_dialect(client: Client) -> None:
    values = node("return [float('nan'), float('inf'), 2**200, '\\ud800', {'a': None}, (1, 2)]", returns="list")
    show = node("return repr(v)", "v: list", "str")
    run = client.run_document(graph(values, show, edges=(("n0", "output_1", "n1", "v"),)))
    outputs = run.result()
    assert outputs["n1"]["output_1"] == repr([math.nan, math.inf, 2**200, "\ud800", {"a": None}, [1, 2]])
    assert outputs["n0"]["output_1"][2] == 2**200


def test_a_large_value_goes_from_node_to_node_and_is_only_described_to_the_client(client: Client) -> None:
    make, use = node("return 'x' * 3_000_000", returns="str"), node("return len(s)", "s: str")
    text = graph(make, use, edges=(("n0", "output_1", "n1", "s"),))
    outputs = client.run_document(text).result()
    assert outputs["n1"]["output_1"] == 3_000_000
    assert outputs["n0"]["output_1"]["$value"]["size_bytes"] == 3_000_002
    whole = client.run_document(text, max_value_bytes=None).result()
    assert whole["n0"]["output_1"] == "x" * 3_000_000


def test_output_is_captured_at_the_descriptors_and_comes_before_the_end(client: Client) -> None:
    code = node(
        "import os, sys, subprocess\nprint('python')\nos.write(1, b'raw\\n')\n"
        "subprocess.run(['echo', 'child'])\nprint('wrong', file=sys.stderr)\nreturn 1"
    )
    events = list(client.run_document(graph(code)))
    texts = dict.fromkeys(("stdout", "stderr"), "")
    for event in events:
        if isinstance(event, NodeOutput):
            texts[event.stream] += event.text
    assert texts == {"stdout": "python\nraw\nchild\n", "stderr": "wrong\n"}
    assert isinstance(events[-2], NodeFinished)


def test_output_arrives_while_the_node_is_still_running(client: Client) -> None:
    code = node("import time\nprint('early')\ntime.sleep(30)\nreturn 1")
    run = client.run_document(graph(code))
    for event in run:
        if isinstance(event, NodeOutput):
            assert event.text == "early\n"
            run.cancel()
    assert run.state is RunState.CANCELLED


def test_progress_is_an_event(client: Client) -> None:
    events = list(client.run_document(graph(node("progress(0.5, 'half')\nreturn 1"))))
    told = [event for event in events if isinstance(event, NodeProgress)]
    assert [(event.fraction, event.message) for event in told] == [(0.5, "half")]


def test_a_failure_names_the_line_of_the_nodes_code_and_spares_the_other_branches(client: Client) -> None:
    bad = node("x = 1\nreturn x / 0")
    text = graph(bad, ADD, ADD, edges=(("n0", "output_1", "n1", "x"),), n0="Divider")
    run = client.run_document(text)
    finished = {event.node: event for event in run if isinstance(event, NodeFinished)}
    error = finished["n0"].error
    assert error is not None
    assert (error.code, error.type) == (ErrorCode.EXCEPTION, "ZeroDivisionError")
    assert 'File "<node: Divider>", line 4, in run\n    return x / 0' in (error.traceback or "")
    assert "worker_side" not in (error.traceback or "")
    assert finished["n1"].state is NodeState.SKIPPED
    assert finished["n2"].state is NodeState.DONE
    assert run.state is RunState.FAILED


def test_a_seed_makes_runs_equal(client: Client) -> None:
    text = graph(node("import random\nreturn random.random()", returns="float"))
    first, second, third = (client.run_document(text, seed=seed).result()["n0"] for seed in (7, 7, 8))
    assert first == second != third


def test_a_missing_input_is_refused_before_anything_runs_unless_partial(client: Client) -> None:
    needs = node("return y", "y: int")
    text = graph(needs, ADD, n0="Needy")
    run = client.run_document(text)
    events = list(run)
    assert [event.code for event in events if isinstance(event, Diagnostic)] == ["missing_input"]
    assert not any(isinstance(event, NodeFinished) for event in events)
    assert run.error is not None
    assert run.error.code is ErrorCode.BAD_GRAPH
    partial = client.run_document(text, partial=True)
    states = {event.node: event.state for event in partial if isinstance(event, NodeFinished)}
    assert states == {"n0": NodeState.SKIPPED, "n1": NodeState.DONE}


def test_an_input_for_no_node_is_the_clients_fault(client: Client) -> None:
    with pytest.raises(RunFailed) as failed:
        client.run_document(graph(ADD), inputs={"nobody.x": 1}).result()
    assert failed.value.error is not None
    assert failed.value.error.code is ErrorCode.BAD_INPUT


def test_a_cycle_is_refused_naming_its_nodes(client: Client) -> None:
    edges = (("n0", "output_1", "n1", "x"), ("n1", "output_1", "n0", "x"))
    run = client.run_document(graph(ADD, ADD, edges=edges, n0="Egg", n1="Hen"), partial=True)
    told = [event for event in run if isinstance(event, Diagnostic)]
    assert [event.code for event in told] == ["cycle"]
    assert "Egg" in told[0].message
    assert "Hen" in told[0].message


def test_another_client_follows_a_run_from_any_event(daemon: RunningDaemon, client: Client) -> None:
    run = client.run_document(graph(ADD))
    told = list(run)
    with daemon.client() as other:
        again = list(other.follow(run.id, from_seq=2))
    assert again == told[1:]


def test_a_run_goes_on_when_its_client_leaves(daemon: RunningDaemon) -> None:
    with daemon.client() as session:
        run = session.run_document(graph(node("import time\ntime.sleep(0.3)\nreturn 5")))
    with daemon.client() as other:
        assert other.follow(run.id).result()["n0"]["output_1"] == 5


def test_an_unknown_interpreter_is_refused_by_name(client: Client) -> None:
    with pytest.raises(RunFailed, match="nowhere") as failure:
        client.run_document(graph(ADD), python="/nowhere/python").result()
    assert failure.value.exit_status is ExitStatus.CONFIGURATION
    with pytest.raises(Refused, match="nowhere"):
        client.check(graph(ADD), python="/nowhere/python")


def test_a_program_that_is_no_interpreter_is_an_environment_error(client: Client) -> None:
    run = client.run_document(graph(ADD), python="/bin/true")
    list(run)
    assert run.error is not None
    assert run.error.code is ErrorCode.ENVIRONMENT
    assert "/bin/true" in run.error.message


def test_a_virtual_environment_is_one_word(client: Client) -> None:
    text = graph(node("import sys\nreturn sys.prefix", returns="str"))
    assert client.run_document(text, python=sys.prefix).result()["n0"]["output_1"] == sys.prefix


@pytest.mark.slow
def test_ten_thousand_nodes_run(client: Client) -> None:
    """A wide graph with a chain through its first hundred; one node's text, so that it is compiled once."""
    text = graph(*[ADD] * 10_000, edges=tuple((f"n{i}", "output_1", f"n{i + 1}", "x") for i in range(100)))
    run = client.run_document(text)
    done = sum(1 for event in run if isinstance(event, NodeFinished) and event.state is NodeState.DONE)
    assert done == 10_000
    assert run.outputs["n100"]["output_1"] == 101


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_run(unharmed: RunningDaemon, example: Path) -> None:
    needs_numpy = "numpy" in example.read_text()
    python = ("--python", sys.prefix) if needs_numpy else ()
    done = pyflowctl(unharmed.socket, "run", str(example), "--json", "--seed", "7", *python)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "run_finished"
    fails_on_purpose = example.name == "one_branch_fails.md"
    assert done.returncode == (1 if fails_on_purpose else 0), done.stderr
    finished = {event["title"]: event for event in events if event["event"] == "node_finished"}
    expected = {"done", "failed", "skipped"} if fails_on_purpose else {"done"}
    assert {event["state"] for event in finished.values()} == expected


def test_the_command_line_is_started_by_its_module_and_by_its_name() -> None:
    by_name = Path(sys.executable).with_name("pyflowctl")
    shown = subprocess.run([by_name, "--help"], capture_output=True, text=True, check=True, timeout=30)
    assert "run" in shown.stdout
