"""A live session for asyncio programs: the twin of `live.Live`, over the same record.

    async with connect_async() as daemon, await daemon.live("graph.md") as live:
        await live.set("Oscillator", "phase", 0.5)
        await live.settle()
        live.values["Scope"]["picture"]

Limit a wait with `asyncio.timeout`. One task at a time may iterate a session or wait for it; several may change it.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any, Self

from pyflowd_client.conversation import Conversation
from pyflowd_client.errors import ChangeRefused, DaemonLost, Refused
from pyflowd_client.live_handle import LiveHandle, typed
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import Event
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.states import ChangeKind, LiveAction
from pyflowd_client.submission import read_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.aio import AsyncClient


class AsyncLive(LiveHandle):
    """A live session. Iterate it for its events as they come; with `async with` it is closed at the end."""

    def __init__(self, client: "AsyncClient", conversation: Conversation, run: RunId, *, is_own: bool) -> None:
        super().__init__(conversation, run, is_own=is_own)
        self._client = client

    async def set(
        self, node: str, pin: str, value: Any, *, kind: ChangeKind | None = None, change: str | None = None
    ) -> str:
        """Give an input a value, without waiting for the answer. TypeError, ValueError, RequestUnsendable."""
        return await self.send(self.setting(node, pin, value, kind, change))

    async def unset(self, node: str, pin: str, *, kind: ChangeKind | None = None, change: str | None = None) -> str:
        """Take back what an input was given, without waiting for the answer."""
        return await self.send(self.unsetting(node, pin, kind, change))

    async def trigger(self, node: str, *, kind: ChangeKind | None = None, change: str | None = None) -> str:
        """Execute a node and what is below it, without waiting for the answer."""
        return await self.send(self.triggering(node, kind, change))

    async def update(self, path: str | os.PathLike[str], *, change: str | None = None) -> str:
        """Replace the graph by that of a file. GraphFileError; ChangeRefused, and then the old one stays."""
        document, name = read_graph(path)
        return await self.update_document(document, name=name, change=change)

    async def update_document(self, document: str, *, name: str | None = None, change: str | None = None) -> str:
        """Replace the graph by the text of another. ChangeRefused, and then the old one stays."""
        return await self._confirm(self.updating(document, name, change))

    async def every(self, seconds: float | None, node: str, *, change: str | None = None) -> str:
        """Trigger a node again and again; None ends that. ChangeRefused, of less than 0.01 s for example."""
        return await self._confirm(self.timing(seconds, node, change))

    async def pause(self, *, change: str | None = None) -> str:
        """Begin nothing until `resume`."""
        return await self._confirm(self.simple(LiveAction.PAUSE, change))

    async def resume(self, *, change: str | None = None) -> str:
        """Go on."""
        return await self._confirm(self.simple(LiveAction.RESUME, change))

    async def reset(self, *, change: str | None = None) -> str:
        """Forget all values, and what was given; then execute everything anew."""
        return await self._confirm(self.simple(LiveAction.RESET, change))

    async def run_all(self, *, change: str | None = None) -> str:
        """Execute everything."""
        return await self._confirm(self.simple(LiveAction.RUN_ALL, change))

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The events not yet seen, until the session ends; DaemonLost, ChangeRefused."""
        while not self._is_at_end():
            record = await self.next_event()
            event = typed(record) if record is not None else None
            if event is not None:
                yield event

    async def next_event(self) -> EventRecord | None:
        """The next event as it came; None at the end. ChangeRefused for a change that was refused."""
        while True:
            arrivals = self._client.arrivals
            self._look()
            self._changes.raise_refusal()
            record = self._take_next()
            await self._client.flush()
            if record is not None:
                return record
            if self._is_at_end():
                return None
            await self._client.wait(arrivals)

    async def settle(self) -> Self:
        """Wait until nothing is left to do after the last change made here; then `values` are of that, or later ones.

        While the session is paused, until what ran has ended. Events on the way are not seen by iterations.
        ChangeRefused, DaemonLost.
        """
        while True:
            arrivals = self._client.arrivals
            self._take_until_settled()
            await self._client.flush()
            self._changes.raise_refusal()
            if self.is_settled:
                return self
            await self._client.wait(arrivals)

    async def close(self) -> None:
        """End the session, whoever opened it, and what runs in it. ChangeRefused for a refusal not yet raised."""
        self._stop_changing()
        is_ending = not self.record.is_over
        if is_ending:
            try:
                await self._client.ask(requests.CloseLive(run=self.id), replies.Done)
            except Refused:  # another was faster
                is_ending = False
        while not self._is_at_end():
            arrivals = self._client.arrivals
            if self._take() is None:
                if not is_ending:
                    break
                await self._client.wait(arrivals)
        self._look()
        self._changes.raise_refusal()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self.is_own:
            self.leave()
            return
        with contextlib.suppress(*(() if kind is None else (DaemonLost, ChangeRefused))):
            await self.close()

    async def send(self, request: requests.UpdateLive) -> str:
        """Make a change that was prepared (`setting`, `triggering` and so on), without waiting; what it is called."""
        change = self._put(request)
        await self._client.flush()
        while True:
            arrivals = self._client.arrivals
            self._look()
            if not self._changes.is_crowded:
                return change
            await self._client.wait(arrivals)

    async def _confirm(self, request: requests.UpdateLive) -> str:
        change = self._put(request)
        await self._client.flush()
        while True:
            arrivals = self._client.arrivals
            self._look()
            if self._changes.is_known(change):
                return change
            await self._client.wait(arrivals)
