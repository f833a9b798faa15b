"""What the sandbox is made of. What is missing matters where nodes are exposed because of it: where a higher tier does
the same, it only informs.
"""

from pyflowd.doctor.facts import Bubblewrap, ControlGroups, Kernel
from pyflowd.doctor.judging import remedies
from pyflowd.doctor.judging.remedies import of_family
from pyflowd.doctor.judging.shapes import KERNEL, UNTRIED, fine, unknown
from pyflowd.doctor.judging.wrapping import judge_bubblewrap, judge_user_namespaces
from pyflowd.worker_side.landlock import VERSION_WITH_SCOPES, VERSION_WITH_TCP
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

FILTERED = ("x86_64", "aarch64")
UNIFIED = "systemd.unified_cgroup_hierarchy=1"
GROUP_CONTROLLERS = ("memory", "pids")
BASICS = {
    "no_new_privs": "A node can become root by a program with the set-uid bit that has a hole.",
    "pidfd": "The daemon cannot tell a node's process from another that got its number.",
    "memfd": "Large values cannot be handed from node to node.",
}


def judge_kernel(kernel: Kernel, wrapper: Bubblewrap, family: str, *, is_exposed: bool) -> list[Observation]:
    """All features. is_exposed: nodes are without a view of their own."""
    return [
        judge_bubblewrap(wrapper, kernel, family, is_exposed=is_exposed),
        judge_user_namespaces(kernel, wrapper, is_exposed=is_exposed),
        _landlock(kernel, family, is_exposed=is_exposed),
        _seccomp(kernel),
        *(_basic(name, kernel, family) for name in BASICS),
    ]


def judge_control_groups(groups: ControlGroups, family: str) -> Observation:
    """They would let the kernel bound a node as a whole; limits are kept without them, less exactly."""
    has_all = set(GROUP_CONTROLLERS) <= set(groups.controllers)
    if groups.is_mounted and groups.is_ours and has_all:
        detail = f"version 2, the daemon's own, with {', '.join(groups.controllers)}"
        return fine(KERNEL, "control groups", detail)
    if not groups.is_mounted:
        detail = "version 2 is not mounted"
        remedy = of_family(remedies.COMMAND_LINE, family, option=UNIFIED)
    elif not groups.is_ours:
        detail, remedy = "version 2 is there, but the daemon may make no groups of its own", remedies.DELEGATION
    else:
        lacking = ", ".join(sorted(set(GROUP_CONTROLLERS) - set(groups.controllers)))
        detail, remedy = f"version 2 is there, without {lacking}", remedies.DELEGATION
    return Observation(
        area=KERNEL,
        name="control groups",
        state=Health.MISSING,
        detail=detail,
        exposes=(
            "What a node with several processes uses is looked at ten times a second, where the kernel could bound it:"
            " it can exceed its limits for a moment."
        ),
        remedy=remedy,
    )


def _landlock(kernel: Kernel, family: str, *, is_exposed: bool) -> Observation:
    problem, version = kernel.trials.get("Landlock"), kernel.landlock
    if problem is None:
        return unknown(KERNEL, "Landlock", UNTRIED)
    if version >= VERSION_WITH_SCOPES and not problem:
        return fine(KERNEL, "Landlock", f"version {version}: files, TCP, signals, abstract sockets")
    detail = f"version {version}; {VERSION_WITH_SCOPES} is the first that is whole (Linux 6.12)"
    remedy = f"Linux 6.12 or newer:\n{of_family(remedies.NEWER_KERNEL, family)}"
    if problem:
        detail = f"not there: {problem}" if not version else f"version {version}, but {problem}"
    if not version:
        option = f"lsm=landlock,{kernel.modules or remedies.MODULES}"
        remedy = "From Linux 6.12 on it is whole; there, switch it on.\n" + of_family(
            remedies.COMMAND_LINE, family, option=option
        )
    return Observation(
        area=KERNEL,
        name="Landlock",
        state=Health.ATTENTION if version else Health.MISSING,
        detail=detail,
        exposes=f"Only bubblewrap and seccomp keep nodes from {_unbound(version)}; without bubblewrap nothing does.",
        remedy=remedy,
        matters=is_exposed,
    )


def _unbound(version: int) -> str:
    """What Landlock of a version does not keep nodes from."""
    if not version:
        return "files, TCP, signals to others and abstract sockets"
    return ("" if version >= VERSION_WITH_TCP else "TCP, ") + "signals to others and abstract sockets"


def _seccomp(kernel: Kernel) -> Observation:
    problem = kernel.trials.get("seccomp")
    if problem is None:
        return unknown(KERNEL, "seccomp", UNTRIED)
    if not problem:
        return fine(KERNEL, "seccomp", f"filters for {kernel.machine} hold")
    is_known = kernel.machine in FILTERED
    return Observation(
        area=KERNEL,
        name="seccomp",
        state=Health.ATTENTION if is_known else Health.MISSING,
        detail=f"filters cannot be used: {problem}" if is_known else f"there are no filters for {kernel.machine}",
        exposes="Nodes can trace other processes of their user, and reach parts of the kernel that attackers like.",
        remedy="A kernel with CONFIG_SECCOMP_FILTER, in a container that does not forbid it."
        if is_known
        else f"A machine with one of: {', '.join(FILTERED)}.",
        matters=True,
    )


def _basic(name: str, kernel: Kernel, family: str) -> Observation:
    problem = kernel.trials.get(name)
    if problem is None:
        return unknown(KERNEL, name, UNTRIED)
    if not problem:
        return fine(KERNEL, name, "works")
    return Observation(
        area=KERNEL,
        name=name,
        state=Health.MISSING,
        detail=f"does not work: {problem}",
        exposes=BASICS[name],
        remedy=f"Linux 5.4 or newer:\n{of_family(remedies.NEWER_KERNEL, family)}",
        matters=True,
    )
