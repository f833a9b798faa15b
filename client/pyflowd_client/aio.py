"""The client for asyncio programs: the twin of `blocking`, over the same conversation.

One task listens; whoever waits for a reply or an event looks again each time something came. Several tasks may
use one client.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import TypeVar, Unpack

import zmq
import zmq.asyncio

from pyflowd_client import __version__
from pyflowd_client.autostart import ensure_daemon
from pyflowd_client.conversation import Conversation
from pyflowd_client.dealer import ATTEMPTS, HELLO_DEADLINE_S, close_dealer, expect, lost, open_dealer, silent
from pyflowd_client.errors import DaemonLost, PyflowdError
from pyflowd_client.location import Location, locate
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import Event
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.record import Outputs
from pyflowd_client.run import RunHandle
from pyflowd_client.submission import LiveArguments, RunArguments, check, opening, origin_of, read_graph, submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.aio_live import AsyncLive
    from pyflowd_client.environments import AsyncEnvironments

R = TypeVar("R", bound=replies.Reply)


class AsyncRun(RunHandle):
    """Iterate it for its events as they come, or await `result()`. The run itself belongs to the daemon."""

    def __init__(self, client: "AsyncClient", run: RunId) -> None:
        super().__init__(run)
        self._client = client

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The events not yet seen, until the last; DaemonLost when the connection breaks."""
        while not self._record.is_over:
            event = self._record.take(await self._client.next_event(self.id))
            if event is not None:
                yield event

    async def result(self) -> Outputs:
        """Wait for the end; the outputs, or RunFailed."""
        while not self._record.is_over:
            self._record.skim(await self._client.next_event(self.id))
        self._record.raise_unless_succeeded()
        return self._record.outputs

    async def cancel(self) -> None:
        """End the run: its nodes are interrupted, then killed. Its last events still come."""
        await self._client.cancel(self.id)

    async def follow(self, from_seq: int = 1) -> "AsyncRun":
        """The same run told again from event `from_seq` on, as a new handle; this one then gets no more events."""
        return await self._client.follow(self.id, from_seq)


class AsyncClient:
    """A session with a daemon. Use `connect_async` to get one."""

    welcome: replies.Welcome

    def __init__(self, location: Location) -> None:
        """Begin to connect; `greet` says whether it worked."""
        self._location = location
        self._conversation = Conversation()
        self._context = zmq.asyncio.Context()
        self._socket, self._monitor = open_dealer(self._context, location)
        self._failure: PyflowdError | None = None
        self.arrivals = 0  # how often something came
        self._waiting: list[asyncio.Future[None]] = []
        self._listener = asyncio.create_task(self._listen(), name="listen to pyflowd")

    async def greet(self, name: str = f"pyflowd_client {__version__}") -> None:
        """Say hello, first of all; DaemonUnavailable, DaemonLost or ProtocolMismatch."""
        try:
            async with asyncio.timeout(HELLO_DEADLINE_S):
                self.welcome = await self._expect(replies.Welcome, self._conversation.greet(name))
        except TimeoutError:
            raise silent(self._location) from None

    async def run(self, path: str | os.PathLike[str], **arguments: Unpack[RunArguments]) -> AsyncRun:
        """Execute a graph file. GraphFileError, Refused, DaemonLost; TypeError names an input that is not JSON."""
        document, name = read_graph(path)
        arguments.setdefault("origin", origin_of(path))
        return await self.run_document(document, name=name, **arguments)

    async def run_document(
        self, document: str, *, name: str | None = None, **arguments: Unpack[RunArguments]
    ) -> AsyncRun:
        """Execute the text of a graph; `name` would be its file's name, a hint for the format."""
        return await self.submit(submission(document, name, arguments))

    async def submit(self, request: requests.SubmitRun | requests.ChangeEnvironment) -> AsyncRun:
        """The run that a request begins."""
        return AsyncRun(self, (await self.ask(request, replies.RunAccepted)).run)

    async def live(self, path: str | os.PathLike[str], **arguments: Unpack[LiveArguments]) -> "AsyncLive":
        """Open a live session of a graph file, which ends with the block: `async with await client.live(path)`."""
        document, name = read_graph(path)
        arguments.setdefault("origin", origin_of(path))
        return await self.live_document(document, name=name, **arguments)

    async def live_document(
        self, document: str, *, name: str | None = None, **arguments: Unpack[LiveArguments]
    ) -> "AsyncLive":
        """Open a live session of the text of a graph."""
        from pyflowd_client.aio_live import AsyncLive

        run = (await self.ask(opening(document, name, arguments), replies.RunAccepted)).run
        return AsyncLive(self, self._conversation, run, is_own=True)

    async def follow_live(self, run: str) -> "AsyncLive":
        """A live session that somebody has opened before: as it is now, and then its events. It stays open."""
        from pyflowd_client.aio_live import AsyncLive

        run_id = RunId(run)
        present = await self._expect(replies.LiveFollowing, self._conversation.follow_live(run_id))
        return AsyncLive(self, self._conversation, run_id, is_own=False).begin(present)

    @property
    def environments(self) -> "AsyncEnvironments":
        """The environments that the daemon keeps and finds: `await client.environments.list()`."""
        from pyflowd_client.environments import AsyncEnvironments

        return AsyncEnvironments(self)

    async def follow(self, run: str, from_seq: int = 1) -> AsyncRun:
        """A run that somebody submitted before, told from event `from_seq` on."""
        run_id = RunId(run)
        await self._expect(replies.Following, self._conversation.follow(run_id, from_seq))
        return AsyncRun(self, run_id)

    async def check(
        self, document: str, *, name: str | None = None, **arguments: Unpack[RunArguments]
    ) -> replies.GraphChecked:
        """Read and plan the text of a graph without executing it."""
        return await self.ask(check(document, name, arguments), replies.GraphChecked)

    async def convert(self, document: str, to: str, *, name: str | None = None) -> replies.GraphConverted:
        """The same graph in the format `to`, "md" or "json"."""
        return await self.ask(requests.ConvertGraph(document=document, to=to, name=name), replies.GraphConverted)

    async def cancel(self, run: str) -> None:
        """End a run: its nodes are interrupted, then killed."""
        await self.ask(requests.CancelRun(run=RunId(run)), replies.Done)

    async def write_terminal(self, run: str, node: str, text: str) -> None:
        """Type into the pdb that is open in a node of a run of ours, keys as a terminal sends them."""
        await self.ask(requests.WriteTerminal(run=RunId(run), node=NodeId(node), text=text), replies.Done)

    async def resize_terminal(self, run: str, node: str, *, columns: int, rows: int) -> None:
        """Say how large its terminal is."""
        request = requests.ResizeTerminal(run=RunId(run), node=NodeId(node), columns=columns, rows=rows)
        await self.ask(request, replies.Done)

    async def status(self) -> replies.DaemonStatus:
        """How the daemon is."""
        return await self.ask(requests.GetStatus(), replies.DaemonStatus)

    async def examine(self) -> replies.Examined:
        """How well the daemon's nodes are kept from what is not theirs, and whether the rest is in order."""
        return await self.ask(requests.Examine(), replies.Examined)

    async def stop(self, *, drain: bool = False) -> None:
        """End the daemon and wait until it is gone: at once, or with `drain` when its runs are over."""
        await self.ask(requests.StopDaemon(drain=drain), replies.Done)
        await asyncio.wait([self._listener])

    async def ask(self, request: requests.Request, expected: type[R]) -> R:
        """The reply to a request; Refused, DaemonLost, or ProtocolMismatch when it is of another kind."""
        return await self._expect(expected, self._conversation.ask(request))

    async def next_event(self, run: RunId) -> EventRecord:
        """The run's next event, as soon as there is one."""
        while True:
            record = self._conversation.next_event(run)
            await self.flush()
            if record is not None:
                return record
            await self._something_new()

    async def wait(self, since: int) -> None:
        """Send what is to be sent and wait for something to come since `arrivals` was `since`; DaemonLost."""
        await self.flush()
        if self.arrivals == since:
            await self._something_new()

    async def flush(self) -> None:
        """Send what is to be sent."""
        outgoing = self._conversation.outgoing
        while outgoing:
            await self._socket.send(outgoing.popleft())

    async def close(self) -> None:
        """End the session. Runs go on."""
        if self._context.closed:
            return
        if self._failure is None:
            self._conversation.ask(requests.Goodbye())
            await self.flush()
        self._listener.cancel()
        await asyncio.wait([self._listener])
        close_dealer(self._context, self._socket, self._monitor, is_heard=self._failure is None)

    async def _expect(self, expected: type[R], request_id: int) -> R:
        await self.flush()
        while (reply := self._conversation.reply(request_id)) is None:
            await self._something_new()
            await self.flush()
        return expect(reply, expected)

    async def _something_new(self) -> None:
        if self._failure is not None:
            raise self._failure
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake_all(self) -> None:
        self.arrivals += 1
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _listen(self) -> None:
        poller = zmq.asyncio.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        try:
            is_gone = False
            while not is_gone:
                is_gone = self._monitor in dict(await poller.poll())
                await self._take_in()
                await self.flush()
                self._wake_all()
        except PyflowdError as error:
            self._failure = error
        finally:
            self._failure = self._failure or lost(self._location)
            self._wake_all()

    async def _take_in(self) -> None:
        """Whatever has come, the last words of a daemon that is gone included."""
        with contextlib.suppress(zmq.Again):
            while True:
                for frame in await self._socket.recv_multipart(zmq.NOBLOCK):
                    self._conversation.receive(frame)


@contextlib.asynccontextmanager
async def connect_async(
    socket: str | os.PathLike[str] | None = None, *, autostart: bool = True
) -> AsyncIterator[AsyncClient]:
    """`async with connect_async() as daemon`: a session with the daemon at `socket`, or where it usually is.

    Starts one if none runs. DaemonUnavailable when that fails; LocationRefused, ProtocolMismatch.
    """
    client = await _open(locate(socket), autostart)
    try:
        yield client
    finally:
        await client.close()


async def _open(location: Location, autostart: bool) -> AsyncClient:
    for _ in range(ATTEMPTS):
        with contextlib.suppress(DaemonLost):  # nobody listens, or it was leaving while we came
            return await _greeted(location)
        await asyncio.to_thread(ensure_daemon, location, autostart=autostart)
    return await _greeted(location)


async def _greeted(location: Location) -> AsyncClient:
    client = AsyncClient(location)
    try:
        await client.greet()
    except BaseException:
        await client.close()
        raise
    return client
