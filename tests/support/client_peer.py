"""A daemon that executes nothing: it speaks the real protocol over a real ROUTER socket and tells prepared stories.

What a run does is decided by its document: the name of a story, and words for it. As a program it takes the daemon's
own arguments, so that a client can start it, and a test can kill it.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import zmq

from pyflowd_client.protocol import daemon_codec, events, replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorFrame, ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.limits import WINDOW_BYTES, WINDOW_EVENTS
from pyflowd_client.protocol.states import NodeState, RunState
from support import environment_answers
from support.live_peer import LivePeer, WouldNot

Story = Callable[["Teller", Any], None]

FOLDER = str(Path(__file__).parents[1])  # where Python finds this package, for those who start this as a program
COMMAND = [sys.executable, "-m", "support.client_peer"]


class Teller:
    """Numbers the events of one run and keeps them, encoded."""

    def __init__(self, run: RunId) -> None:
        self.run = run
        self.encoded: list[bytes] = []
        self.is_over = False
        self.is_stubborn = False

    def tell(self, kind: type[Any], /, **fields: Any) -> None:
        """One event; fields that hold raw JSON bytes are spliced in as they are."""
        event = kind(run=self.run, seq=len(self.encoded) + 1, time=time.time(), **fields)
        self.encoded.append(orjson.dumps(daemon_codec.event_to_wire(event)))
        self.is_over |= kind is events.RunFinished

    def tell_raw(self, fields: str) -> None:
        """An event given as JSON text, less its run and number."""
        self.encoded.append(f'{{"run":"{self.run}","seq":{len(self.encoded) + 1},{fields}}}'.encode())

    def begin(self, *nodes: str) -> None:
        """The run and these nodes start."""
        last = (NodeId(nodes[-1].lower()),) if nodes else ()
        self.tell(events.RunStarted, graph="story.md", nodes=len(nodes), last=last)
        for title in nodes:
            self.tell(events.NodeStarted, node=title.lower(), title=title)

    def done(self, title: str, **outputs: Any) -> None:
        """A node finishes well."""
        self.tell(events.NodeFinished, node=title.lower(), title=title, state=NodeState.DONE, outputs=outputs)

    def failed(self, title: str, code: ErrorCode, message: str, **more: Any) -> None:
        """A node fails."""
        error = ErrorInfo(code=code, message=message, **more)
        self.tell(events.NodeFinished, node=title.lower(), title=title, state=NodeState.FAILED, error=error)

    def end(self, state: RunState, error: ErrorInfo | None = None) -> None:
        """The run is over."""
        self.tell(events.RunFinished, state=state, duration_s=0.1, error=error)


def greet(teller: Teller, request: requests.SubmitRun) -> None:
    """One node says hello."""
    teller.begin("Greeter")
    teller.tell(events.NodeOutput, node="greeter", stream="stdout", text="hello\n")
    teller.done("Greeter", text="hello", inputs=request.inputs)
    teller.end(RunState.SUCCEEDED)


def fail(teller: Teller, request: requests.SubmitRun) -> None:
    """One node fails with the code that the document names."""
    teller.begin("Good", "Bad")
    teller.done("Good", n=1)
    code = ErrorCode(request.document.split()[1])
    frame = ErrorFrame(title="Bad", line=3, function="f", source="no()", locals={"x": "1", "y": "'\x1b[2J'"})
    text = 'Traceback:\n  line 3, in "Bad"\nValueError: no'
    teller.failed("Bad", code, "it did not work", type="ValueError", traceback=text, frames=(frame,))
    teller.end(RunState.FAILED)


def deny(teller: Teller, request: requests.SubmitRun) -> None:
    """One node is denied what could be permitted, and so is the run."""
    teller.begin("Bad")
    teller.failed("Bad", ErrorCode.EXCEPTION, "Permission denied", hint="run it with --allow-read /data\x1b[2J")
    teller.end(RunState.FAILED, ErrorInfo(code=ErrorCode.NOT_PERMITTED, message="denied", hint="ask for more"))


def refuse(teller: Teller, request: requests.SubmitRun) -> None:
    """The graph has an error."""
    teller.tell(
        events.Diagnostic, severity="error", code="cycle", message="A and B wait for each other", node="a", title="A"
    )
    teller.end(RunState.FAILED, ErrorInfo(code=ErrorCode.BAD_GRAPH, message="the graph has errors"))


def hang(teller: Teller, request: requests.SubmitRun) -> None:
    """One node never ends."""
    teller.begin("Sleeper")


def ignore(teller: Teller, request: requests.SubmitRun) -> None:
    """One node never ends, not even when the run is cancelled."""
    teller.begin("Stubborn")
    teller.is_stubborn = True


def mutter(teller: Teller, request: requests.SubmitRun) -> None:
    """Two nodes write at once, in pieces, and one says how far it is."""
    teller.begin("One", "Two\x1b[2J")
    for node, text in (("one", "begin"), ("two\x1b[2j", "whole line\n"), ("one", "ning\nno end")):
        teller.tell(events.NodeOutput, node=node, stream="stdout", text=text)
    teller.tell(events.NodeProgress, node="one", fraction=0.5, message="[bold]half[/bold]")
    teller.done("One", text="a\nb")
    teller.tell(
        events.NodeFinished,
        node="two\x1b[2j",
        title="Two\x1b[2J",
        state=NodeState.SKIPPED,
        error=ErrorInfo(code=ErrorCode.SKIPPED, message="'Two' was skipped: 'One' is enough"),
    )
    teller.end(RunState.SUCCEEDED)


def build(teller: Teller, request: requests.SubmitRun) -> None:
    """An environment is made, less well than one could wish; then a node says hello."""
    teller.tell(events.EnvironmentProgress, message="resolving\x1b[2J")
    teller.tell(events.EnvironmentProgress, message="installing numpy")
    ready = {"environment": environment_answers.DIGEST, "python": "/py", "packages": 2, "duration_s": 1.5}
    teller.tell(events.EnvironmentReady, **ready, warnings=("torch could not be installed:\x1b[2J no wheel",))
    greet(teller, request)


def flood(teller: Teller, request: requests.SubmitRun) -> None:
    """As many lines of output, and as long, as the document says."""
    count, size = map(int, request.document.split()[1:])
    teller.begin("Talker")
    for number in range(count):
        teller.tell(events.NodeOutput, node="talker", stream="stdout", text=f"{number} ".ljust(size, "x"))
    teller.done("Talker", count=count)
    teller.end(RunState.SUCCEEDED)


def extremes(teller: Teller, request: requests.SubmitRun) -> None:
    """Values that only Python's JSON has, and an event from the future."""
    teller.begin("Edge")
    teller.tell_raw('"event":"node_dreamt","time":1,"node":"edge"')
    digits = "9" * 5000
    teller.tell_raw(
        '"event":"node_finished","time":1,"node":"edge","title":"Edge","state":"done",'
        f'"outputs":{{"nan":NaN,"big":123456789012345678901234567890,"huge":{digits},"e":1e5}}'
    )
    teller.end(RunState.SUCCEEDED)


STORIES: dict[str, Story] = {
    story.__name__: story for story in (greet, fail, deny, refuse, hang, ignore, mutter, build, flood, extremes)
}


def change(teller: Teller, request: requests.ChangeEnvironment) -> None:
    """An environment changes: `endless` never ends, and what is called `broken` cannot be had."""
    teller.tell(events.EnvironmentProgress, message=f"resolving {', '.join(request.requirements)}")
    if request.name == "endless":
        return
    if request.name == "broken":
        message = "nothing fits:\n  a\x1b[2J needs b<1\n  c needs b>2"
        teller.end(RunState.FAILED, ErrorInfo(code=ErrorCode.ENVIRONMENT, message=message, hint="ask for less"))
        return
    ready = {"environment": request.name, "python": "/py", "packages": 12, "duration_s": 1.5}
    teller.tell(events.EnvironmentReady, **ready, warnings=("torch was left out",))
    teller.end(RunState.SUCCEEDED)


class Follower:
    """How far one client has been told one run, and how far it has confirmed."""

    def __init__(self, acked: int) -> None:
        self.sent = self.acked = acked

    def may_receive(self, encoded: list[bytes]) -> bool:
        """The protocol's flow control."""
        outstanding = encoded[self.acked : self.sent]
        return len(outstanding) < WINDOW_EVENTS and sum(map(len, outstanding)) < WINDOW_BYTES


class FakeDaemon:
    """Serves one socket until told to stop. `refuse_hello` answers every greeting with that error."""

    def __init__(
        self, path: Path, *, refuse_hello: ErrorInfo | None = None, lose: frozenset[int] = frozenset()
    ) -> None:
        """`lose`: sequence numbers that are not sent the first time."""
        self.path = path
        self.asked: list[requests.Request] = []
        self.largest_outstanding_bytes = 0
        self._refuse_hello = refuse_hello
        self._to_lose = set(lose)
        self._runs: dict[RunId, Teller] = {}
        self._followers: dict[tuple[bytes, RunId], Follower] = {}
        self._live: dict[RunId, LivePeer] = {}
        self._is_stopping = False
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.set(zmq.ROUTER_MANDATORY, 0)
        self._router.bind(f"ipc://{path}")
        self._wake, self._bell = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        self._wake.bind("inproc://wake")
        self._bell.connect("inproc://wake")

    def serve(self) -> None:
        """Answer requests until a stop."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        while not self._is_stopping:
            ready = dict(poller.poll())
            if self._wake in ready:
                break
            client, data = self._router.recv_multipart()
            self._answer(client, data)
        self._wake.close()
        self._router.close(linger=200)

    def __enter__(self) -> "FakeDaemon":
        self._thread = threading.Thread(target=self.serve, name="fake daemon")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(zmq.Again):  # it was stopped by a client
            self._bell.send(b"", zmq.NOBLOCK)
        self._thread.join()
        self._bell.close(linger=0)
        self._context.term()

    def _answer(self, client: bytes, data: bytes) -> None:
        request_id, request = daemon_codec.decode_request(data)
        self.asked.append(request)
        reply = self._reply(client, request)
        if reply is not None:
            self._router.send_multipart([client, daemon_codec.encode_reply(request_id, reply)])
        self._tell_all()

    def _reply(self, client: bytes, request: requests.Request) -> replies.Reply | None:
        match request:
            case requests.Hello():
                if self._refuse_hello is not None:
                    return replies.Refused(error=self._refuse_hello)
                return replies.Welcome(protocol=request.protocol, version="0-fake", pid=os.getpid())
            case requests.SubmitRun():
                return self._submit(client, request)
            case requests.ChangeEnvironment():
                return self._begin(client, change, request)
            case requests.FollowRun():
                return self._follow(client, request)
            case requests.CancelRun():
                return self._cancel(request)
            case requests.Ack():
                follower = self._followers[client, request.run]
                follower.acked = max(follower.acked, request.seq)
                return None
            case requests.StopDaemon():
                self._is_stopping = True
            case requests.Goodbye():
                return None  # nobody waits for it, and libzmq 4.3.5 may never close a socket that answers who leaves
        try:
            return (
                self._live_reply(client, request)
                or self._prepared(request)
                or environment_answers.answer(request)
                or replies.Done()
            )
        except WouldNot as reason:
            return replies.Refused(error=reason.error)

    def _live_reply(self, client: bytes, request: requests.Request) -> replies.Reply | None:
        match request:
            case requests.OpenLive():
                run = RunId(f"run-{len(self._runs) + 1}")
                teller = Teller(run)
                self._live[run] = LivePeer(teller.tell, request)
                self._runs[run] = teller
                self._followers[client, run] = Follower(0)
                return replies.RunAccepted(run=run)
            case requests.UpdateLive():
                return replies.LiveUpdated(run=request.run, change=self._session(request.run).update(request))
            case requests.FollowLive():
                present = self._session(request.run).present(request.run, last := len(self._runs[request.run].encoded))
                self._followers[client, request.run] = Follower(last)
                return present
            case requests.CloseLive():
                self._session(request.run).close()
                return replies.Done()
        return None

    def _session(self, run: RunId) -> LivePeer:
        if run not in self._live:
            raise WouldNot(ErrorCode.UNKNOWN_RUN, f"no live session is called {run}")
        return self._live[run]

    def _prepared(self, request: requests.Request) -> replies.Reply | None:
        match request:
            case requests.GetStatus():
                return self._status()
            case requests.CheckGraph():
                return self._check(request)
            case requests.ConvertGraph():
                return replies.GraphConverted(document=f"{request.to} of {request.document}")
        return None

    def _submit(self, client: bytes, request: requests.SubmitRun) -> replies.Reply:
        name = (request.document.split() or [""])[0]
        if name == "die":
            os._exit(9)
        if name not in STORIES:
            return replies.Refused(error=ErrorInfo(code=ErrorCode.BAD_GRAPH, message=f"no story is called {name!r}"))
        return self._begin(client, STORIES[name], request)

    def _begin(self, client: bytes, story: Story, request: requests.Request) -> replies.Reply:
        run = RunId(f"run-{len(self._runs) + 1}")
        self._runs[run] = teller = Teller(run)
        story(teller, request)
        self._followers[client, run] = Follower(0)
        return replies.RunAccepted(run=run)

    def _follow(self, client: bytes, request: requests.FollowRun) -> replies.Reply:
        teller = self._runs.get(request.run)
        if teller is None:
            return replies.Refused(
                error=ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message=f"no run is called {request.run}")
            )
        self._followers[client, request.run] = Follower(request.from_seq - 1)
        state = RunState.SUCCEEDED if teller.is_over else RunState.RUNNING
        return replies.Following(run=request.run, state=state, first_seq=1, last_seq=len(teller.encoded))

    def _cancel(self, request: requests.CancelRun) -> replies.Reply:
        teller = self._runs.get(request.run)
        if teller is None:
            return replies.Refused(
                error=ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message=f"no run is called {request.run}")
            )
        if not teller.is_over and not teller.is_stubborn:
            teller.end(RunState.CANCELLED)
        return replies.Done()

    def _status(self) -> replies.DaemonStatus:
        runs = tuple(
            replies.RunStatus(run=run, state=RunState.RUNNING, graph="story.md", submitted=0.0, nodes=1, nodes_over=0)
            for run in self._runs
        )
        zygote = replies.EnvironmentStatus(python="/usr/bin/python3", state="warm", version="3.12.1", pid=7, spares=4)
        return replies.DaemonStatus(
            pid=os.getpid(),
            version="0-fake",
            protocol=1,
            uptime_s=93784.0,
            sandbox_tier="T0",
            socket=str(self.path),
            environments=(zygote,),
            runs=runs,
            workers=(),
        )

    def _check(self, request: requests.CheckGraph) -> replies.GraphChecked:
        if request.document.startswith("refuse"):
            finding = replies.Finding(severity="error", code="cycle", message="A and B wait for each other", title="A")
            return replies.GraphChecked(runnable=False, findings=(finding,))
        node = replies.NodeSummary(node=NodeId("greeter"), title="Greeter", outputs=("text",))
        return replies.GraphChecked(runnable=True, nodes=(node,))

    def _tell_all(self) -> None:
        for (client, run), follower in self._followers.items():
            for batch in self._batches(self._runs[run], follower):
                self._router.send_multipart([client, daemon_codec.encode_events(batch)])

    def _batches(self, teller: Teller, follower: Follower) -> Iterator[list[bytes]]:
        while follower.sent < len(teller.encoded) and follower.may_receive(teller.encoded):
            event = teller.encoded[follower.sent]
            follower.sent += 1
            outstanding = sum(map(len, teller.encoded[follower.acked : follower.sent]))
            self.largest_outstanding_bytes = max(self.largest_outstanding_bytes, outstanding)
            if follower.sent in self._to_lose:
                self._to_lose.remove(follower.sent)
            else:
                yield [event]


def main(arguments: list[str]) -> None:
    """Serve as a process: takes --socket and --ready-fd, ignores what else the daemon takes."""
    options = dict(pairwise(arguments))
    daemon = FakeDaemon(Path(options["--socket"]))
    if "--ready-fd" in options:
        os.write(int(options["--ready-fd"]), b".")
        os.close(int(options["--ready-fd"]))
    daemon.serve()


def start_process(path: Path) -> "subprocess.Popen[bytes]":
    """A fake daemon that can be killed, listening when this returns."""
    ready, ready_fd = os.pipe()
    with os.fdopen(ready, "rb") as pipe:
        command = [*COMMAND, "--socket", str(path), "--ready-fd", str(ready_fd)]
        process = subprocess.Popen(command, pass_fds=[ready_fd], env=os.environ | {"PYTHONPATH": FOLDER})
        os.close(ready_fd)
        assert pipe.read(1) == b"."
    return process


if __name__ == "__main__":
    main(sys.argv[1:])
