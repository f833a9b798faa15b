"""Whether the daemon has what it lives on."""

from pyflowd.doctor.facts import Descriptors, Environment, Folder, Interpreter, Memory
from pyflowd.doctor.judging import remedies
from pyflowd.doctor.judging.sandbox import title
from pyflowd.doctor.judging.shapes import fine, unknown
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

OLDEST_PYTHON, NEWEST_PYTHON = (3, 8), (3, 14)
SCARCE_BYTES = 1_000_000_000
SCARCE_PART = 0.05
SCARCE_MEMORY_BYTES = 500_000_000
GB = 1_000_000_000
OTHER_PYTHON = (
    f"Name a CPython from 3.8 to 3.14, or a virtual environment, as python in {remedies.SETTINGS}, then:\n"
    f"{remedies.RESTART}"
)


def judge_interpreter(interpreter: Interpreter) -> Observation:
    """The default one."""
    shown = f"{interpreter.path}, {_named(interpreter)}"
    exposes, matters = "No node can run unless --python names another interpreter.", True
    if interpreter.problem:
        shown = f"{interpreter.path} cannot be used: {interpreter.problem}"
    elif interpreter.implementation != "cpython":
        shown += ", is not CPython"
    elif interpreter.version[:2] < OLDEST_PYTHON:
        shown += ", is too old"
    elif interpreter.version[:2] > NEWEST_PYTHON:
        shown += ", is newer than what was tested"
        exposes, matters = "Nodes may fail in ways that nobody has seen.", False
    else:
        return fine("environments", "default interpreter", shown)
    return Observation(
        area="environments",
        name="default interpreter",
        state=Health.ATTENTION,
        detail=shown,
        exposes=exposes,
        remedy=OTHER_PYTHON,
        matters=matters,
    )


def _named(interpreter: Interpreter) -> str:
    name = {"cpython": "CPython"}.get(interpreter.implementation, interpreter.implementation)
    return f"{name} {'.'.join(map(str, interpreter.version))}"


def judge_environment(environment: Environment) -> Observation:
    """Whether its fork server is ready."""
    name = title(environment)
    if environment.reason:
        return Observation(
            area="environments",
            name=name,
            state=Health.ATTENTION,
            detail=f"cannot be used: {environment.reason}",
            exposes="Its nodes do not run.",
            remedy="Put right what is named there, or choose another with --python; the daemon tries again by itself"
            f" a few times, later only after:\n{remedies.RESTART}",
            matters=environment.is_default,
        )
    if environment.is_warm:
        version = f"Python {environment.version}, " if environment.version else ""
        return fine("environments", name, f"{version}warm")
    return unknown("environments", name, "not started yet")


def judge_folder(folder: Folder) -> Observation:
    """Whether there is space for what comes."""
    name = f"{folder.purpose} {folder.path}"
    free, full = folder.free_bytes / GB, folder.all_bytes / GB
    detail = f"{free:.1f} of {full:.1f} GB free"
    has_few_files = bool(folder.all_files) and folder.free_files < folder.all_files * SCARCE_PART
    if has_few_files:
        detail += f", and {folder.free_files:,} of {folder.all_files:,} files"
    if folder.free_bytes >= min(SCARCE_BYTES, folder.all_bytes * SCARCE_PART) and not has_few_files:
        return fine("disk", name, detail)
    return Observation(
        area="disk",
        name=name,
        state=Health.ATTENTION,
        detail=detail,
        exposes="Nodes that write files, or the daemon itself, may fail soon for want of space.",
        remedy=f"Make room there:\n$ du -xh --max-depth=1 {folder.path} | sort -h",
        matters=True,
    )


def judge_memory(memory: Memory) -> Observation:
    """Whether nodes have memory to work with."""
    detail = f"{memory.available / GB:.1f} of {memory.all / GB:.1f} GB"
    if memory.available >= SCARCE_MEMORY_BYTES:
        return fine("memory", "available", detail)
    return Observation(
        area="memory",
        name="available",
        state=Health.ATTENTION,
        detail=detail,
        exposes="The kernel may end nodes, or anything else, when it runs out.",
        remedy="End what you do not need, or give nodes less by memory_bytes in [limits] of"
        f" {remedies.SETTINGS}:\n"
        "$ ps -eo pid,rss,comm --sort=-rss | head",
        matters=True,
    )


def judge_descriptors(descriptors: Descriptors) -> Observation:
    """Whether the daemon may open what its workers need."""
    detail = f"{descriptors.most:,} may be open, about {descriptors.needed:,} are needed"
    if descriptors.most >= descriptors.needed:
        return fine("limits", "descriptors", detail)
    return Observation(
        area="limits",
        name="descriptors",
        state=Health.ATTENTION,
        detail=detail,
        exposes="Nodes fail to start when many run at once.",
        remedy="Let the daemon have more: a higher hard limit (ulimit -Hn, or LimitNOFILE= in its systemd unit), or"
        " lower `running` and `spares` in the settings.",
        matters=True,
    )
