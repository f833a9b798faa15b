"""Parts of graphs on a real daemon: what runs, and what it gets from the nodes that do not."""

import asyncio
import json
import re
import shlex
from pathlib import Path

import pytest

from pyflowd_client import Outputs, RunFailed
from pyflowd_client.aio import connect_async
from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode, ExitStatus
from pyflowd_client.protocol.events import Diagnostic, Event, NodeFinished, NodeStarted, RunStarted
from pyflowd_client.protocol.states import NodeState
from pyflowd_client.run import Run
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl, running_daemon

NOW = node("import time\nreturn time.monotonic_ns() + 0 * x", "x: int = 0")  # another value each time that it is run
CHAIN = graph(NOW, NOW, NOW, edges=(("n0", "output_1", "n1", "x"), ("n1", "output_1", "n2", "x")))
SUM = node("return x + 1", "x: int")


def ran(events: list[Event]) -> list[str]:
    """The nodes that were executed."""
    return [event.node for event in events if isinstance(event, NodeStarted)]


def codes(run: Run) -> list[str]:
    """What there was to say."""
    return [event.code for event in run if isinstance(event, Diagnostic)]


@pytest.mark.parametrize(
    ("part", "nodes", "last"),
    [
        ({"targets": ["n1"]}, ["n0", "n1"], ("n1",)),
        ({"start_from": ["n1"]}, ["n1", "n2"], ("n2",)),
        ({"only": ["Node 1"]}, ["n1"], ("n1",)),
        ({"targets": ["n0"], "only": ["n2"]}, ["n0", "n2"], ("n0", "n2")),
        ({}, ["n0", "n1", "n2"], ("n2",)),
    ],
)
def test_a_part_is_executed_and_told_and_nothing_else(
    client: Client, part: dict[str, list[str]], nodes: list[str], last: tuple[str, ...]
) -> None:
    client.run_document(CHAIN).result()
    run = client.run_document(CHAIN, **part)  # type: ignore[arg-type]
    events = list(run)
    assert sorted(ran(events)) == nodes
    [started] = [event for event in events if isinstance(event, RunStarted)]
    assert (started.nodes, started.last) == (len(nodes), last)
    assert sorted(run.outputs) == [f"Node {name[1]}" for name in nodes]


def test_what_is_left_out_gives_what_it_gave_last(client: Client) -> None:
    text = graph(NOW, SUM, edges=(("n0", "output_1", "n1", "x"),))
    first = client.run_document(text).result()
    again = client.run_document(text, only=["n1"]).result()
    assert again["n1"] == {"output_1": first["n0"]["output_1"] + 1}
    renewed = client.run_document(text, targets=["n0"]).result()
    assert renewed["n0"] != first["n0"]
    latest = client.run_document(text, start_from=["n1"]).result()
    assert latest["n1"] == {"output_1": renewed["n0"]["output_1"] + 1}


def test_a_large_value_is_given_again_and_again(client: Client) -> None:
    text = graph(
        node("import os\nreturn os.urandom(500_000).hex()", returns="str"),
        node("import hashlib\nreturn hashlib.md5(s.encode()).hexdigest()", "s: str", "str"),
        edges=(("n0", "output_1", "n1", "s"),),
    )
    digest = client.run_document(text).result()["n1"]
    for _ in range(3):
        assert client.run_document(text, only=["n1"]).result()["n1"] == digest


def test_an_input_goes_before_a_last_value_and_needs_none(client: Client) -> None:
    text = graph(node("return 1"), SUM, edges=(("n0", "output_1", "n1", "x"),), n1="Given")
    assert client.run_document(text, only=["Given"], inputs={"Given.x": 41}).result()["n1"] == {"output_1": 42}
    client.run_document(text).result()
    assert client.run_document(text, only=["Given"], inputs={"n1.x": 41}).result()["n1"] == {"output_1": 42}


def test_without_a_value_nothing_runs_unless_it_is_partial(client: Client) -> None:
    text = graph(ADD, SUM, ADD, edges=(("n0", "output_1", "n1", "x"),), n1="Unfed")
    run = client.run_document(text, only=["n1", "n2"])
    with pytest.raises(RunFailed, match="nothing was run") as caught:
        run.result()
    assert (caught.value.exit_status, dict(run.outputs)) == (ExitStatus.BAD_GRAPH, {})
    partial = client.run_document(text, only=["n1", "n2"], partial=True)
    finished = {event.node: event.state for event in partial if isinstance(event, NodeFinished)}
    assert finished == {"n1": NodeState.SKIPPED, "n2": NodeState.DONE}


def test_a_name_of_no_node_or_of_several_is_refused(client: Client) -> None:
    text = graph(ADD, ADD, n0="Twin", n1="Twin")
    for part in ({"targets": ["ghost"]}, {"start_from": ["n0", ""]}, {"only": ["Twin"]}):
        run = client.run_document(text, partial=True, **part)  # type: ignore[arg-type]
        assert codes(run) == ["bad_selection"]
        assert run.error is not None
        assert run.error.code is ErrorCode.BAD_INPUT
    assert client.run_document(text, only=["n0"]).result()["n0"] == {"output_1": 1}


def test_a_value_for_a_node_that_is_left_out_is_warned_of(client: Client) -> None:
    assert codes(client.run_document(graph(ADD, ADD), only=["n0"], inputs={"n1.x": 1})) == ["unused_input"]


def test_a_file_is_the_same_graph_over_its_changes(client: Client, folder: Path) -> None:
    path = folder / "graph.json"
    edges = (("n0", "output_1", "n1", "x"),)
    path.write_text(graph(node("return 1"), SUM, edges=edges))
    client.run(path).result()
    path.write_text(graph(node("return 1"), node("return x + 10", "x: int"), edges=edges))
    downwards = client.run(path, start_from=["n1"])
    assert codes(downwards) == ["last_values"]
    assert downwards.outputs["n1"] == {"output_1": 11}
    path.write_text(graph(node("return 5"), SUM, edges=edges))
    outdated = client.run(str(path), only=["n1"])
    assert codes(outdated) == ["last_values", "earlier_code"]
    assert outdated.outputs["n1"] == {"output_1": 2}
    (folder / "copy.json").write_text(path.read_text())
    assert codes(client.run(folder / "copy.json", only=["n1"])) == ["no_last_value"]


def test_a_graph_can_be_named_by_its_client(client: Client) -> None:
    edges = (("n0", "output_1", "n1", "x"),)
    client.run_document(graph(node("return 1"), SUM, edges=edges), origin="mine").result()
    changed = graph(node("return 1"), node("return -x", "x: int"), edges=edges)
    assert client.run_document(changed, origin="mine", only=["n1"]).result()["n1"] == {"output_1": -1}
    assert codes(client.run_document(changed, origin="other", only=["n1"])) == ["no_last_value"]


def test_a_broken_node_that_is_left_out_is_in_nobodys_way(client: Client) -> None:
    edges = (("n0", "output_1", "n1", "x"),)
    client.run_document(graph(node("return 1"), SUM, edges=edges), origin="broken").result()
    run = client.run_document(graph("def broken(:", SUM, edges=edges), origin="broken", only=["n1"])
    assert run.result()["n1"] == {"output_1": 2}


def test_it_is_the_same_for_asyncio(unharmed: RunningDaemon, folder: Path) -> None:
    path = folder / "graph.json"
    path.write_text(CHAIN)

    async def both() -> tuple[Outputs, Outputs]:
        async with connect_async(unharmed.socket, autostart=False) as client:
            first = await (await client.run(path)).result()
            return first, await (await client.run(path, only=["n1"])).result()

    first, second = asyncio.run(both())
    assert list(second) == ["Node 1"]
    assert second["n1"] != first["n1"]


def test_clients_that_run_parts_at_once_do_not_disturb_each_other(unharmed: RunningDaemon) -> None:
    text = graph(node("return 1"), SUM, edges=(("n0", "output_1", "n1", "x"),))
    with unharmed.client() as one, unharmed.client() as other:
        one.run_document(text).result()
        runs = [client.run_document(text, only=[name]) for name in ("n0", "n1") for client in (one, other) * 5]
        assert {name: dict(run.result())[name] for run in runs for name in run.result()} == {
            "Node 0": {"output_1": 1},
            "Node 1": {"output_1": 2},
        }


def test_what_there_is_no_room_for_is_not_remembered() -> None:
    text = graph(ADD, SUM, edges=(("n0", "output_1", "n1", "x"),))
    with running_daemon(settings="last_values_bytes = 0\n") as daemon, daemon.client() as client:
        client.run_document(text).result()
        assert codes(client.run_document(text, only=["n1"])) == ["no_last_value"]


# -- the command line


@pytest.fixture
def path(folder: Path) -> Path:
    """A graph file: what is loaded is split, what was split is counted."""
    codes = (
        node("return 'a b c'", returns="str"),
        node("print('splitting')\nreturn text.split(sep)[:most]", "text: str, sep: str = ' ', most: int = 9", "list"),
        node("return len(parts)", "parts: list"),
    )
    edges = (("n0", "output_1", "n1", "text"), ("n1", "output_1", "n2", "parts"))
    file = folder / "graph.json"
    file.write_text(graph(*codes, edges=edges, n0="Load", n1="Split", n2="Count"))
    return file


def test_run_takes_parts(unharmed: RunningDaemon, path: Path) -> None:
    def shown(*arguments: str) -> str:
        done = pyflowctl(unharmed.socket, "run", str(path), "--quiet", *arguments)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    assert shown("--target", "Split") == 'Split.output_1 = ["a", "b", "c"]\n'
    assert shown("--from", "Count") == "Count.output_1 = 3\n"
    assert shown("--only", "Count", "--only", "n0") == 'Load.output_1 = "a b c"\nCount.output_1 = 3\n'
    assert shown("--only", "Split", "--input", 'Split.text="x"') == 'Split.output_1 = ["x"]\n'
    assert shown("--from", "n2") == "Count.output_1 = 1\n"


def test_run_refuses_parts_that_are_not_there(unharmed: RunningDaemon, path: Path) -> None:
    for flag in ("--target", "--from", "--only"):
        done = pyflowctl(unharmed.socket, "run", str(path), flag, "Ghost")
        assert (done.returncode, done.stdout) == (2, "")
        assert '"Ghost" is selected' in done.stderr


def test_node_runs_one_node_and_tells_what_it_gives_and_took(unharmed: RunningDaemon, path: Path) -> None:
    assert pyflowctl(unharmed.socket, "run", str(path)).returncode == 0
    done = pyflowctl(unharmed.socket, "node", str(path), "Split", "--input", "most=2")
    assert (done.returncode, done.stdout) == (0, 'output_1 = ["a", "b"]\n')
    first, last = done.stderr.splitlines()
    assert first == "Split | splitting"
    assert last.startswith("Split done after ")
    assert last.endswith(" of memory")


def test_node_takes_its_inputs_by_pin_alone_or_with_its_name(unharmed: RunningDaemon, path: Path) -> None:
    arguments = ("node", str(path), "n1", "--quiet", "--input", 'text="a-b"', "--input", 'Split.sep="-"')
    done = pyflowctl(unharmed.socket, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'output_1 = ["a", "b"]\n', "")
    twice = pyflowctl(unharmed.socket, *arguments, "--input", 'n1.text="c"')
    assert (twice.returncode, twice.stdout) == (2, "")
    assert "n1.text is given twice" in twice.stderr


def test_node_as_events(unharmed: RunningDaemon, path: Path) -> None:
    done = pyflowctl(unharmed.socket, "node", str(path), "Load", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["run_started", "node_started", "node_finished", "run_finished"]
    assert events[2]["outputs"] == {"output_1": "a b c"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["Ghost"], 2, '"Ghost" is selected'),
        (["Count"], 65, '"parts" from "Split"'),
        (["Load", "--input", "ghost=1"], 2, "does not have"),
        (["Load", "--input", "ghost"], 2, "is not PIN=JSON"),
        (["Split", "--input", "text=x"], 2, "is not JSON"),
        (["Split", "--input", "text=1"], 1, "AttributeError"),
        (["Split", "--input", "Count.parts=[]", "--input", 'text="a"'], 0, '"Count" is not run'),
        (["Split", "--partial"], 2, "unrecognized arguments"),
    ],
)
def test_node_says_what_is_wrong(
    unharmed: RunningDaemon, path: Path, arguments: list[str], status: int, words: str
) -> None:
    done = pyflowctl(unharmed.socket, "node", str(path), *arguments)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_node_takes_permissions_limits_and_a_seed(unharmed: RunningDaemon, folder: Path) -> None:
    (folder / "data").write_text("secret")
    text = graph(
        node("import random\nreturn [open(path).read(), random.random()]", "path: str", "list"),
        node("while True: pass"),
    )
    (folder / "graph.json").write_text(text)
    given = ("--input", f"path={json.dumps(str(folder / 'data'))}", "--seed", "1", "--quiet")
    command = (unharmed.socket, "node", str(folder / "graph.json"))
    assert pyflowctl(*command, "n0", *given).returncode == 1
    allowed = [pyflowctl(*command, "n0", *given, "--allow-read", str(folder / "data")) for _ in range(2)]
    assert allowed[0].stdout == allowed[1].stdout
    assert '["secret", ' in allowed[0].stdout
    assert pyflowctl(*command, "n1", "--timeout", "0.3").returncode == 124


def test_what_is_written_to_standard_input_is_the_same_graph_as_long_as_it_does_not_change(
    unharmed: RunningDaemon, path: Path
) -> None:
    text = path.read_text()
    assert pyflowctl(unharmed.socket, "run", "-", "--quiet", input=text).returncode == 0
    assert pyflowctl(unharmed.socket, "node", "-", "Count", "--quiet", input=text).stdout == "output_1 = 3\n"
    assert pyflowctl(unharmed.socket, "node", "-", "Count", "--quiet", input=f"{text} ").returncode == 65


def test_the_example_of_the_document_is_so(unharmed: RunningDaemon) -> None:
    root = Path(__file__).parents[2]
    document = (root / "docs" / "parts.md").read_text(encoding="utf-8")
    [(command, shown)] = re.findall(r"^    \$ pyflowctl (node .*)\n((?:    .*\n)+)", document, re.MULTILINE)
    given, took = [line.strip() for line in shown.splitlines()]
    done = pyflowctl(unharmed.socket, *shlex.split(command), cwd=root)
    assert done.stdout == f"{given}\n"
    assert re.sub(r"[\d.]+", "1", done.stderr.strip()) == re.sub(r"[\d.]+", "1", took)
