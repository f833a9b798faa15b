"""A worker, from the fork to its end.

First it becomes a process of its own: session, death with the zygote, orphans, scratch folder, confinement,
descriptors. Then it
carries out orders until the daemon closes its link, or until one says that it is the last. Refuses to return into the
zygote: every way out is `os._exit`. Of its names, too, as many as can be are bound before the fork (see `node_call`).
"""

from __future__ import annotations

import os
import sys
from _signal import SIG_SETMASK, pthread_sigmask  # type: ignore[import-not-found]
from fcntl import ioctl
from gc import enable as enable_gc
from os import _exit, chdir, closerange, dup2, getppid, putenv, setsid

from . import CANNOT_BEGIN, failures
from .answers import send_inspected
from .learning import ONLOOKER
from .link import LINK
from .linux import belong_to_parent
from .node_call import INTERRUPT, perform
from .node_module import FILENAME
from .orders import CALL, DEBUG, MORE, PROBE, PROGRAM, WAIT, receive
from .rehearsal import rehearse_as_spare
from .scratch import MODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple

    from .confinement import Confinement
    from .orders import Order

    Birth = Tuple[Tuple[int, int, int], int, bytes, bool, int, Confinement]

LOST_ZYGOTE = 0xB8
AUTHKEY_BYTES = 32
FIONREAD = 0x541B  # `termios` has it too, and five mappings for each fork to copy
_NOTHING = bytes(4)
_modules = sys.modules
_variables = os.environ._data  # type: ignore[attr-defined]  # what `os.environ` and `os.environb` are views of


def live(birth: Birth, is_spare: bool) -> None:
    """The whole life of a worker; never returns.

    `birth` is what it needs from the zygote: the descriptors of its link, stdout and stderr, the highest one open,
    its scratch folder, whether that exists, the zygote's process id (0: it cannot be seen from here), and what it must
    give up. A spare gets ready for a call, if there is none yet.
    """
    status = CANNOT_BEGIN
    try:
        if is_spare and ioctl(birth[0][0], FIONREAD, _NOTHING) == _NOTHING:
            rehearse_as_spare()
        _become_worker(*birth)
        status = 1
        _serve()
        status = 0
    except BaseException as error:
        failures.print_exception(error)
    finally:
        _exit(status)


def _become_worker(
    streams: tuple[int, int, int],
    highest_descriptor: int,
    scratch: bytes,
    has_scratch: bool,
    zygote_pid: int,
    confinement: Confinement,
) -> None:
    setsid()
    belong_to_parent()
    if getppid() != zygote_pid:
        _exit(LOST_ZYGOTE)  # it died before the kernel knew that we want to die with it
    link, stdout, stderr = streams
    dup2(stdout, 1)
    dup2(stderr, 2)
    dup2(link, LINK, False)
    if confinement.namespaces is not None:
        confinement.namespaces.enter()
    try:
        if not has_scratch:
            os.mkdir(scratch, MODE)
        chdir(scratch)
    except FileNotFoundError:  # somebody cleaned up where temporary files lie
        os.makedirs(scratch, MODE)
        chdir(scratch)
    if confinement.workdir is not None:
        chdir(confinement.workdir)
    confinement.bind(scratch)
    closerange(3, LINK)
    closerange(LINK + 1, highest_descriptor + 1)
    if confinement.namespaces is None:  # else it is the same for all
        putenv(b"TMPDIR", scratch)
        _variables[b"TMPDIR"] = scratch
    renew_modules()
    pthread_sigmask(SIG_SETMASK, INTERRUPT)
    enable_gc()


def renew_modules() -> None:
    """What the zygote has imported must not be the same in all its children. `random` sees to itself.

    torch begins with the same numbers in every process; what keeps asking for its process id sees that it has changed.
    """
    tempfile: Any = _modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # found before TMPDIR was ours
    random = _modules.get("numpy.random")
    if random is not None:
        random.seed()
    process = _modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().authkey = os.urandom(AUTHKEY_BYTES)


def _serve() -> None:
    while True:
        order = receive(LINK)
        if order is None:
            return  # at once: no one waits for what the node may have left to do
        if order[0] == CALL and order[2] != MORE:
            perform(order)
        elif order[0] == CALL or order[0] == PROGRAM:
            from .resident import stay  # now: most workers never need it

            order = stay(order)
            if order is None:
                return
        else:
            _attend(order)
        if order[2] == WAIT:
            receive(LINK)  # its end costs more than many a call: that waits until it is in nobody's way
        if order[2]:
            return


def _attend(order: Order) -> None:
    """What is asked seldom."""
    if order[0] == PROBE:
        from . import link, probes

        link.send({"kind": "probed", "successes": probes.successes(order[3])})
    elif order[0] == DEBUG:
        from . import debugging

        debugging.perform(order)
    else:
        _inspect(order)
    ONLOOKER.seen.clear()  # what we have imported ourselves


def _inspect(order: Order) -> None:
    from . import inspection  # with `ast`: a hundred pages that each fork would have to copy the table of

    _, call, _, sources = order
    inspected = [inspection.inspect_source(source, FILENAME % title) for title, source in sources]
    send_inspected(call, [interface for interface, _ in inspected], [code or b"" for _, code in inspected])
