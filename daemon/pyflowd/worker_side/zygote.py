"""The zygote: a warm interpreter that forks workers on the daemon's word.

    daemon -> zygote   start scratch, terms, targets   once
                       preload [module]                once, when it has seen how it is confined
                       fork [id], rehearse             + link, stdout, stderr of each worker
    zygote -> daemon   confined {lacks, successes}     + its own pidfd, once, before it runs code of any package
                       preloading {module}             before each import; with no name, once all are done
                       spoilt {module, reason}         instead of all that follows: it leaves
                       warm {...}                      once
                       forked {workers: [[id, pid]]}   + a pidfd of each worker
                       fork_failed {workers, message}
                       exited {workers: [[id, pid, wait status, cpu_s, max_rss_kb]]}

One thread, one loop over two descriptors: the control socket and a signalfd for deaths. Only this process forks. No
signal handler is installed, only signals are blocked, so a worker has none to undo. When the daemon's end closes,
however it died, every worker goes too. Refuses to run node code, and to compute: it imports and forks.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import os
import select
import signal
import sys
import types
from _socket import AF_UNIX, SOCK_SEQPACKET, socket

from . import BIND_NOW, child, frames, limits, link, linux, node_call, orders, packages, preloading, proving, rehearsal
from .confinement import Confinement
from .learning import ONLOOKER
from .reaper import Reaper
from .scratch import OwnFolder, ScratchFolders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .frames import Header
    from .namespaces import Namespaces
    from .proving import Targets
    from .reaper import Exit

PATIENCE_S = 5.0
SPOILT, HOMELESS = 4, 5  # exit statuses
EXITS_PER_FRAME = 1000
# After so many calls the interpreter has specialised its bytecode and filled its caches: writes, and so copied pages,
# that no worker has to make any more.
REHEARSALS = 64


class Zygote:
    """The fork server behind one control socket."""

    def __init__(self, control: socket, scratch: str, confinement: Confinement) -> None:
        self._control = control
        self._confinement = confinement
        self._namespaces = confinement.namespaces
        self._folders = OwnFolder(self._namespaces.scratch) if self._namespaces else ScratchFolders(scratch)
        self._reaper = Reaper(self._report_exits, self._folders)
        self._pid = 0 if self._namespaces else os.getpid()
        self.count_descriptors()

    def count_descriptors(self) -> None:
        """Find the highest one that workers will have to close."""
        self._highest_descriptor = max(int(name) for name in os.listdir("/proc/self/fd"))

    def serve(self) -> None:
        """Fork and reap until the daemon closes its end."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._reaper, select.POLLIN)
        control = self._control.fileno()
        try:
            while True:
                ready = [descriptor for descriptor, _ in poll.poll(self._reaper.timeout_ms())]
                if control in ready:
                    self._fork_batch(*orders.receive_fork(self._control))
                if self._reaper.fileno() in ready:
                    self._reaper.notice()
                self._reaper.turn()
        except (frames.ClosedError, ConnectionError):
            pass
        finally:
            self._control.close()
            self._reaper.kill_all(PATIENCE_S)
            self._folders.close()

    def prove(self, targets: Targets) -> list[str] | None:
        """The attacks that workers succeed with; None when none could be tried.

        The daemon has not asked for these workers: their numbers are below 0, and their ends are not reported.
        """

        def fork(streams: list[tuple[int, int, int]]) -> list[tuple[int, str]]:
            pids, taken, _ = self._fork(
                list(range(-len(streams), 0)), False, [one for triple in streams for one in triple]
            )
            return [(pid, folder) for pid, (folder, _) in zip(pids, taken)]

        try:
            return proving.prove(fork, targets)
        finally:
            self._reaper.kill_all(PATIENCE_S)

    def preload(self, names: list[str]) -> Header:
        """Import modules of packages; what the daemon is told of it. Does not return when one has spoilt us."""
        if not self._confinement.is_bound:
            return {"preloaded": [], "not_preloaded": [[name, preloading.UNBOUND] for name in names], "undone": []}
        linux.die_with_parent(whether=True)  # an import that never ends does not see that the daemon has
        self._leave_if_alone()
        try:
            imported, refused, undone = preloading.preload(names, self._tell_module)
        except preloading.SpoiltError as error:
            frames.send(self._control, {"kind": "spoilt", "module": error.module, "reason": error.reason})
            self._reaper.kill_all(PATIENCE_S)
            os._exit(SPOILT)
        if self._namespaces is None:
            linux.die_with_parent(whether=False)  # from here on we see it, and end what is ours
        if names:
            self._tell_module("")
        return {"preloaded": imported, "not_preloaded": refused, "undone": undone}

    def _leave_if_alone(self) -> None:
        poll = select.poll()
        poll.register(self._control, 0)
        if poll.poll(0):
            os._exit(0)

    def _tell_module(self, name: str) -> None:
        frames.send(self._control, {"kind": "preloading", "module": name})

    def _fork_batch(self, workers: list[int], rehearse: bool, descriptors: list[int]) -> None:
        if not self._folders.is_there:
            sys.stderr.write("its folder for scratch folders was removed\n")
            self._control.close()  # first: the workers are lost with us, and were not killed by somebody
            self._reaper.kill_all(PATIENCE_S)
            os._exit(HOMELESS)
        pids, _, failure = self._fork(workers, rehearse, descriptors)
        forked = [list(pair) for pair in zip(workers, pids)]
        self.say({"kind": "forked", "workers": forked}, [linux.open_pidfd(pid) for pid in pids])
        if failure is not None:
            lost = workers[len(pids) :]
            frames.send(self._control, {"kind": "fork_failed", "workers": lost, "message": failure})

    def _fork(
        self, workers: list[int], rehearse: bool, descriptors: list[int]
    ) -> tuple[list[int], list[tuple[str, bool]], str | None]:
        """The process ids of those that could be forked, the folders of all, and why others could not."""
        highest = max(self._highest_descriptor, *descriptors)
        triples = zip(descriptors[::3], descriptors[1::3], descriptors[2::3])
        taken = [self._folders.take(worker) for worker in workers]
        births = [
            (triple, highest, os.fsencode(folder), is_there, self._pid, self._confinement)
            for triple, (folder, is_there) in zip(triples, taken)
        ]
        pids, guards, failure = _fork_all(births, rehearse, self._namespaces)
        for descriptor in descriptors:
            os.close(descriptor)
        for pid, guard, worker, (folder, _) in zip(pids, guards, workers, taken):
            self._reaper.add(pid, worker, folder, guard)
        for folder, _ in taken[len(pids) :]:
            self._folders.give_back(folder)
        return pids, taken, failure

    def say(self, header: Header, pidfds: list[int]) -> None:
        """Send a frame with descriptors, which are closed."""
        packet, _, _ = frames.pack(header)
        try:
            frames.send_packet(self._control, packet, pidfds)
        finally:
            for pidfd in pidfds:
                os.close(pidfd)

    def _report_exits(self, exits: list[Exit]) -> None:
        if self._control.fileno() < 0:
            return
        known = [exit_ for exit_ in exits if exit_[0] >= 0]
        for start in range(0, len(known), EXITS_PER_FRAME):
            part = known[start : start + EXITS_PER_FRAME]
            frames.send(self._control, {"kind": "exited", "workers": part})


def _fork_all(
    births: list[child.Birth], rehearse: bool, namespaces: Namespaces | None
) -> tuple[list[int], list[int], str | None]:
    """The process ids of those that were born, the first processes of their namespaces, why the rest was not born.

    After a fork the kernel copies every page that this process writes to: between two forks, nothing else is done.
    """
    pids: list[int] = []
    guards: list[int] = []
    fork = os.fork
    try:
        for birth in births:
            if namespaces is not None:
                guards.append(namespaces.open())
            pid = fork()
            if pid == 0:
                child.live(birth, rehearse)
            pids.append(pid)
            if namespaces is not None:
                namespaces.close()
    except OSError as error:
        if namespaces is not None:
            namespaces.close()
            for guard in guards[len(pids) :]:
                os.kill(guard, signal.SIGKILL)
        return pids, guards, str(error)
    return pids, guards or [0] * len(pids), None


def main(control_descriptor: int) -> None:
    """Warm up, tell the daemon, serve; never returns."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the daemon decides when to end
    _heed_signals()
    os.environ.pop(BIND_NOW, None)
    control = socket(
        AF_UNIX, SOCK_SEQPACKET, 0, os.dup(control_descriptor)
    )  # it may have the number of a place of ours
    os.close(control_descriptor)
    linux.adopt_orphans()
    limits.refuse_core_dumps()
    scratch, terms, targets = orders.receive_start(control)
    confinement = Confinement(terms)
    lacks = confinement.enter()
    if confinement.namespaces is not None:
        os.environ["TMPDIR"] = confinement.namespaces.scratch
    _open_streams()
    link.keep_place()
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [""]
    zygote = Zygote(control, scratch, confinement)
    with contextlib.suppress(ConnectionError, frames.ClosedError):
        successes = zygote.prove(targets) if targets is not None else None
        confined = {"kind": "confined", "lacks": lacks, "successes": successes}
        zygote.say(confined, [linux.open_pidfd(os.getpid())])
        _add_packages()
        preloaded = zygote.preload(orders.receive_preload(control))
        _settle()
        zygote.count_descriptors()
        zygote.say(dict(_warm(), **preloaded), [])
        zygote.serve()
    os._exit(0)


def _add_packages() -> None:
    """What an interpreter does when it starts, unless it was told (-S) not to read files of packages so soon."""
    if sys.flags.no_site:
        import site

        site.main()
    packages.look()


def _settle() -> None:
    """Do all that workers would otherwise do for themselves, then touch no more of what they share."""
    child.renew_modules()  # now is the time to fail
    gc.collect()
    for _ in range(REHEARSALS):
        rehearsal.rehearse()
    node_call.forget_children()
    ONLOOKER.listen()
    gc.freeze()  # a collection in a worker must not touch, and so copy, the pages they all share
    gc.disable()


def _heed_signals() -> None:
    """A shell ignores signals for what it puts in the background; nodes would inherit that, and heed no cancel."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _warm() -> Header:
    return {
        "kind": "warm",
        "version": "%d.%d.%d" % sys.version_info[:3],
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "magic": importlib.util.MAGIC_NUMBER.hex(),
        "threads": len(os.listdir("/proc/self/task")),
        "compiled": os.path.exists(importlib.util.cache_from_source(child.__file__)),
    }


def _open_streams() -> None:
    """Standard output and error as every worker will use them: the descriptors are put in place after the fork."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)
        raw.name = "<%s>" % name
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
