"""What a client may not grant is refused, by the command and by the daemon itself, before anything is started."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from pyflowd_client.errors import Refused
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ExitStatus
from pyflowd_client.protocol.options import Permissions
from support.client_commands import Pyflowctl
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl, running_daemon

HELLO = {"request": "hello", "id": 1, "oldest_protocol": 1, "protocol": 1, "client": "test"}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one that may be granted, a link that leads out of it, and a graph."""
    folder = tmp_path_factory.mktemp("home").resolve()
    (folder / "open" / "deep").mkdir(parents=True)
    (folder / "closed").mkdir()
    (folder / "open" / "link").symlink_to("../closed")
    (folder / "file").touch()
    (folder / "graph.json").write_text(graph(ADD))
    return folder


@pytest.fixture(scope="module")
def capped(home: Path) -> Iterator[RunningDaemon]:
    """A daemon that lets clients grant what lies in one folder, and few variables."""
    settings = f'[permissions]\nnet = false\nread = ["{home}/open"]\nenv = ["LC_*"]\n'
    with running_daemon(settings=settings) as running:
        yield running


@pytest.fixture
def ctl(home: Path) -> Callable[[RunningDaemon], Pyflowctl]:
    """Runs pyflowctl in that folder."""
    return lambda daemon: lambda *arguments: pyflowctl(daemon.socket, *arguments, cwd=home)


@pytest.fixture
def ask(daemon: RunningDaemon) -> Iterator[Ask]:
    """Asks for a run over the bare protocol; the reply."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.set(zmq.LINGER, 0)
        peer.set(zmq.RCVTIMEO, 10_000)
        peer.connect(f"ipc://{daemon.socket}")

        def submit(**fields: Any) -> dict[str, Any]:
            reply: dict[str, Any] = {}
            for message in (HELLO, {"request": "submit_run", "id": 2, "document": graph(ADD), **fields}):
                peer.send(json.dumps(message).encode())
                reply = json.loads(peer.recv())
            return reply

        yield submit


@contextlib.contextmanager
def nothing_started(daemon: RunningDaemon) -> Iterator[None]:
    """After the block the daemon has no run and no fork server more than before."""
    before = started(daemon)
    yield
    assert started(daemon) == before


def started(daemon: RunningDaemon) -> set[str]:
    with daemon.client() as client:
        status = client.status()
    return {run.run for run in status.runs} | {environment.python for environment in status.environments}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--allow-net=yes"], "--allow-net: ignored explicit argument 'yes'"),
        (["--allow-read"], "--allow-read: expected one argument"),
        (["--allow-everything"], "unrecognized arguments: --allow-everything"),
        (["--allow-read", "gone"], "'gone' does not exist. For files that are still to be made, grant the folder"),
        (["--allow-write", "open/gone.csv"], "'open/gone.csv' does not exist"),
        (["--workdir", "file"], "'file' is not a folder"),
        (["--allow-env", "NO_SUCH_VARIABLE"], "'NO_SUCH_VARIABLE' is not set here"),
    ],
)
def test_a_command_that_makes_no_sense_is_told_so(
    daemon: RunningDaemon, ctl: Callable[[RunningDaemon], Pyflowctl], flags: list[str], words: str
) -> None:
    with nothing_started(daemon):
        done = ctl(daemon)("run", "graph.json", *flags)
    assert (done.returncode, done.stdout) == (ExitStatus.USAGE, "")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"permissions": {"read": ["data"]}}, "'data' cannot be granted: it is not absolute."),
        ({"permissions": {"write": ["./data"]}}, "'./data' cannot be granted: it is not absolute."),
        ({"permissions": {"read": ["/usr/../etc"]}}, "'/usr/../etc' cannot be granted: it has '..' in it."),
        ({"permissions": {"read": [""]}}, "'' cannot be granted: it is empty."),
        ({"permissions": {"read": ["/etc\0/x"]}}, "cannot be granted: it has a NUL in it."),
        ({"permissions": {"read": ["/no/such"]}}, "'/no/such' cannot be granted: it does not exist; for files"),
        ({"permissions": {"read": ["/etc/passwd/x"]}}, "'/etc/passwd/x' cannot be granted: Not a directory."),
        ({"permissions": {"read": ["/" + "x" * 5000]}}, "cannot be granted: File name too long."),
        ({"permissions": {"read": ["/etc"] * 600, "write": ["/etc"] * 600}}, "1200 paths cannot be granted: 1000 are"),
        ({"permissions": {"env": {"A=B": "1"}}}, "The variable 'A=B' cannot be passed on: its name has '=' in it."),
        ({"permissions": {"env": {"": "1"}}}, "The variable '' cannot be passed on: its name is empty."),
        ({"workdir": "here"}, "'here' cannot be granted: it is not absolute."),
        ({"workdir": "/no/such"}, "'/no/such' cannot be granted: it does not exist"),
        ({"workdir": "/etc/passwd"}, "'/etc/passwd' cannot be granted: it is no folder"),
    ],
)
def test_the_daemon_takes_real_paths_only(daemon: RunningDaemon, ask: Ask, fields: dict[str, Any], words: str) -> None:
    with nothing_started(daemon):
        reply = ask(**fields)
    assert (reply["reply"], reply["id"], reply["error"]["code"]) == ("refused", 2, ErrorCode.BAD_INPUT)
    assert words in reply["error"]["message"]


@pytest.mark.parametrize(
    "permissions", [{"read": "/etc"}, {"net": 1}, {"env": ["HOME"]}, {"env": {"A": 1}}, {"exec": True}, []]
)
def test_permissions_of_another_shape_are_no_message(daemon: RunningDaemon, ask: Ask, permissions: Any) -> None:
    with nothing_started(daemon):
        assert ask(permissions=permissions)["error"]["code"] == ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--allow-read", "closed"], "'{home}/closed' may not be read, {settings}: {home}/open."),
        (["--allow-write", "open/deep/../../closed"], "'{home}/closed' may not be written, {settings}: {home}/open."),
        (["--allow-read", "open/link"], "'{home}/closed' may not be read, {settings}: {home}/open."),
        (["--allow-read", "."], "'{home}' may not be read, {settings}: {home}/open."),
        (["--workdir", "closed"], "'{home}/closed' may not be read, {settings}: {home}/open."),
        (["--allow-all"], "Everything may not be granted, the daemon's settings say"),
        (["--allow-net"], "The network may not be granted, the daemon's settings say"),
        (
            ["--allow-env", "PATH"],
            "The variable 'PATH' may not be passed on, the daemon's settings say; allowed: LC_*.",
        ),
    ],
)
def test_beyond_the_settings_nothing_is_granted_and_nothing_is_started(
    capped: RunningDaemon, ctl: Callable[[RunningDaemon], Pyflowctl], home: Path, flags: list[str], words: str
) -> None:
    with nothing_started(capped):
        done = ctl(capped)("run", "graph.json", *flags)
    assert (done.returncode, done.stdout) == (ExitStatus.NOT_PERMITTED, "")
    assert words.format(home=home, settings="the daemon's settings say; allowed is what lies in") in done.stderr


def test_a_link_that_the_daemon_is_sent_counts_for_what_it_leads_to(capped: RunningDaemon, home: Path) -> None:
    link = Permissions(read=(f"{home}/open/link",))  # as a client would send it that does not follow links itself
    refused = pytest.raises(Refused, match=f"'{home}/closed' may not be read")
    with nothing_started(capped), capped.client() as client, refused:
        client.ask(requests.SubmitRun(document=graph(ADD), permissions=link), replies.RunAccepted)


def test_all_can_be_capped_by_itself(ctl: Callable[[RunningDaemon], Pyflowctl]) -> None:
    with running_daemon(settings="[permissions]\nall = false\n") as daemon:
        with nothing_started(daemon):
            done = ctl(daemon)("run", "graph.json", "--allow-all")
        assert done.returncode == ExitStatus.NOT_PERMITTED
        assert "Everything may not be granted" in done.stderr


def needy(home: Path, **declared: Any) -> str:
    """A graph file that declares permissions."""
    path = home / "needy.json"
    path.write_text(json.dumps({**json.loads(graph(ADD)), "permissions": declared}))
    return str(path)


def test_check_tells_what_a_graph_needs(
    daemon: RunningDaemon, ctl: Callable[[RunningDaemon], Pyflowctl], home: Path
) -> None:
    path = needy(home, net=True, read=["~/prices"], reason="to know the prices")
    done = ctl(daemon)("check", path)
    assert done.returncode == ExitStatus.DONE
    says = "info: The graph says it needs"
    where = Path("~").expanduser().resolve() / "prices"
    assert f"{says} the network (to know the prices): grant it with --allow-net [needs_permission]" in done.stderr
    assert f"{says} to read '~/prices' (to know the prices): grant it with --allow-read {where}" in done.stderr


def test_run_warns_of_what_was_not_granted_and_grants_nothing_by_itself(
    daemon: RunningDaemon, ctl: Callable[[RunningDaemon], Pyflowctl], home: Path
) -> None:
    done = ctl(daemon)("run", needy(home, net=True, env=["PATH", "NO_SUCH"]), "--allow-env", "PATH")
    assert done.returncode == ExitStatus.DONE, done.stderr
    assert done.stderr.splitlines() == [
        "warning: The graph says it needs the network, which was not granted:"
        " grant it with --allow-net [missing_permission]",
        "warning: The graph says it needs the variable 'NO_SUCH', which was not granted:"
        " grant it with --allow-env NO_SUCH [missing_permission]",
    ]
    with daemon.client() as client:
        assert len(client.status().environments) == 1


def test_needs_that_cannot_be_meant_refuse_the_graph(
    daemon: RunningDaemon, ctl: Callable[[RunningDaemon], Pyflowctl], home: Path
) -> None:
    done = ctl(daemon)("run", needy(home, all=True))
    assert (done.returncode, done.stdout) == (ExitStatus.BAD_GRAPH, "")
    assert 'The "permissions" of the graph cannot be used: unknown field: all. There are: net, read, ' in done.stderr


def test_a_folder_that_was_made_anew_is_seen_as_it_is(tmp_path: Path) -> None:
    """The fork server that saw the old one would see it for ever."""
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    folder = tmp_path / "data"
    document = graph(node("return open('what').read()", returns="str"))
    with running_daemon() as daemon, daemon.client() as client:
        for text in ("old", "new"):
            folder.mkdir(mode=0o755)
            (folder / "what").write_text(text)
            run = client.run_document(document, workdir=folder)
            assert run.result()["n0"]["output_1"] == text
            shutil.rmtree(folder)
