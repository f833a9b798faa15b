"""The composition root: builds the parts, connects them, and takes them down in order. Decides nothing.

A cold command waits for this, so the first zygote is started as soon as there is a core to ask for it. It warms up
while the rest is imported, which is the larger half: libzmq, networkx, psutil.
"""

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
from typing import TYPE_CHECKING, Any

from pyflowd.core import effects
from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.stimuli import EnvironmentWanted, StopAsked
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.environments.interpreter import default_interpreter, find_interpreter
from pyflowd.environments.learnt_file import LearntFile
from pyflowd.environments.store import EnvironmentStore
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.sandbox.cgroups import take_over
from pyflowd.sandbox.memory import TierMemory
from pyflowd.sandbox.sandboxes import Sandboxes
from pyflowd.settings import Settings
from pyflowd.shell import event_loop
from pyflowd.shell.driver import Driver
from pyflowd.shell.lock import InstanceLock
from pyflowd.shell.poller import Poller
from pyflowd.shell.zygotes import Zygotes
from pyflowd_client.location import Location

if TYPE_CHECKING:
    from pyflowd.examiner import Examiner
    from pyflowd.shell.environment_answers import EnvironmentAnswers
    from pyflowd.shell.environments import Environments
    from pyflowd.shell.jobs import Jobs
    from pyflowd.shell.planner import Planner
    from pyflowd.shell.results import Results
    from pyflowd.shell.server import Server
    from pyflowd_client.protocol.replies import Examined


class BugError(RuntimeError):
    """An exception that only a bug of ours can raise ended the daemon."""


Performers = Mapping[type[effects.Effect], Callable[[Any], None]]

log = logging.getLogger(__name__)


def serve(settings: Settings, location: Location, *, leaves_when_idle: bool, ready_fd: int | None) -> None:
    """Be the daemon until told to stop. AlreadyRunningError when there is one."""
    os.umask(0o077)
    location.prepare()
    lock = InstanceLock(location.lock, location.address)
    try:
        location.clear_socket()
        _raise_descriptor_limit()
        event_loop.run(_serve(settings, location, leaves_when_idle=leaves_when_idle, ready_fd=ready_fd))
    finally:
        lock.close()


async def _serve(settings: Settings, location: Location, *, leaves_when_idle: bool, ready_fd: int | None) -> None:
    with contextlib.ExitStack() as parts:
        daemon = _Daemon(settings, location, parts, leaves_when_idle=leaves_when_idle)
        daemon.warm()
        daemon.listen()
        gc.freeze()  # what stands now stands for good: no later collection need look at it, nor one now
        gc.set_threshold(20_000, 10, 10)
        gc.enable()
        _tell_ready(ready_fd)
        log.info("listening on %s", location.socket)
        await daemon.leave.wait()
    if daemon.has_failed:
        raise BugError("the daemon ended itself after an error of its own; the log says which")


class _Daemon:
    """The parts, in the order in which they come to be. `parts` takes them down in the opposite one."""

    def __init__(
        self, settings: Settings, location: Location, parts: contextlib.ExitStack, *, leaves_when_idle: bool
    ) -> None:
        self.leave = asyncio.Event()
        self.has_failed = False
        self._examiner: Examiner | None = None
        self._results: Results | None = None
        self._settings = settings
        self._location = location
        self._parts = parts
        self._loop = event_loop.running_loop()
        self._python = find_interpreter(settings.python) if settings.python else default_interpreter()
        folder = settings.environments.folder
        self._store = EnvironmentStore(Path(folder) if folder else location.environments, self._python)
        self._wall_offset_s = time.time() - time.monotonic()
        policy = settings.policy(leaves_when_idle=leaves_when_idle)
        self._learnt = LearntFile(location.learnt)
        self._driver = Driver(self._loop)
        self._controller = ExecutionController(
            policy, self._driver.take, _run_prefix(), self._wall_offset_s, self._learnt.read()
        )
        self._driver.attend(self._controller)
        parts.callback(log.info, "left")
        self._groups = take_over()
        scratch = _fresh_scratch(location)
        parts.callback(shutil.rmtree, scratch, ignore_errors=True)
        self._poller = poller = Poller(self._loop, self._driver)
        parts.callback(poller.shut)
        self._memory = TierMemory(location.tiers)
        sandboxes = Sandboxes(
            settings.sandbox, settings.limits, scratch, (*_hidden(location), str(scratch)), self._memory
        )
        self._fingerprints = Fingerprints()
        self._zygotes = Zygotes(sandboxes, self._fingerprints, poller, self._loop, self._driver.feed)
        parts.callback(self._zygotes.close)

    def warm(self) -> None:
        """Start the default environment's zygote. Whatever follows from it waits for the loop, and so for `listen`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._driver.feed, StopAsked(drain=False))
        performers: Performers = {effects.StartZygote: self._zygotes.start, effects.KeepLearnt: self._learnt.keep}
        self._driver.connect(performers, {}, lambda: None, self._end_after_bug)
        self._driver.feed(EnvironmentWanted(environment=EnvironmentId(self._first_python())))

    def _first_python(self) -> str:
        """The interpreter of nodes for which nobody says otherwise, as far as it is there."""
        name = self._settings.environments.name
        named = self._store.find(EnvironmentSpec(name=name)) if name else None
        return self._python if named is None else str(named)

    def listen(self) -> None:
        """Import the rest, build it and connect it."""
        from pyflowd.shell.environment_answers import EnvironmentAnswers
        from pyflowd.shell.planner import Planner
        from pyflowd.shell.wards import Wards
        from pyflowd.shell.warmth import Warmth
        from pyflowd.shell.watch import Watch

        planner = Planner(lambda spec: self._store.find(spec) is not None, self._loop, self._driver.feed)
        self._parts.callback(planner.close)
        environments, jobs = self._new_environments()
        warmth = Warmth(self._controller, environments, self._zygotes.pid_of, self._loop, self._driver.feed)
        self._parts.callback(warmth.close)
        answers = EnvironmentAnswers(
            environments,
            self._settings.environments,
            jobs,
            self._controller.pool,
            self._controller.learnt,
            warmth.measure,
        )
        server = self._new_server(planner, answers)
        wards = Wards(self._groups)
        self._zygotes.has_run_out_of_memory = wards.has_run_out_of_memory
        watch = Watch(self._controller, self._zygotes.pid_of, self._loop, self._driver.feed, wards)
        self._parts.callback(watch.close)

        def send_now(_: effects.Flush) -> None:
            self._driver.tell()
            server.send()
            os.sched_yield()  # libzmq's thread may wait for this processor

        def after_turn() -> None:
            server.end_turn()
            watch.arm()
            warmth.arm()

        performers = _performers(self._zygotes, planner, environments)
        performers[effects.KeepLearnt] = self._learnt.keep
        performers[effects.Flush] = send_now
        performers[effects.LookUpResult] = self._look_up
        performers[effects.KeepResult] = self._keep
        tellers = _tellers(server, self.leave)
        self._driver.connect(performers, tellers, after_turn, self._end_after_bug)
        self._parts.callback(self._driver.close)
        self._parts.callback(server.flush)
        environments.clean()
        for stimulus in environments.wanted(self._settings.environments.warm):
            self._driver.feed(stimulus)

    def _new_environments(self) -> "tuple[Environments, Jobs]":
        from pyflowd.shell.environments import Environments
        from pyflowd.shell.jobs import Jobs

        settings = self._settings.environments
        common = {"root": str(self._store.root), "manager": settings.manager, "default_python": self._python}
        jobs = Jobs(common, self._loop)
        self._parts.callback(jobs.close)
        default = EnvironmentSpec(name=settings.name)
        return Environments(self._store, jobs, self._fingerprints, default, self._python, self._driver.feed), jobs

    def _new_server(self, planner: "Planner", environments: "EnvironmentAnswers") -> "Server":
        from pyflowd.shell.reports import Reports
        from pyflowd.shell.server import Server
        from pyflowd.status import StatusReport

        address = str(self._location.socket)
        status = StatusReport(self._controller, self._zygotes.pid_of, address, self._wall_offset_s)
        server = Server(
            socket_path=address,
            poller=self._poller,
            driver=self._driver,
            planner=planner,
            reports=Reports(status, self._examine),
            environments=environments,
        )
        self._parts.callback(server.close)
        self._parts.callback(self._location.clear_socket)
        return server

    def _examine(self, done: "Callable[[Examined], None]") -> None:
        """Few ask for it, so who answers is made for the first who does."""
        if self._examiner is None:
            from pyflowd.doctor.examination import Examination
            from pyflowd.examiner import Examiner

            settings, pool = self._settings, self._controller.pool
            examination = Examination(self._python, settings.sandbox, pool.limits, self._location, self._groups)
            self._examiner = Examiner(examination, pool, self._memory, self._loop, self._wall_offset_s)
            self._parts.callback(self._examiner.close)
        self._examiner(done)

    def _look_up(self, effect: effects.LookUpResult) -> None:
        """Few runs keep results, so who does it is made for the first that does."""
        if self._results is None:
            from pyflowd.shell.interpreter import zygote_variables
            from pyflowd.shell.result_store import ResultStore
            from pyflowd.shell.results import Results

            store = ResultStore(self._location.results, self._settings.cache.size_bytes)
            variables = zygote_variables(os.environ)
            self._results = Results(store, self._fingerprints, variables, self._loop, self._driver.feed)
            self._parts.callback(self._results.close)
        self._results.look_up(effect)

    def _keep(self, effect: effects.KeepResult) -> None:
        assert self._results is not None
        self._results.keep(effect)

    def _end_after_bug(self) -> None:
        self.has_failed = True
        self.leave.set()


def _performers(
    zygotes: Zygotes, planner: "Planner", environments: "Environments"
) -> dict[type[effects.Effect], Callable[[Any], None]]:
    return {
        effects.ProvideEnvironment: environments.provide,
        effects.ChangeEnvironment: environments.change,
        effects.AbandonEnvironment: environments.abandon,
        effects.ReadGraph: planner.read,
        effects.BuildPlan: planner.build,
        effects.StartZygote: zygotes.start,
        effects.EndZygote: zygotes.end,
        effects.ForkWorkers: zygotes.fork,
        effects.SendCall: zygotes.send_call,
        effects.SendProgram: zygotes.send_program,
        effects.DismissWorker: zygotes.dismiss,
        effects.SendInspection: zygotes.send_inspection,
        effects.InterruptWorker: zygotes.interrupt,
        effects.KillWorker: zygotes.kill,
        effects.AnswerHalt: zygotes.answer_halt,
        effects.WriteTerminal: zygotes.write_terminal,
        effects.ResizeTerminal: zygotes.resize_terminal,
        effects.CloseTerminal: zygotes.close_terminal,
    }


def _tellers(server: "Server", leave: asyncio.Event) -> Performers:
    return {
        effects.Answer: server.answer,
        effects.OpenRun: server.outbox.open,
        effects.Join: server.join,
        effects.Publish: server.outbox.publish,
        effects.CloseRun: server.outbox.close,
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


def _hidden(location: Location) -> tuple[str, ...]:
    """What no node may see, though it may see what lies around."""
    return str(location.socket), str(location.lock), str(location.state)


def _tell_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with contextlib.suppress(OSError):
            os.write(ready_fd, b"1")
        os.close(ready_fd)
