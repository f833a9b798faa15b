"""What only the command can see, and then what the daemon says: the socket, whether nodes run, the clock."""

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator

from pyflowd_client import __version__
from pyflowd_client.cli import checkup_verdicts as verdicts
from pyflowd_client.cli.checkup_verdicts import Place
from pyflowd_client.errors import LocationRefused, PyflowdError, Refused
from pyflowd_client.location import Location, locate
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.replies import Observation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client

NODE = "@node_entry\ndef answer() -> int:\n    return 42\n"
GRAPH = json.dumps({"nodes": [{"uuid": "doctor", "title": "Doctor", "code": NODE}], "connections": []})
PATIENCE_S = 60.0
LOCKS = "/proc/locks"


def check_up(socket: str | None, *, start: bool) -> Iterator[Observation]:
    """All findings, in the order in which they come to be known."""
    began_at = time.monotonic()
    try:
        location = locate(socket)
    except LocationRefused as refusal:
        yield verdicts.refused_location(str(refusal))
        return
    yield verdicts.socket(_look(location))
    try:
        with _session(socket, start=start) as client:
            yield verdicts.daemon(client.welcome.version, client.welcome.pid, __version__)
            yield _run_a_node(client, str(location.log))
            yield from _ask(client)
    except PyflowdError as error:
        yield verdicts.no_daemon(str(error), str(location.log), may_start=start)
    yield verdicts.clock(time.time(), time.monotonic() - began_at)
    yield verdicts.folder(_look(location), os.getuid())


def _session(socket: str | None, *, start: bool) -> "Client":
    from pyflowd_client.blocking import connect

    return connect(socket, autostart=start)


def _look(location: Location) -> Place:
    """The socket, its folder and who holds its lock, as they are now."""
    from pyflowd_client.autostart import is_listening

    folder = os.path.dirname(location.address)
    owner = mode = None
    with contextlib.suppress(OSError):
        found = os.stat(folder)
        owner, mode = found.st_uid, stat.S_IMODE(found.st_mode)
    is_there = os.path.lexists(location.address)
    problem, listens = "", False
    try:
        if is_there and not stat.S_ISSOCK(os.lstat(location.address).st_mode):
            problem = "what lies there is not a socket"
        else:
            listens = is_listening(location.address)
    except (OSError, PyflowdError) as error:
        problem = str(error)
    return Place(
        address=location.address,
        folder=folder,
        owner=owner,
        mode=mode,
        is_there=is_there,
        listens=listens,
        problem=problem,
        holder=_holder(str(location.lock)),
    )


def _holder(lock: str) -> int | None:
    """The process that holds a lock, without trying to take it: a daemon that starts just now must not fail for it."""
    with contextlib.suppress(OSError):
        found = os.stat(lock)
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        with open(LOCKS, encoding="ascii") as file:
            for line in file:
                words = line.split()
                if "FLOCK" in words and place in words:
                    return int(words[words.index(place) - 1])
    return None


def _run_a_node(client: "Client", log: str) -> Observation:
    """Through all that a run goes through; it also makes the daemon start what it is to examine."""
    began_at = time.monotonic()
    try:
        try:
            run = client.run_document(GRAPH, name="doctor.json", run_timeout_s=PATIENCE_S)
        except Refused as refusal:
            if refusal.code is not ErrorCode.NOT_PERMITTED:
                raise
            run = client.run_document(GRAPH, name="doctor.json")  # the settings cap it lower
        outputs = run.result()
    except PyflowdError as error:
        return verdicts.node_failed(str(error), log)
    return verdicts.node_ran(outputs["doctor"]["output_1"] == 42, time.monotonic() - began_at, log)


def _ask(client: "Client") -> Iterator[Observation]:
    try:
        examined = client.examine()
    except Refused as refusal:
        yield verdicts.unexamined(str(refusal), is_older=refusal.code is ErrorCode.BAD_MESSAGE)
        return
    yield from examined.findings
    yield verdicts.times(examined.time, time.time())
