"""Bad input by way of the real command and a real daemon: the sentence names who is at fault, the status says it too.

Causes of nodes' deaths in detail are in test_hostile_nodes; what is no graph in detail is in tests/graph.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client_commands import COMMAND, Pyflowctl
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl

pytestmark = pytest.mark.usefixtures("unharmed")
CHANCE = random.Random(1)
FLOWSPEC = (
    "# Caf\u00e9\n\n## Node: A (ID: a)\n\n### Logic\n\n```python\n@node_entry\ndef f() -> int:\n    return 1\n```\n"
)


@pytest.fixture
def ctl(daemon: RunningDaemon) -> Pyflowctl:
    """Runs pyflowctl to its end."""
    return lambda *arguments, **options: pyflowctl(daemon.socket, *arguments, **options)


def written(folder: Path, content: str | bytes, name: str = "graph.json") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


# -- files


@pytest.mark.parametrize("command", [["run"], ["check"], ["convert", "--to", "json"]], ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone.md", "No such file or directory"),
        (".", "Is a directory"),
        ("graph.md/below", "Not a directory"),
        ("/proc/self/mem", "Input/output error"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    ctl: Pyflowctl, tmp_path: Path, command: list[str], path: str, reason: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    written(tmp_path, FLOWSPEC, "graph.md")
    done = ctl(*command, path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"pyflowctl: cannot read {path}: {reason}.\n"


def test_a_file_without_permission_is_named(daemon: RunningDaemon, tmp_path: Path) -> None:
    path = written(tmp_path, FLOWSPEC, "graph.md")
    os.chmod(path, 0)
    script = (  # root may read everything, so it becomes somebody else, who may not import what root can
        "import os, sys, pyflowd_client.cli.runs\n"
        "from pyflowd_client.cli.__main__ import build_parser, main\n"
        "build_parser()\n"
        "if os.getuid() == 0: os.setgid(65534), os.setuid(65534)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", script, "--socket", str(daemon.socket), "run", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"pyflowctl: cannot read {path}: Permission denied.\n"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-32"])
def test_a_file_in_another_encoding_is_told_which_one_is_read(ctl: Pyflowctl, tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, FLOWSPEC.encode(encoding), "graph.md")
    done = ctl("run", path)
    assert done.returncode == 65
    assert done.stderr.startswith(f"pyflowctl: {path} is not a text in UTF-8 (byte ")
    assert done.stderr.endswith("Save it as UTF-8.\n")


@pytest.mark.parametrize("content", ["", " \n\t\n", "\ufeff"], ids=["nothing", "blanks", "byte order mark"])
@pytest.mark.parametrize("name", ["graph.md", "graph.json"])
def test_an_empty_file_is_called_empty(ctl: Pyflowctl, tmp_path: Path, name: str, content: str) -> None:
    done = ctl("run", written(tmp_path, content, name))
    assert (done.returncode, done.stdout) == (65, "")
    assert "The document is empty" in done.stderr
    assert "[empty]" in done.stderr


@pytest.fixture
def garbage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """100 MB, gone after the test: pytest keeps its folders."""
    path = tmp_path / "garbage.md"
    with open(path, "wb") as file:
        for _ in range(100):
            file.write(request.param())
    yield path
    path.unlink()


def binary_garbage() -> bytes:
    return CHANCE.randbytes(1_000_000)


def text_garbage() -> bytes:
    return "".join(CHANCE.choices("# {}[]`-\nab\u20ac", k=10_000)).encode() * 50


@pytest.mark.parametrize("garbage", [binary_garbage, text_garbage], indirect=True)
@pytest.mark.parametrize("by", ["name", "standard input"])
def test_a_hundred_megabytes_of_garbage_are_too_large_for_a_graph(ctl: Pyflowctl, garbage: Path, by: str) -> None:
    with open(garbage) as file:
        done = ctl("run", str(garbage)) if by == "name" else ctl("run", "-", stdin=file)
    named = garbage if by == "name" else by
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"pyflowctl: {named} is larger than 16 MiB, too large for a graph.\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("lorem ipsum dolor sit amet\n" * 600_000, "neither FlowSpec nor JSON"),
        ("- 1.5\n" * 2_700_000, "neither FlowSpec nor JSON"),
        ("\x00\x01\x7f" * 5_000_000, "NUL"),
        ("{" * 16_000_000, "not valid JSON"),
        ('{"nodes": ' + "[" * 16_000_000, "nested too deep"),
    ],
    ids=["text", "list", "control characters", "braces", "brackets"],
)
def test_garbage_that_is_small_enough_is_refused_by_the_daemon_in_one_sentence(
    ctl: Pyflowctl, tmp_path: Path, content: str, words: str
) -> None:
    path = Path(written(tmp_path, content, "garbage"))
    done = ctl("run", str(path))
    path.unlink()
    assert done.returncode == 65
    complaint, _ = done.stderr.splitlines()
    assert words in complaint


def test_a_text_with_a_hundred_thousand_mistakes_does_not_get_a_hundred_thousand_lines(
    ctl: Pyflowctl, tmp_path: Path
) -> None:
    done = ctl("run", written(tmp_path, "# g\n" + "## mistake\n" * 100_000, "graph.md"))
    assert done.returncode == 65
    assert "99,900 more" in done.stderr
    assert len(done.stderr.splitlines()) < 110


# -- graphs


CIRCLE = graph(ADD, ADD, edges=(("n0", "output_1", "n1", "x"), ("n1", "output_1", "n0", "x")), n0="Egg", n1="Hen")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (CIRCLE, '"Egg" -> "Hen" -> "Egg"'),
        (graph("def run(:\n", ADD, n0="Culprit"), '"Culprit" cannot run (line 1): invalid syntax'),
        (graph("x = 1\n", ADD, n0="Culprit"), "no top-level function is decorated with @node_entry"),
        (graph(node("return y", "y: int"), ADD, n0="Culprit"), "[missing_input]"),
        (graph(ADD, edges=(("n0", "output_1", "gone", "x"),), n0="Culprit"), "[unknown_node]"),
        ('{"nodes": [', "error: Line 1: The document is not valid JSON"),
        ("[]", "The document is not an object"),
        ("# Only a title\n", "[empty]"),
    ],
    ids=["cycle", "syntax", "no entry", "missing input", "edge to nowhere", "half", "list", "no node"],
)
def test_a_graph_that_cannot_run_is_told_why_before_anything_runs(
    ctl: Pyflowctl, tmp_path: Path, document: str, words: str
) -> None:
    path = written(tmp_path, document)
    for command in (["run", path], ["check", path]):
        done = ctl(*command)
        assert done.returncode == 65
        assert words in done.stderr
        assert done.stderr.startswith("error: ")
    events = [json.loads(line) for line in ctl("run", path, "--json").stdout.splitlines()]
    assert events[-1]["error"]["code"] == "bad_graph"
    assert not [event for event in events if event["event"].startswith("node_")]


# -- inputs


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("Nobody.x=1", 'The input "Nobody.x" is for a node that the graph does not have.'),
        ("Adder.nothing=1", 'a parameter that "Adder" does not have. It has: x.'),
        ("Adder.x=}{", "'}{' is not JSON. If it is meant as text, quote it"),
        ("Adder.x=", "'' is not JSON"),
        ("Adder.x=a.csv", """'Adder.x="a.csv"'"""),
        ("Adder.x=" + "[" * 50_000, "the value for Adder.x is nested too deep"),
        ("Adder.x=" + "9" * 5000, "an integer for Adder.x has too many digits"),
        ("Adder.x=" + "?" * 50_000, "?...' is not JSON"),
        ("Adder.x=\udcff", "is not JSON"),
        ("Adder", "is not NODE.PIN=JSON"),
    ],
    ids=["node", "pin", "braces", "empty", "bare text", "deep", "long", "long text", "no unicode", "no value"],
)
def test_an_input_that_makes_no_sense_is_a_usage_error_that_names_it(
    ctl: Pyflowctl, tmp_path: Path, given: str, words: str
) -> None:
    done = ctl("run", written(tmp_path, graph(ADD, n0="Adder")), "--input", given)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr) < 2000


INTERPRETERS = {
    "/nowhere": "does not exist",
    "/etc/passwd": "is not an executable file",
    "/bin/true": "is it a Python interpreter?",
}


def test_an_interpreter_that_is_none_is_a_matter_of_configuration(ctl: Pyflowctl, tmp_path: Path) -> None:
    path = written(tmp_path, graph(ADD))
    for python, words in INTERPRETERS.items():
        done = ctl("run", path, "--python", python)
        assert (done.returncode, done.stdout) == (78, "")
        assert python in done.stderr
        assert words in done.stderr


# -- nodes


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("import sys\nsys.exit(3)", 1, "the node called sys.exit(3)"),
        ("import os\nos._exit(3)", 1, "The node's code left its process with exit status 3"),
        ("import ctypes\nctypes.string_at(0)", 1, "The node's process crashed (SIGSEGV)"),
        ("raise BaseException('base')", 1, "  BaseException: base"),
        ("raise ValueError('half \\ud800 pair')", 1, "half \\ud800 pair"),
        ("return {1}", 1, "output 'output_1' is a set, which is not JSON"),
        ("x = []\nx.append(x)\nreturn x", 1, "output 'output_1' is not JSON: it contains itself"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", 124, "its time limit of 0.3 s"),
        ("import signal, time\nsignal.signal(15, signal.SIG_IGN)\nwhile True: time.sleep(9)", 124, "its time limit"),
    ],
    ids=["exit", "_exit", "segfault", "BaseException", "surrogate", "set", "circle", "SIGSTOP", "SIGTERM"],
)
def test_a_node_that_goes_wrong_is_named_with_what_it_did(
    ctl: Pyflowctl, tmp_path: Path, body: str, status: int, words: str
) -> None:
    path = written(tmp_path, graph(node(body, returns="object"), ADD, n0="Culprit", n1="Bystander"))
    timeout = ["--timeout", "0.3"] if status == 124 else []
    done = ctl("run", path, *timeout)
    assert (done.returncode, done.stdout) == (status, "Bystander.output_1 = 1\n")
    assert done.stderr.startswith("Culprit failed: ")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import os\nos.close(1)\nos.close(2)\nreturn 4", ""),
        ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nreturn 4", ""),
        ("print('half \\ud800 pair')\nreturn 4", "Culprit | half \\ud800 pair\n"),
        ("import os\nos.write(1, b'\\xff\\x1b[2J')\nreturn 4", "Culprit | \ufffd\x1b[2J\n"),
    ],
    ids=["closed outputs", "child", "surrogate", "bytes"],
)
def test_a_node_that_is_only_odd_is_done_all_the_same(ctl: Pyflowctl, tmp_path: Path, body: str, told: str) -> None:
    done = ctl("run", written(tmp_path, graph(node(body), n0="Culprit")))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Culprit.output_1 = 4\n", told)


def test_a_gigabyte_of_output_is_cut_with_a_note(ctl: Pyflowctl, tmp_path: Path) -> None:
    body = "import os\nfor _ in range(1000): os.write(1, b'x' * 999_999 + b'\\n')\nreturn 4"
    done = ctl("run", written(tmp_path, graph(node(body))))
    assert (done.returncode, done.stdout) == (0, "Node 0.output_1 = 4\n")
    assert "bytes left out" in done.stderr
    assert len(done.stderr) < 3_000_000


# -- streams


def redirected(daemon: RunningDaemon, redirection: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """pyflowctl as a shell starts it: subprocess cannot close a stream."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, "--socket", str(daemon.socket), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_text_of_a_gigabyte_is_more_than_the_memory_of_its_node(ctl: Pyflowctl, tmp_path: Path) -> None:
    """One copy fits the limit, its JSON beside it does not."""
    path = written(tmp_path, graph(node("return 'x' * 10**9", returns="str"), n0="Huge"))
    done = ctl("run", path, "--memory", "1.5GB")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Huge" in done.stderr
    assert "more memory than its limit of 1.5 GB" in done.stderr


@pytest.mark.parametrize(("redirection", "reason"), [("<&-", "it is closed"), ("0>out", "Bad file descriptor")])
def test_a_standard_input_that_cannot_be_read_is_named(
    daemon: RunningDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redirection: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = redirected(daemon, redirection, "run", "-")
    assert (done.returncode, done.stderr) == (65, f"pyflowctl: cannot read standard input: {reason}.\n")


@pytest.mark.parametrize("arguments", [["run", "graph.json"], ["run", "graph.json", "--json"], ["status"]])
def test_a_full_disk_is_told_and_is_not_a_failed_node(ctl: Pyflowctl, tmp_path: Path, arguments: list[str]) -> None:
    written(tmp_path, graph(ADD))
    with open("/dev/full", "w") as full:
        done = ctl(*arguments, stdout=full, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "pyflowctl: cannot write the output: No space left on device.\n")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_streams_that_lead_nowhere_do_not_change_the_status(
    daemon: RunningDaemon, tmp_path: Path, redirection: str
) -> None:
    path = written(tmp_path, graph(ADD))
    for arguments, status in ((["run", path], 0), (["run", path, "--json"], 0), (["run", "gone.md"], 65)):
        assert redirected(daemon, redirection, *arguments).returncode == status
