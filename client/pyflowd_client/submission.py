"""What a run is asked for with: a graph's text, inputs and options, as one request.

It reads the graph's file as text and nothing more: what the text means is the daemon's business.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from pyflowd_client.errors import GraphFileError, RequestUnsendable
from pyflowd_client.protocol.json_text import writer
from pyflowd_client.protocol.limits import MAX_DOCUMENT_BYTES, MAX_REQUEST_BYTES
from pyflowd_client.protocol.options import (
    NO_CHOICE,
    NO_DEBUGGING,
    WHOLE_GRAPH,
    Debugging,
    EnvironmentChoice,
    LiveOptions,
    Permissions,
    RunOptions,
    Selection,
)
from pyflowd_client.protocol.requests import CheckGraph, OpenLive, SubmitRun

_pieces = writer(item_separator=", ", key_separator=": ", ensure_ascii=True, allow_nan=True)


class RunArguments(TypedDict, total=False):
    """How a run is carried out; all may be left out.

    inputs: "NODE.PIN" -> a value that json can write; NODE is a node's id or its title, if no other node has it.
    python: path of an interpreter or of a virtual environment, or which versions will do ("3.11", ">=3.10"); None
    leaves that to the graph, and then to the daemon.
    environment: the name of an environment that was created before; it goes with neither `python` nor `requirements`.
    requirements: what nodes need besides what the graph requires, such as ("numpy>=2", "./geometry").
    allow_builds: packages may be built from source, which runs their code as you, in no sandbox.
    seed: makes random numbers the same in every run.
    timeout_s: seconds that each node may take. run_timeout_s: seconds that the whole run may take.
    cpu_s: whole seconds of CPU time that each process of a node may use. memory_bytes: memory that each node may use.
    output_bytes: what is told of a node's output before only its end is kept.
    open_files: descriptors that each process of a node may have. file_bytes: how long a file may become.
    processes: processes and threads that each node may have at once.
    scratch_bytes, scratch_files: what each node may keep in its scratch folder.
    permissions: what nodes may do beyond what every node may; its paths, like `workdir`, may be relative to the
    program's own working directory. workdir: the folder that nodes start in, which they may read; None means their
    scratch folder.
    partial: run what can be run of a graph with errors.
    isolation: "fresh" (each node has a process of its own) or "shared" (one process for all nodes, values by reference;
    not for a part of a graph).
    targets: run these nodes and all they need. start_from: run these and all that depends on them. only: just these.
    What any of them says is run, and the other nodes give what they gave last. A node is named as in `inputs`.
    origin: which graph it is of whose nodes the last values are remembered; the default is the absolute path of its
    file, and for a text without a file the text itself.
    max_value_bytes: larger values arrive as `{"$value": {"type", "size_bytes", "preview"}}`; None means never.
    cache: results of nodes are kept, and taken where nothing that they depend on has changed (True), or not (False);
    None leaves that to the nodes and the daemon's settings. explain: tell why each node is executed or not.
    debugging: which debugger opens in nodes: the program types into pdb with `write_terminal`.
    """

    inputs: Mapping[str, Any]
    python: str | os.PathLike[str] | None
    environment: str | None
    requirements: Sequence[str]
    allow_builds: bool
    seed: int | None
    timeout_s: float | None
    run_timeout_s: float | None
    cpu_s: int | None
    memory_bytes: int | None
    output_bytes: int | None
    open_files: int | None
    file_bytes: int | None
    processes: int | None
    scratch_bytes: int | None
    scratch_files: int | None
    permissions: Permissions | None
    workdir: str | os.PathLike[str] | None
    partial: bool
    isolation: str
    targets: Sequence[str]
    start_from: Sequence[str]
    only: Sequence[str]
    origin: str | None
    max_value_bytes: int | None
    cache: bool | None
    explain: bool
    debugging: Debugging | None


class LiveArguments(RunArguments, total=False):
    """How a live session is opened: as a run is carried out, and beyond that; all may be left out.

    isolation: "fresh" (a process for each execution of a node), "resident" (the default: each node keeps its own
    process from one execution to the next) or "shared" (one process for all nodes).
    paused: nothing is executed before it is resumed.
    linger_s: so long the session stays when nobody follows it any more, seconds.
    """

    paused: bool
    linger_s: float


def read_graph(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The text of a graph file and its name; GraphFileError says why it cannot be had."""
    shown = os.fsdecode(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise GraphFileError(f"cannot read {shown}: {error.strerror}.") from None
    name = os.path.basename(shown).encode(errors="replace").decode()  # a name need not be UTF-8
    return decode_graph(data, shown), name


def read_document(path: str) -> tuple[str, str | None]:
    """As `read_graph`, where `-` is standard input, which has no name."""
    if path != "-":
        return read_graph(path)
    return decode_graph(_read_standard_input(), "standard input"), None


def _read_standard_input() -> bytes:
    if sys.stdin is None:
        raise GraphFileError("cannot read standard input: it is closed.")
    try:
        return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise GraphFileError(f"cannot read standard input: {error.strerror}.") from None


def decode_graph(data: bytes, shown: str) -> str:
    """The text of a graph that was read from `shown`."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise GraphFileError(f"{shown} is larger than {MAX_DOCUMENT_BYTES // 1024**2} MiB, too large for a graph.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start} cannot be read"
        raise GraphFileError(f"{shown} is not a text in UTF-8 ({place}). Save it as UTF-8.") from None


def submission(document: str, name: str | None, arguments: RunArguments) -> SubmitRun:
    """The request that executes `document`."""
    options = {field: arguments[field] for field in RunOptions.FIELDS if field in arguments}  # type: ignore[literal-required]
    return SubmitRun(
        document=document,
        name=name,
        python=interpreter_choice(arguments),
        inputs=encode_inputs(arguments.get("inputs") or {}),
        options=RunOptions(**options),
        permissions=with_absolute_paths(arguments.get("permissions") or Permissions()),
        workdir=None if (workdir := arguments.get("workdir")) is None else absolute_path(workdir),
        environment=environment_choice(arguments),
        selection=selected_part(arguments),
        origin=arguments.get("origin"),
        debugging=arguments.get("debugging") or NO_DEBUGGING,
    )


def opening(document: str, name: str | None, arguments: LiveArguments) -> OpenLive:
    """The request that opens a live session of `document`. ValueError when only a part of it is asked for."""
    graph = submission(document, name, arguments)
    if graph.selection != WHOLE_GRAPH:
        raise ValueError("a live session is of the whole graph; what changes in it runs, and what is below that")
    live = LiveOptions(
        isolation=arguments.get("isolation", "resident"),
        is_paused=arguments.get("paused", False),
        linger_s=float(arguments.get("linger_s", 60.0)),
    )
    return OpenLive(graph=graph, live=live)


def check(document: str, name: str | None, arguments: RunArguments) -> CheckGraph:
    """The request that reads and plans `document` without executing it."""
    return CheckGraph(
        document=document,
        name=name,
        python=interpreter_choice(arguments),
        inputs=encode_inputs(arguments.get("inputs") or {}),
        environment=environment_choice(arguments),
    )


def selected_part(arguments: RunArguments) -> Selection:
    """Which nodes shall run. TypeError for a single text, whose letters would be names."""
    targets, below, only = arguments.get("targets"), arguments.get("start_from"), arguments.get("only")
    if not targets and not below and not only:
        return WHOLE_GRAPH
    for nodes in (targets, below, only):
        if isinstance(nodes, str):
            raise TypeError(f"{nodes!r} is one node, where several may be selected; give a tuple of nodes")
    return Selection(targets=tuple(targets or ()), below=tuple(below or ()), only=tuple(only or ()))


def origin_of(path: str | os.PathLike[str]) -> str:
    """What the graph in a file is known by, over its changes; a path need not be UTF-8."""
    return os.path.abspath(os.fsdecode(path)).encode(errors="backslashreplace").decode()


def interpreter_choice(arguments: RunArguments) -> str | None:
    """Which versions will do, or an absolute path."""
    if arguments.get("python") is None:
        return None
    from pyflowd_client.requirements import interpreter  # reading takes patterns, which most runs do without

    return interpreter(arguments["python"])


def environment_choice(arguments: RunArguments) -> EnvironmentChoice:
    """What the nodes shall run in, beyond what the graph says itself. ValueError for an empty name."""
    name = arguments.get("environment")
    if name == "":
        raise ValueError("environment: an empty text names no environment")
    requirements, allow_builds = arguments.get("requirements") or (), arguments.get("allow_builds", False)
    if name is None and not requirements and not allow_builds:
        return NO_CHOICE
    from pyflowd_client.requirements import absolute_requirements

    return EnvironmentChoice(name=name, requirements=absolute_requirements(requirements), allow_builds=allow_builds)


def with_absolute_paths(permissions: Permissions) -> Permissions:
    """The same permissions as the daemon takes them, which has another working directory."""
    if not permissions.read and not permissions.write:
        return permissions
    return Permissions(
        net=permissions.net,
        read=_absolute_paths(permissions.read),
        write=_absolute_paths(permissions.write),
        env=permissions.env,
        all=permissions.all,
    )


def _absolute_paths(paths: Iterable[str]) -> tuple[str, ...]:
    if isinstance(paths, str):  # its characters would be granted, the root folder among them
        raise TypeError(f"permissions: {paths!r} is one path; give a tuple of paths")
    return tuple(map(absolute_path, paths))


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Absolute, and without "..", which only means something before links are left out. An empty one stays so."""
    named = os.fspath(path)
    if not named:
        return named
    path = os.path.expanduser(named)
    return os.path.realpath(path) if ".." in path.split("/") else os.path.abspath(path)


def encode_inputs(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Each value as JSON text; the errors of `encode_value`."""
    return {pin: encode_value(pin, value) for pin, value in inputs.items()}


def encode_value(pin: str, value: Any) -> str:
    """A value as JSON text. TypeError or ValueError when it cannot be written, RequestUnsendable when it is too large.

    All name the input that it is for.
    """
    try:
        text = "".join(_pieces(value, 0))
    except RecursionError:
        raise ValueError(f"input {pin}: it contains itself, or is nested too deeply") from None
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"input {pin}: {error}") from None
    if len(text) > MAX_REQUEST_BYTES:
        raise RequestUnsendable(
            f"input {pin}: the value has {len(text)} bytes, of {MAX_REQUEST_BYTES} that a request may have."
            " Let the node read it from a file."
        )
    return text
