"""pdb in a node that has failed, with real nodes in each tier, and on a real terminal."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyflowd_client.aio import connect_async
from pyflowd_client.blocking import Client
from pyflowd_client.errors import Refused
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import (
    DebuggerClosed,
    DebuggerOpened,
    Event,
    NodeFinished,
    NodeOutput,
    RunFinished,
    TerminalOutput,
)
from pyflowd_client.protocol.options import Debugging
from pyflowd_client.protocol.states import DebuggerKind, NodeState, RunState
from pyflowd_client.run import Run
from support.client_commands import COMMAND
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl, running_daemon
from support.typing_terminals import Typist, typing
from support.zygote import find_interpreters

PDB = Debugging(debugger=DebuggerKind.PDB)
FAILS = node("rows = [x, 0]\nprint('dividing')\nreturn rows[0] / rows[1]", "x: int = 3")
PROMPT = "(Pdb) "
TIERS = ("T0", "T1", "T2", "T3")


# The number of its call, as any node can find it in its frames.
FIND = """
def find():
    import sys
    frame = sys._getframe()
    while "order" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["order"][1]
"""


class Session:
    """A run with a debugger, and who types into it."""

    def __init__(self, client: Client, document: str, **options: object) -> None:
        self.client = client
        self.run: Run = client.run_document(document, debugging=PDB, **options)  # type: ignore[arg-type]
        self.events: list[Event] = []
        self.text = ""
        self._iterator: Iterator[Event] = iter(self.run)
        self._seen = 0

    def until(self, kind: type[Event], node: str | None = None) -> Event:
        """Events, to the next of a kind, of a node."""
        for event in self._iterator:
            self.events.append(event)
            if isinstance(event, TerminalOutput):
                self.text += event.text
            if isinstance(event, kind) and node in (None, getattr(event, "node", None)):
                return event
        raise AssertionError(f"no {kind.NAME}: {self.events}")

    def expect(self, text: str) -> str:
        """The terminal's output up to `text`, from where it was looked at last."""
        while (found := self.text.find(text, self._seen)) < 0:
            self.until(TerminalOutput)
        start, self._seen = self._seen, found + len(text)
        return self.text[start : self._seen]

    def type(self, text: str, node: str = "n0") -> None:
        """Press keys."""
        self.client.write_terminal(self.run.id, node, text)

    def say(self, command: str, node: str = "n0") -> str:
        """A command at the prompt; what comes back."""
        self.type(command + "\r", node)
        return self.expect(PROMPT)

    def finished(self, node: str = "n0") -> NodeFinished:
        """How a node ends."""
        event = self.until(NodeFinished, node)
        assert isinstance(event, NodeFinished)
        return event


@pytest.mark.parametrize("tier", TIERS)
def test_in_every_tier_it_looks_around_is_interrupted_and_ends_as_the_node_failed(tier: str) -> None:
    settings = f'[sandbox]\nmaximum_tier = "{tier}"\nminimum_tier = "T0"\n'
    with running_daemon(settings=settings) as daemon, daemon.client() as client:
        session = Session(client, graph(FAILS))
        session.until(DebuggerOpened)
        welcome = session.expect(PROMPT)
        assert "ZeroDivisionError" in welcome
        assert "-> return rows[0] / rows[1]" in welcome
        assert "[3, 0]" in session.say("p rows")
        session.say("import fcntl")
        assert "PermissionError" in session.say("fcntl.ioctl(0, 0x5412, b'x')")  # TIOCSTI, though it is its own
        session.say("rows = 'changed'")
        session.say("import time")
        session.type("print('sle' + 'eps'); time.sleep(1000)\r")
        session.expect("sleeps")
        session.type("\x03")
        session.expect(PROMPT)
        assert "dividing" not in session.text  # what the node has written is its output
        client.resize_terminal(session.run.id, "n0", columns=123, rows=45)
        session.type("import os; print(os.get_terminal_size())\r")
        session.expect("columns=123, lines=45")
        session.type("q\r")
        ending = session.finished()
        assert [type(event) for event in session.events[-2:]] == [DebuggerClosed, NodeFinished]
        assert ending.error is not None
        assert (ending.error.code, ending.error.type) == (ErrorCode.EXCEPTION, "ZeroDivisionError")
        assert ending.error.frames is not None
        assert ending.error.frames[-1].locals == {"x": "3", "rows": "[3, 0]"}
        assert client.status().sandbox_tier == tier


@pytest.mark.parametrize("python", find_interpreters())
@pytest.mark.parametrize("key", ["q\r", "c\r", "\x04"])
def test_on_every_python_it_ends_by_quit_continue_and_end_of_file(client: Client, python: str, key: str) -> None:
    session = Session(client, graph(FAILS), python=python)
    session.expect(PROMPT)
    assert "3" in session.say("p x")
    session.type(key)
    error = session.finished().error
    assert error is not None
    assert error.type == "ZeroDivisionError"


def test_the_client_for_asyncio_types_as_well(unharmed: RunningDaemon) -> None:
    async def main() -> str:
        text = ""
        async with connect_async(unharmed.socket, autostart=False) as client:
            run = await client.run_document(graph(FAILS), debugging=PDB)
            async for event in run:
                if isinstance(event, DebuggerOpened):
                    await client.resize_terminal(run.id, event.node, columns=90, rows=20)
                    await client.write_terminal(run.id, event.node, "p rows\rq\r")
                elif isinstance(event, TerminalOutput):
                    text += event.text
        return text

    assert "[3, 0]" in asyncio.run(main())


def test_others_go_on_and_have_theirs_afterwards(client: Client) -> None:
    session = Session(client, graph(FAILS, FAILS, ADD))
    opened = session.until(DebuggerOpened)
    assert isinstance(opened, DebuggerOpened)
    first, second = (opened.node, "n1" if opened.node == "n0" else "n0")
    session.expect(PROMPT)
    if not any(isinstance(event, NodeFinished) and event.node == "n2" for event in session.events):
        assert session.finished("n2").state is NodeState.DONE
    with pytest.raises(Refused, match="No terminal is open"):
        session.type("q\r", second)
    session.type("q\r", first)
    assert session.finished(first).state is NodeState.FAILED
    session.until(DebuggerOpened, second)
    session.expect(PROMPT)
    session.type("q\r", second)
    session.until(RunFinished)


def test_its_wall_time_does_not_count_and_the_node_is_not_shown_as_timed_out(client: Client) -> None:
    session = Session(client, graph(FAILS), timeout_s=1.0)
    session.expect(PROMPT)
    session.type("import time; time.sleep(1.5); print('rest' + 'ed')\r")
    session.expect("rested")
    session.type("q\r")
    error = session.finished().error
    assert error is not None
    assert error.code is ErrorCode.EXCEPTION


@pytest.mark.parametrize("busy", ["", "while True: pass\r"])
def test_a_cancel_ends_it_whatever_it_does(client: Client, busy: str) -> None:
    session = Session(client, graph(FAILS, FAILS))
    opened = session.until(DebuggerOpened)
    session.expect(PROMPT)
    if busy:
        session.type(busy, opened.node)  # type: ignore[union-attr]
    session.run.cancel()
    ending = session.until(RunFinished)
    assert isinstance(ending, RunFinished)
    assert ending.state is RunState.CANCELLED
    finished = [event for event in session.events if isinstance(event, NodeFinished)]
    assert [event.error.code for event in finished if event.error] == [ErrorCode.CANCELLED] * 2


def test_when_its_client_goes_the_node_fails_as_it_did_and_who_stays_sees_it(daemon: RunningDaemon) -> None:
    with daemon.client() as watcher:
        with daemon.client() as client:
            session = Session(client, graph(FAILS))
            session.expect(PROMPT)
            follower = watcher.follow(session.run.id)
            with pytest.raises(Refused) as refused:
                watcher.write_terminal(session.run.id, "n0", "q\r")
            assert refused.value.code is ErrorCode.NOT_PERMITTED
        told = list(follower)
    assert any(isinstance(event, TerminalOutput) and PROMPT in event.text for event in told)
    [ending] = follower.failures
    assert ending.error is not None
    assert ending.error.type == "ZeroDivisionError"


def test_where_nothing_of_the_node_is_left_to_see_none_opens(client: Client) -> None:
    bodies = ("return {1}", "import os\nos._exit(3)", "raise MemoryError", "x = bytearray(10**12)")
    for document in (graph(node(body)) for body in bodies):
        session = Session(client, document)
        session.until(RunFinished)
        assert not any(isinstance(event, DebuggerOpened) for event in session.events)


def test_afterwards_all_is_as_it_was(client: Client) -> None:
    """As seen by what the node has left to do."""
    body = """import atexit, os, signal, sys
before = signal.getsignal(signal.SIGHUP)
def last():
    print(os.environ.get('TERM'), signal.getsignal(signal.SIGHUP) == before, os.isatty(0), os.isatty(1))
atexit.register(last)
1 / 0"""
    session = Session(client, graph(node(body)))
    session.expect(PROMPT)
    assert "xterm True True" in session.say("print(os.environ['TERM'], os.isatty(0), os.isatty(1))")
    session.type("q\r")
    session.until(RunFinished)
    assert "".join(event.text for event in session.events if isinstance(event, NodeOutput)) == "None True False False\n"


def test_a_flood_on_the_terminal_does_not_drown_the_daemon(client: Client) -> None:
    session = Session(client, graph(FAILS))
    session.expect(PROMPT)
    began_s = time.monotonic()
    session.type("while True: print('x' * 1000)\r")
    while len(session.text) < 100_000:
        session.until(TerminalOutput)
    assert client.status().pid
    session.type("\x03")
    session.expect(PROMPT)
    assert len(session.text) < 50_000 + 210_000 * (time.monotonic() - began_s)
    session.type("q\r")
    session.until(RunFinished)


@pytest.fixture
def terminal(unharmed: RunningDaemon, tmp_path: Path) -> Callable[..., "object"]:
    def open_run(document: str, *arguments: str, **streams: int) -> object:
        path = tmp_path / "g.json"
        path.write_text(document)
        command = [*COMMAND, "--socket", str(unharmed.socket), "run", str(path), "--pdb", *arguments]
        return typing(command, os.environ, **streams)

    return open_run


def look_around(typist: Typist) -> None:
    typist.expect("pdb opens in it")
    typist.expect(PROMPT)
    typist.type("p rows\r")
    typist.expect("[3, 0]")
    typist.expect(PROMPT)


def test_on_a_terminal_it_opens_and_gives_it_back(terminal: Callable[..., object]) -> None:
    with terminal(graph(FAILS, node("import time\ntime.sleep(0.5)\nprint('late')\nreturn 1"))) as typist:  # type: ignore[attr-defined]
        before = typist.settings()
        look_around(typist)
        assert typist.settings() != before
        typist.resize(77, 33)
        typist.type("import os; print(os.get_terminal_size())\r")
        typist.expect("columns=77, lines=33")
        typist.type("while True: pass\r")
        typist.type("\x03")
        typist.expect("KeyboardInterrupt")
        typist.expect(PROMPT)
        typist.type("print('\\x1b]0;title\\x07\\x1b[6n' + 'harm' + 'less')\r")
        typist.expect("harmless")
        typist.type("\x04")
        assert typist.end() == 1
        assert typist.settings() == before
        assert "ZeroDivisionError" in typist.shown
        assert "\x1b]0" not in typist.shown
        assert "\x1b[6n" not in typist.shown
        assert typist.shown.index("late") > typist.shown.index("harmless")


def test_on_a_terminal_each_has_its_turn_and_quiet_ones_as_well(terminal: Callable[..., object]) -> None:
    with terminal(graph(FAILS, FAILS), "--quiet") as typist:  # type: ignore[attr-defined]
        for _ in range(2):
            look_around(typist)
            typist.type("q\r")
        assert typist.end() == 1


def test_a_terminal_that_goes_away_closes_it(terminal: Callable[..., object], client: Client) -> None:
    with terminal(graph(FAILS)) as typist:  # type: ignore[attr-defined]
        look_around(typist)
        [run] = [run.run for run in client.status().runs if run.state == RunState.RUNNING]
        typist.process.kill()
        follower = client.follow(run)
        assert isinstance(list(follower)[-1], RunFinished)
        [ending] = follower.failures
        assert ending.error is not None
        assert ending.error.type == "ZeroDivisionError"


def test_a_node_that_forges_its_failure_gets_one_terminal_and_no_more(client: Client) -> None:
    """It writes what its worker would, once the daemon has it twice it is ended."""
    forge = """import json, os
head = json.dumps({'kind': 'halted', 'call': CALL, 'segments': []}).encode()
for _ in range(TIMES):
    os.write(250, len(head).to_bytes(4, 'little') + head)
import time
time.sleep(0.3)
return 1"""
    for times, state in ((1, NodeState.DONE), (2, NodeState.FAILED)):
        session = Session(client, graph(node(forge.replace("TIMES", str(times)).replace("CALL", "find()"), "") + FIND))
        assert session.finished().state is state
        opened = [event for event in session.events if isinstance(event, DebuggerOpened)]
        assert len(opened) == 1
        session.until(RunFinished)


def test_a_signal_ends_it_and_the_terminal_is_as_it_was(terminal: Callable[..., object]) -> None:
    with terminal(graph(FAILS), "--quiet") as typist:  # type: ignore[attr-defined]
        before = typist.settings()
        look_around(typist)
        typist.process.terminate()
        assert typist.end() == 130
        assert typist.settings() == before


def test_without_a_terminal_it_is_refused_before_anything_runs(unharmed: RunningDaemon, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text(graph(FAILS))
    done = pyflowctl(unharmed.socket, "run", str(path), "--pdb", stdin=-3)
    assert done.returncode == 2
    assert "--pdb needs a terminal" in done.stderr
    done = pyflowctl(unharmed.socket, "run", str(path), "--pdb", "--json", stdin=-3)
    assert done.returncode == 2
    assert "not allowed with --json" in done.stderr


def test_what_classes_say_of_their_values_is_asked_within_the_sandbox(client: Client) -> None:
    """In a fork of the node, which is counted with its processes, and lives in its namespace."""
    body = "from decimal import Decimal\nd = Decimal('1.5')\nraise ValueError"
    run = client.run_document(graph(node(body)), processes=4)
    assert isinstance(list(run)[-1], RunFinished)
    error = run.failures[0].error
    assert error is not None
    assert error.frames is not None
    assert error.frames[0].locals == {"d": "Decimal('1.5')"}


def test_frames_are_in_json_and_variables_in_what_is_verbose(unharmed: RunningDaemon, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text(graph(FAILS))
    told = pyflowctl(unharmed.socket, "run", str(path), "--verbose").stderr
    assert "  variables of run, line 5 of Node 0:\n    x = 3\n    rows = [3, 0]\n" in told
    events = [json.loads(line) for line in pyflowctl(unharmed.socket, "run", str(path), "--json").stdout.splitlines()]
    [finished] = [event for event in events if event["event"] == "node_finished"]
    assert finished["error"]["frames"][0]["line"] == 5
