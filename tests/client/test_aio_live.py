"""Live sessions of the asyncio client, against a peer that speaks the real protocol."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client.aio import connect_async
from pyflowd_client.errors import ChangeRefused
from pyflowd_client.live_changes import MOST_UNANSWERED
from pyflowd_client.protocol import events
from pyflowd_client.protocol.states import NodeState, RunState
from support.client_peer import FakeDaemon


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(socket_path) as running:
        yield running


def test_a_session_is_changed_settles_and_is_closed(daemon: FakeDaemon) -> None:
    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client:
            async with await client.live_document("live A B", paused=True) as live:
                assert (await live.settle()).states["A"] is NodeState.WAITING
                await live.resume()
                for number in range(2 * MOST_UNANSWERED):
                    await live.set("A", "x", number)
                assert (await live.settle()).values == {"A": {"x": 2 * MOST_UNANSWERED - 1}, "B": {"out": 0}}
                await live.unset("A", "x")
                await live.trigger("B")
                await live.every(1, "A")
                await live.run_all()
                await live.reset()
                await live.update_document("live B")
                await live.pause()
                assert (await live.settle()).values == {"B": {"out": 0}}
            assert live.state is RunState.SUCCEEDED

    asyncio.run(main())


def test_a_refusal_is_raised_by_who_waits(daemon: FakeDaemon) -> None:
    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client:
            live = await client.live_document("live A")
            await live.set("Nowhere", "x", 1)
            with pytest.raises(ChangeRefused, match="Nowhere"):
                await live.settle()
            with pytest.raises(ChangeRefused, match="no story"):
                await live.update_document("broken")
            await live.trigger("Nobody")
            with pytest.raises(ChangeRefused, match="Nobody"):
                await live.close()
            assert live.state is RunState.SUCCEEDED

    asyncio.run(main())


def test_two_tasks_share_a_session(daemon: FakeDaemon) -> None:
    async def drive(client_path: Path, run: str) -> None:
        async with connect_async(client_path, autostart=False) as client, await client.follow_live(run) as live:
            assert live.values == {"A": {"out": 0}}
            await live.set("A", "x", 7)
            await live.settle()

    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client, await client.live_document("live A") as live:
            await live.settle()
            task = asyncio.create_task(drive(daemon.path, live.id))
            async for event in live:
                if isinstance(event, events.NodeFinished) and event.outputs == {"x": 7}:
                    break
            await task

    asyncio.run(main())
