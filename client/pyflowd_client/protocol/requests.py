"""What a client may ask. Every request gets exactly one reply, except `ack`, which gets none."""

from typing import ClassVar, get_args

from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.message import Message, field
from pyflowd_client.protocol.options import (
    NO_CHOICE,
    NO_DEBUGGING,
    NO_PERMISSIONS,
    WHOLE_GRAPH,
    Debugging,
    EnvironmentChoice,
    LiveOptions,
    Permissions,
    RunOptions,
    Selection,
)
from pyflowd_client.protocol.states import ChangeKind, LiveAction


class Hello(Message):
    """First message of a connection: the protocol versions the client speaks, and who it is."""

    NAME: ClassVar[str] = "hello"
    oldest_protocol: int
    protocol: int
    client: str


class SubmitRun(Message):
    """Execute a graph and follow its events.

    document: the graph's text (FlowSpec Markdown or JSON); name: its file name, a hint for the format.
    python: absolute path of an interpreter or a virtual environment, or which versions will do ("3.11", ">=3.10");
    None leaves that to the graph, and then to the daemon.
    inputs: "NODE.PIN" (an id or an unambiguous title) -> the value as JSON text, opaque to the daemon.
    workdir: absolute path of the folder that nodes start in, which they may read; None means their scratch folder.
    selection: which nodes run. What they get from others is the last values that are remembered of the graph.
    origin: which graph that is, such as the absolute path of its file; None means the one with this very document.
    """

    NAME: ClassVar[str] = "submit_run"
    document: str
    name: str | None = None
    python: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    options: RunOptions = RunOptions()
    permissions: Permissions = NO_PERMISSIONS
    workdir: str | None = None
    environment: EnvironmentChoice = NO_CHOICE
    selection: Selection = WHOLE_GRAPH
    origin: str | None = None
    debugging: Debugging = NO_DEBUGGING


class OpenLive(Message):
    """Open a live session: what changes is executed again, with what is below it. Told as a run that stays open.

    graph: as for a run; what cannot run of a graph with errors waits until a change mends it.
    """

    NAME: ClassVar[str] = "open_live"
    graph: SubmitRun
    live: LiveOptions = LiveOptions()


class UpdateLive(Message):
    """Change a live session. `action` says what, and which fields count; of a node the id or a title of its own.

    set_input: give `pin` of `node` the `value`, JSON text; without one take back what was given.
    update_graph: `document` (and `name`) replace the graph. trigger: execute `node` and what is below it.
    every: trigger `node` each `every_s` seconds; without a number, never again.
    pause, resume: begin nothing, until further notice. reset: forget all values, and begin anew.
    run_all: execute everything.
    change: how the events that follow from it shall call it; without one it is given a number.
    kind: what it was for whoever made it, such as "user_input"; a word of `ChangeKind`.
    """

    NAME: ClassVar[str] = "update_live"
    run: RunId
    action: LiveAction
    change: str | None = None
    kind: ChangeKind | None = None
    node: str | None = None
    pin: str | None = None
    value: str | None = None
    document: str | None = None
    name: str | None = None
    every_s: float | None = None


class FollowLive(Message):
    """Follow a live session from now on; the reply has what there is by now."""

    NAME: ClassVar[str] = "follow_live"
    run: RunId


class CloseLive(Message):
    """End a live session, and what runs in it."""

    NAME: ClassVar[str] = "close_live"
    run: RunId


class CheckGraph(Message):
    """Read and plan a graph without executing it. Fields as in `SubmitRun`."""

    NAME: ClassVar[str] = "check_graph"
    document: str
    name: str | None = None
    python: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    environment: EnvironmentChoice = NO_CHOICE


class ConvertGraph(Message):
    """Write a graph in another format: `to` is "md" or "json"."""

    NAME: ClassVar[str] = "convert_graph"
    document: str
    to: str
    name: str | None = None


class FollowRun(Message):
    """Send the events of a run from sequence number `from_seq` on (the first event has 1)."""

    NAME: ClassVar[str] = "follow_run"
    run: RunId
    from_seq: int = 1


class CancelRun(Message):
    """End a run: running nodes are interrupted, then killed."""

    NAME: ClassVar[str] = "cancel_run"
    run: RunId


class WriteTerminal(Message):
    """Type into the terminal of the debugger that is open in a node: keys as a terminal sends them, Ctrl-C is \\x03.

    Only for the client that has submitted the run.
    """

    NAME: ClassVar[str] = "write_terminal"
    run: RunId
    node: NodeId
    text: str


class ResizeTerminal(Message):
    """Say how large that terminal is, characters."""

    NAME: ClassVar[str] = "resize_terminal"
    run: RunId
    node: NodeId
    columns: int
    rows: int


class GetStatus(Message):
    """Ask how the daemon is."""

    NAME: ClassVar[str] = "get_status"


class Examine(Message):
    """Ask how well nodes are kept from what is not theirs, and whether the rest is in order."""

    NAME: ClassVar[str] = "examine"


class StopDaemon(Message):
    """End the daemon: at once (runs are cancelled), or when the present runs are over (`drain`)."""

    NAME: ClassVar[str] = "stop_daemon"
    drain: bool = False


class Goodbye(Message):
    """End the session. Runs go on."""

    NAME: ClassVar[str] = "goodbye"


class Ack(Message):
    """All events of `run` up to `seq` have arrived: the daemon may send more. Gets no reply."""

    NAME: ClassVar[str] = "ack"
    run: RunId
    seq: int


class DetectEnvironments(Message):
    """Ask which interpreters and environments there are on this machine.

    search_path: PATH of who asks. virtual_env: VIRTUAL_ENV of who asks. folders: where else to look for `.venv` and
    `venvs/`, such as the folder of a graph. Paths are absolute.
    """

    NAME: ClassVar[str] = "detect_environments"
    search_path: str = ""
    virtual_env: str | None = None
    folders: tuple[str, ...] = ()


class ListEnvironments(Message):
    """Ask which environments the daemon keeps."""

    NAME: ClassVar[str] = "list_environments"


class ShowEnvironment(Message):
    """Ask for all that is known of one. `environment`: a name, the beginning of an id, or an absolute path."""

    NAME: ClassVar[str] = "show_environment"
    environment: str


class ChangeEnvironment(Message):
    """Create a named environment, or install into one, or uninstall from it. Told as a run: its events follow.

    action: "create", "install" or "uninstall". requirements: what to install, PEP 508 with absolute paths; for
    "uninstall" names of packages. python: as in `SubmitRun`, for "create". allow_builds: as in `EnvironmentChoice`.
    """

    NAME: ClassVar[str] = "change_environment"
    action: str
    name: str
    requirements: tuple[str, ...] = ()
    python: str | None = None
    allow_builds: bool = False


class RemoveEnvironment(Message):
    """Delete an environment that the daemon keeps: by name or by the beginning of its id."""

    NAME: ClassVar[str] = "remove_environment"
    environment: str


class WarmEnvironment(Message):
    """Start an environment's fork server and keep it; answered when it is warm. Named as in `ShowEnvironment`."""

    NAME: ClassVar[str] = "warm_environment"
    environment: str


class CoolEnvironment(Message):
    """End an environment's fork servers as soon as nothing runs in them. Named as in `ShowEnvironment`."""

    NAME: ClassVar[str] = "cool_environment"
    environment: str


class VerifyEnvironment(Message):
    """Ask what an environment lacks for a graph, and which of its packages do not fit together.

    environment: as in `ShowEnvironment`. document, name: the graph's; None means only the environment itself.
    """

    NAME: ClassVar[str] = "verify_environment"
    environment: str
    document: str | None = None
    name: str | None = None


class LockEnvironment(Message):
    """Ask for the exact versions, with hashes, that requirements are resolved to: a requirements file.

    Of an environment (named as in `ShowEnvironment`), or of the graph in `document`, or of `requirements`.
    """

    NAME: ClassVar[str] = "lock_environment"
    environment: str | None = None
    document: str | None = None
    name: str | None = None
    requirements: tuple[str, ...] = ()
    python: str | None = None


class ExportEnvironment(Message):
    """Ask for what is installed, as `format` "requirements", "json" or "dependencies" (of a graph)."""

    NAME: ClassVar[str] = "export_environment"
    environment: str
    format: str = "requirements"


class PruneEnvironments(Message):
    """Delete environments that were built for graphs and are not in use: the longest unused first.

    unused_s: those that nobody has used for so long. disk_bytes: as many more as it takes for all to need no more than
    that. dry_run: only say which. None for both means the daemon's settings.
    """

    NAME: ClassVar[str] = "prune_environments"
    unused_s: float | None = None
    disk_bytes: int | None = None
    dry_run: bool = False


Request = (
    Hello
    | SubmitRun
    | CheckGraph
    | ConvertGraph
    | FollowRun
    | CancelRun
    | WriteTerminal
    | ResizeTerminal
    | OpenLive
    | UpdateLive
    | FollowLive
    | CloseLive
    | GetStatus
    | Examine
    | DetectEnvironments
    | ListEnvironments
    | ShowEnvironment
    | ChangeEnvironment
    | RemoveEnvironment
    | WarmEnvironment
    | CoolEnvironment
    | VerifyEnvironment
    | LockEnvironment
    | ExportEnvironment
    | PruneEnvironments
    | StopDaemon
    | Goodbye
    | Ack
)
REQUESTS: dict[str, type[Request]] = {kind.NAME: kind for kind in get_args(Request)}
