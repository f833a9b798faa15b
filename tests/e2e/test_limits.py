"""What a node or a run may use: each breach has a code of its own and the figures, and harms nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.errors import Refused, RunFailed
from pyflowd_client.protocol.errors import ErrorCode, ExitStatus
from pyflowd_client.protocol.events import NodeFinished, NodeOutput
from pyflowd_client.protocol.states import NodeState, RunState
from support.daemons import ADD, RunningDaemon, assert_serves, failure, graph, node, pyflowctl, running_daemon

SLEEP = node("import time\ntime.sleep(60)\nreturn 1", "x: int = 0")
SPIN = "while True: pass"
OPEN_MANY = "files = []\nwhile True: files.append(open('/dev/null'))"
WRITE_MUCH = "with open('long', 'wb') as file:\n    while True: file.write(bytes(100_000)), file.flush()"


@pytest.mark.parametrize(
    ("body", "limits", "code", "words"),
    [
        (SPIN, {"cpu_s": 1}, ErrorCode.CPU_LIMIT, "the limit is 1 s"),
        (OPEN_MANY, {"open_files": 64}, ErrorCode.OPEN_FILES_LIMIT, "its limit of 64"),
        (WRITE_MUCH, {"file_bytes": 1_000_000}, ErrorCode.FILE_SIZE_LIMIT, "its limit of 1 MB"),
    ],
    ids=["cpu", "open files", "file size"],
)
def test_a_breach_has_a_code_of_its_own_and_the_figure(
    client: Client, body: str, limits: dict[str, int], code: ErrorCode, words: str
) -> None:
    error = failure(client, body, **limits)
    assert error.code is code
    assert words in error.message


def test_who_ignores_the_end_of_its_cpu_time_is_killed_for_it(client: Client) -> None:
    body = f"import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n{SPIN}"
    error = failure(client, body, cpu_s=1)
    assert error.code is ErrorCode.CPU_LIMIT
    assert "the limit is 1 s" in error.message


def test_a_node_can_tell_and_live_with_a_limit(client: Client) -> None:
    body = "import resource\nreturn resource.getrlimit(resource.RLIMIT_NOFILE)[1]"
    run = client.run_document(graph(node(body)), open_files=100)
    assert run.result()["n0"]["output_1"] == 100


def test_a_run_over_its_time_ends_with_all_that_it_does(client: Client) -> None:
    document = graph(ADD, SLEEP, SLEEP, edges=(("n1", "output_1", "n2", "x"),))
    run = client.run_document(document, run_timeout_s=0.4)
    finished = {event.node: event for event in run if isinstance(event, NodeFinished)}
    assert [finished[node].state for node in ("n0", "n1", "n2")] == [
        NodeState.DONE,
        NodeState.FAILED,
        NodeState.CANCELLED,
    ]
    error = finished["n1"].error
    assert error is not None
    assert error.code is ErrorCode.TIME_LIMIT
    assert "time.sleep(60)" in (error.traceback or "")
    assert (run.state, run.error and run.error.code) == (RunState.FAILED, ErrorCode.TIME_LIMIT)
    with pytest.raises(RunFailed, match=r"time limit of 0\.4 s"):
        run.result()


def test_output_beyond_its_limit_is_no_breach_and_its_end_is_kept(client: Client) -> None:
    body = "for i in range(20_000): print('line', i)\nreturn 1"
    run = client.run_document(graph(node(body)), output_bytes=1000)
    told = "".join(event.text for event in run if isinstance(event, NodeOutput))
    assert run.state is RunState.SUCCEEDED
    assert told.startswith("line 0\n")
    assert told.endswith("line 19999\n")
    assert len(told) < 100_000


def test_a_run_within_its_time_is_not_ended_later(client: Client) -> None:
    run = client.run_document(graph(ADD), run_timeout_s=60)
    assert run.result()["n0"]["output_1"] == 1


def declaring(code: str, *, of_node: object = None, of_graph: object = None) -> str:
    """The graph of one node with limits in its document."""
    document = json.loads(graph(code))
    document["nodes"][0]["limits"] = of_node
    document["limits"] = of_graph
    return json.dumps(document)


NOFILE = node("import resource\nreturn resource.getrlimit(resource.RLIMIT_NOFILE)[1]")


@pytest.mark.parametrize(
    ("declared", "asked", "expected"),
    [
        ({"of_graph": {"open_files": 70}}, {}, 70),
        ({"of_graph": {"open_files": 70}, "of_node": {"open_files": 60}}, {}, 60),
        ({"of_graph": {"open_files": 70}, "of_node": {"open_files": 60}}, {"open_files": 65}, 65),
    ],
    ids=["graph", "node", "client"],
)
def test_a_graph_declares_limits_its_nodes_their_own_and_the_client_has_the_last_word(
    client: Client, declared: dict[str, object], asked: dict[str, int], expected: int
) -> None:
    run = client.run_document(declaring(NOFILE, **declared), **asked)  # type: ignore[arg-type]
    assert run.result()["n0"]["output_1"] == expected


def test_a_graph_bounds_its_own_run(client: Client) -> None:
    run = client.run_document(declaring(SLEEP, of_graph={"run_timeout_s": 0.3}))
    with pytest.raises(RunFailed, match=r"time limit of 0\.3 s"):
        run.result()


def test_what_a_graph_declares_is_capped(capped: RunningDaemon) -> None:
    with capped.client() as client:
        run = client.run_document(declaring(NOFILE, of_node={"open_files": 5000}))
        assert run.result()["n0"]["output_1"] == 80


def test_limits_that_are_none_refuse_the_graph(unharmed: RunningDaemon, tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    path.write_text(declaring(NOFILE, of_node={"memory": "2G"}))
    ended = pyflowctl(unharmed.socket, "run", str(path))
    assert (ended.returncode, ended.stdout) == (ExitStatus.BAD_GRAPH, "")
    assert 'The "limits" of "Node 0" cannot be used: it has "memory". There are: cpu_s, ' in ended.stderr


@pytest.fixture(scope="module")
def capped() -> Iterator[RunningDaemon]:
    """A daemon whose settings cap what clients may ask for."""
    settings = "[limits]\nopen_files = 50\n[caps]\nmemory_bytes = 1_000_000_000\nopen_files = 80\n"
    with running_daemon(settings=settings) as running:
        yield running


def test_settings_give_the_defaults(capped: RunningDaemon) -> None:
    body = "import resource\nreturn [resource.getrlimit(w)[1] for w in (resource.RLIMIT_NOFILE, resource.RLIMIT_DATA)]"
    with capped.client() as client:
        run = client.run_document(graph(node(body, returns="list")))
        assert run.result()["n0"]["output_1"] == [50, 1_000_000_000]


def test_up_to_the_cap_a_client_may_raise_a_limit_and_not_beyond(capped: RunningDaemon) -> None:
    with capped.client() as client:
        client.run_document(graph(ADD), open_files=80).result()
        with pytest.raises(Refused, match="`open_files` may be 80 at most"):
            client.run_document(graph(ADD), open_files=81)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--memory", "2GB"], ExitStatus.NOT_PERMITTED, "`memory_bytes` may be 1e+09 at most"),
        (["--max-open-files", "0"], ExitStatus.USAGE, "0 is not 1 or more"),
        (["--cpu-time", "0.5"], ExitStatus.USAGE, "'0.5' is not a whole number"),
        (["--run-timeout", "0"], ExitStatus.USAGE, "'0' is not a number of seconds above 0"),
        (["--max-file-size", "much"], ExitStatus.USAGE, "'much' is not a size"),
    ],
)
def test_the_command_refuses_a_limit_that_cannot_be(
    capped: RunningDaemon, tmp_path: Path, options: list[str], status: ExitStatus, words: str
) -> None:
    path = tmp_path / "graph.json"
    path.write_text(graph(ADD))
    ended = pyflowctl(capped.socket, "run", str(path), *options)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert words in ended.stderr


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        (["--cpu-time", "1"], "cpu_limit", ExitStatus.TIME_LIMIT),
        (["--run-timeout", "0.5"], "time_limit", ExitStatus.TIME_LIMIT),
    ],
)
def test_the_command_ends_with_the_status_of_the_limit(
    unharmed: RunningDaemon, tmp_path: Path, options: list[str], code: str, status: ExitStatus
) -> None:
    path = tmp_path / "graph.json"
    path.write_text(graph(node(SPIN)))
    ended = pyflowctl(unharmed.socket, "run", str(path), "--json", *options)
    assert ended.returncode == status
    assert f'"{code}"' in ended.stdout


SLEEPERS = "import os, time\nfor _ in range(40):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)\nreturn 1"


@pytest.mark.parametrize(
    ("body", "options", "code", "words"),
    [
        (SLEEPERS, {"processes": 20}, ErrorCode.PROCESSES_LIMIT, "limit of 20 allows"),
        (
            "import threading\nwait = threading.Event().wait\n"
            "for _ in range(40): threading.Thread(target=wait, daemon=True).start()",
            {"processes": 20},
            ErrorCode.PROCESSES_LIMIT,
            "can't start new thread",
        ),
        (
            "import subprocess\nreturn len([subprocess.Popen(['sleep', '60']) for _ in range(40)])",
            {"processes": 20},
            ErrorCode.PROCESSES_LIMIT,
            "limit of 20 allows",
        ),
        (
            "open('large', 'wb').write(bytes(30_000_000))\nreturn 1",
            {"scratch_bytes": 20_000_000},
            ErrorCode.SCRATCH_LIMIT,
            "the limit is 20 MB",
        ),
        (
            "import tempfile\nfiles = [tempfile.NamedTemporaryFile() for _ in range(60)]\nreturn 1",
            {"scratch_files": 50},
            ErrorCode.SCRATCH_FILES_LIMIT,
            "the limit is 50 files",
        ),
        (
            "open('/dev/shm/large', 'wb').write(bytes(30_000_000))\nreturn 1",
            {"scratch_bytes": 20_000_000},
            ErrorCode.SCRATCH_LIMIT,
            "the limit is 20 MB",
        ),
    ],
    ids=["processes", "threads", "commands", "bytes", "files", "shared memory"],
)
def test_each_node_has_processes_and_files_of_its_own_to_use_up(
    client: Client, body: str, options: dict[str, int], code: ErrorCode, words: str
) -> None:
    needs_tier(client, "T3")
    error = failure(client, body, **options)
    assert (error.code, words in error.message) == (code, True), error


def test_what_a_node_leaves_in_its_scratch_folder_is_told(client: Client) -> None:
    needs_tier(client, "T3")
    run = client.run_document(graph(node("open('kept', 'wb').write(bytes(5_000_000))\nreturn 1")))
    [finished] = [event for event in run if isinstance(event, NodeFinished)]
    assert finished.scratch_bytes is not None
    assert 5_000_000 <= finished.scratch_bytes < 5_200_000


def test_where_processes_are_not_counted_apart_a_node_with_too_many_is_ended() -> None:
    with running_daemon(settings='[sandbox]\nmaximum_tier = "T1"\n') as daemon, daemon.client() as session:
        error = failure(session, SLEEPERS, processes=20)
        assert error.code is ErrorCode.PROCESSES_LIMIT
        assert "processes and threads, the limit is 20: ended" in error.message


def needs_tier(client: Client, tier: str) -> None:
    assert_serves(client)
    found = client.status().sandbox_tier
    if found < tier:
        pytest.skip(f"this machine has {found}")
