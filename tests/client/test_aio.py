"""The asyncio client: what differs from its twin is that several tasks share it."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client import aio
from pyflowd_client.aio import connect_async
from pyflowd_client.errors import DaemonLost, DaemonUnavailable, Refused, RunFailed
from pyflowd_client.protocol.states import RunState
from support.client_peer import FakeDaemon, start_process


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(socket_path, lose=frozenset({2})) as running:
        yield running


def test_several_runs_are_followed_at_once_by_as_many_tasks(daemon: FakeDaemon) -> None:
    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client:
            runs = [await client.run_document(f"flood {count} 1000") for count in (2000, 10, 3000)]
            results = await asyncio.gather(*(run.result() for run in runs), client.status())
            assert [result["Talker"]["count"] for result in results[:3]] == [2000, 10, 3000]  # type: ignore[index]

    asyncio.run(main())


def test_events_come_typed_and_in_order_and_a_cancelled_run_raises(daemon: FakeDaemon) -> None:
    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client:
            run = await client.run_document("greet")
            assert [event.seq async for event in run] == [1, 2, 3, 4, 5]
            assert [event.seq async for event in await run.follow(4)] == [4, 5]
            endless = await client.run_document("hang")
            await endless.cancel()
            with pytest.raises(RunFailed):
                await endless.result()
            assert endless.state is RunState.CANCELLED

    asyncio.run(main())


def test_check_convert_and_refusals_work_as_in_the_blocking_client(daemon: FakeDaemon) -> None:
    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client:
            assert (await client.check("greet")).runnable
            assert (await client.convert("graph", "md")).document == "md of graph"
            with pytest.raises(Refused, match="no story"):
                await client.run_document("unknown")

    asyncio.run(main())


def test_a_waiting_task_can_be_cancelled_and_the_client_goes_on(daemon: FakeDaemon) -> None:
    async def main() -> None:
        async with connect_async(daemon.path, autostart=False) as client:
            run = await client.run_document("hang")
            waiting = asyncio.create_task(run.result())
            await client.status()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await client.status()).protocol == 1

    asyncio.run(main())


def test_killing_the_daemon_wakes_everybody_who_waits(socket_path: Path) -> None:
    process = start_process(socket_path)

    async def main() -> None:
        async with connect_async(socket_path, autostart=False) as client:
            runs = [await client.run_document("hang") for _ in range(3)]
            waiting = [asyncio.create_task(run.result()) for run in runs]
            await client.status()
            process.send_signal(signal.SIGKILL)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(result) for result in results] == [DaemonLost] * 3
            with pytest.raises(DaemonLost):
                await client.status()

    try:
        asyncio.run(main())
    finally:
        process.kill()
        process.wait()


def test_stopping_the_daemon_waits_until_it_is_gone_and_what_it_said_is_heard(socket_path: Path) -> None:
    async def main() -> None:
        async with connect_async(socket_path, autostart=False) as client:
            run = await client.run_document("greet")
            await client.stop()
            assert (await run.result())["Greeter"]["text"] == "hello"

    with FakeDaemon(socket_path):
        asyncio.run(main())


def test_a_listener_that_never_answers_is_given_up(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio, "HELLO_DEADLINE_S", 0.1)

    async def main() -> None:
        with pytest.raises(DaemonUnavailable, match="does not answer"):
            async with connect_async(socket_path, autostart=False):
                pass

    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(socket_path))
        mute.listen()
        asyncio.run(main())


def test_without_a_daemon_it_is_said_so(socket_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(DaemonUnavailable, match="no daemon is running"):
            async with connect_async(socket_path, autostart=False):
                pass

    asyncio.run(main())
