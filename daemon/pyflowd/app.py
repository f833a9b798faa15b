"""The composition root: builds the parts, connects them, and takes them down in order. Decides nothing."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyflowd.core import effects
from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.stimuli import EnvironmentWanted, StopAsked
from pyflowd.environments.interpreter import default_interpreter, find_interpreter
from pyflowd.settings import Settings
from pyflowd.shell.driver import Driver
from pyflowd.shell.lock import InstanceLock
from pyflowd.shell.planner import Planner
from pyflowd.shell.poller import Poller
from pyflowd.shell.server import Server
from pyflowd.shell.watch import Watch
from pyflowd.shell.zygotes import Zygotes
from pyflowd.status import StatusReport
from pyflowd_client.location import Location


class BugError(RuntimeError):
    """An exception that only a bug of ours can raise ended the daemon."""


Performers = Mapping[type[effects.Effect], Callable[[Any], None]]

log = logging.getLogger(__name__)


def serve(settings: Settings, location: Location, *, leaves_when_idle: bool, ready_fd: int | None) -> None:
    """Be the daemon until told to stop. AlreadyRunningError when there is one."""
    os.umask(0o077)
    location.prepare()
    lock = InstanceLock(location.lock)
    try:
        location.socket.unlink(missing_ok=True)
        _raise_descriptor_limit()
        scratch = _fresh_scratch(location)
        asyncio.run(_serve(settings, location, scratch, leaves_when_idle=leaves_when_idle, ready_fd=ready_fd))
    finally:
        location.socket.unlink(missing_ok=True)
        lock.close()


async def _serve(
    settings: Settings, location: Location, scratch: Path, *, leaves_when_idle: bool, ready_fd: int | None
) -> None:
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    wall_offset_s = time.time() - time.monotonic()
    policy = settings.policy(leaves_when_idle=leaves_when_idle)
    controller = ExecutionController(policy, run_prefix=_run_prefix(), wall_offset_s=wall_offset_s)
    driver = Driver(controller, loop)
    poller = Poller(loop, driver.end_turn)
    zygotes = Zygotes(scratch, poller, loop, driver.feed)
    python = find_interpreter(settings.python) if settings.python else default_interpreter()
    planner = Planner(loop, driver.feed)
    server = Server(
        socket_path=str(location.socket),
        default_python=python,
        loop=loop,
        feed=driver.feed,
        on_drained=driver.end_turn,
        status=StatusReport(controller, str(location.socket), wall_offset_s),
    )
    watch = Watch(controller, loop, driver.feed)

    def after_turn() -> None:
        server.end_turn()
        watch.arm()

    failed: list[bool] = []

    def on_bug() -> None:
        failed.append(True)
        leave.set()

    driver.connect(_performers(zygotes, planner, server, leave), after_turn, on_bug)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, driver.feed, StopAsked(drain=False))
    driver.feed(EnvironmentWanted(environment=EnvironmentId(python)))
    gc.collect()
    gc.freeze()  # what stands now stands for good: no later collection need look at it
    _tell_ready(ready_fd)
    log.info("listening on %s", location.socket)
    try:
        await leave.wait()
    finally:
        server.flush()
        driver.close()
        watch.close()
        planner.close()
        location.socket.unlink(missing_ok=True)
        server.close()
        zygotes.close()
        poller.close()
        shutil.rmtree(scratch, ignore_errors=True)
        log.info("left")
    if failed:
        raise BugError("the daemon ended itself after an error of its own; the log says which")


def _performers(zygotes: Zygotes, planner: Planner, server: Server, leave: asyncio.Event) -> Performers:
    return {
        effects.Answer: server.answer,
        effects.OpenRun: server.outbox.open,
        effects.Publish: server.outbox.publish,
        effects.CloseRun: server.outbox.close,
        effects.ReadGraph: planner.read,
        effects.BuildPlan: planner.build,
        effects.StartZygote: zygotes.start,
        effects.ForkWorkers: zygotes.fork,
        effects.SendCall: zygotes.send_call,
        effects.SendInspection: zygotes.send_inspection,
        effects.InterruptWorker: zygotes.interrupt,
        effects.KillWorker: zygotes.kill,
        effects.Release: _release,
        effects.Leave: lambda _: leave.set(),
    }


def _release(effect: effects.Release) -> None:
    for payload in effect.payloads:
        payload.close()


def _run_prefix() -> str:
    """Run ids are unique over the lives of daemons: they begin with the second this one started at, in base 36."""
    number, digits = int(time.time()), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def _raise_descriptor_limit() -> None:
    """Each worker costs the daemon four descriptors, each large value one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _fresh_scratch(location: Location) -> Path:
    """An empty folder for the nodes' working directories; what a killed daemon left there is removed."""
    scratch = location.socket.with_name(location.socket.name + ".scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    return scratch


def _tell_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with contextlib.suppress(OSError):
            os.write(ready_fd, b"1")
        os.close(ready_fd)
