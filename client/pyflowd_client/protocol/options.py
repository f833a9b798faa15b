"""What requests carry beside a graph: how it is executed, which part of it, where, and what its nodes may do."""

from pyflowd_client.protocol.message import Message, field
from pyflowd_client.protocol.states import DebuggerKind

DEFAULT_MAX_VALUE_BYTES = 1_000_000


class RunOptions(Message):
    """How a run is carried out.

    timeout_s: wall time that each node may take, seconds. run_timeout_s: that the whole run may take.
    cpu_s: CPU time that each process of a node may use, whole seconds.
    memory_bytes: memory that each node may use. output_bytes: what is told of its output before only its end is kept.
    open_files: descriptors that each process of a node may have. file_bytes: how long a file may become.
    processes: processes and threads that each node may have at once.
    scratch_bytes, scratch_files: what each node may keep in its scratch folder.
    For all of these None means the daemon's default.
    max_value_bytes: values larger than this appear in events as `{"$value": ...}`; None means never.
    cache: whether results of nodes are kept, and taken in place of executing them again; None leaves that to the nodes
    and the daemon's settings. explain: tell for each node why it is executed or not.
    isolation: "fresh" (each node has a process of its own), "resident" (the same: each runs but once) or "shared" (one
    process for all nodes, values by reference). A live session has an option of its own for that.
    """

    seed: int | None = None
    partial: bool = False
    timeout_s: float | None = None
    run_timeout_s: float | None = None
    cpu_s: int | None = None
    memory_bytes: int | None = None
    output_bytes: int | None = None
    open_files: int | None = None
    file_bytes: int | None = None
    processes: int | None = None
    scratch_bytes: int | None = None
    scratch_files: int | None = None
    max_value_bytes: int | None = DEFAULT_MAX_VALUE_BYTES
    cache: bool | None = None
    explain: bool = False
    isolation: str = "fresh"


LIMITS: dict[str, type[int] | type[float]] = {
    "timeout_s": float,
    "run_timeout_s": float,
    "cpu_s": int,
    "memory_bytes": int,
    "output_bytes": int,
    "open_files": int,
    "file_bytes": int,
    "processes": int,
    "scratch_bytes": int,
    "scratch_files": int,
}


class Permissions(Message):
    """What nodes may do beyond what every node may: nothing, unless it is said here. A graph never grants itself any.

    net: use the network, and the sockets of other programs. read, write: files and folders with all below them, by
    absolute path; what may be written may be read. env: variables that nodes see, with their values.
    all: everything that the user may.
    """

    net: bool = False
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    all: bool = False


NO_PERMISSIONS = Permissions()


class EnvironmentChoice(Message):
    """What nodes run in, beyond what the graph says itself.

    name: a named environment. requirements: what it shall have besides what the graph requires, PEP 508, with absolute
    paths. allow_builds: packages may be built from source, which runs their code as the user, in no sandbox.
    """

    name: str | None = None
    requirements: tuple[str, ...] = ()
    allow_builds: bool = False


NO_CHOICE = EnvironmentChoice()


class Selection(Message):
    """The part of a graph that is executed: what any of these says; the whole graph when none does.

    targets: these nodes and all they need. below: these nodes and all that depends on them. only: just these nodes.
    A node is named by its id, or by its title if no other node has it.
    """

    targets: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


WHOLE_GRAPH = Selection()


class Debugging(Message):
    """Which debugger shall open in nodes, one node after the other, as long as the client is connected.

    port: where debugpy waits, on 127.0.0.1. terminal: what the client's terminal is called (its TERM), for pdb.
    """

    debugger: DebuggerKind | None = None
    port: int = 5678
    terminal: str = "xterm"


NO_DEBUGGING = Debugging()


class LiveOptions(Message):
    """How a live session behaves.

    isolation: "fresh" (a process for each execution of a node), "resident" (each node keeps its own process from one
    execution to the next) or "shared" (one process for all nodes, values by reference).
    is_paused: nothing is executed before it is resumed.
    linger_s: so long it stays when nobody follows it any more, seconds.
    """

    isolation: str = "resident"
    is_paused: bool = False
    linger_s: float = 60.0
