"""What the sandbox is made of. What is missing matters where nodes are exposed because of it: where a higher tier does
the same, it only informs.
"""

from pyflowd.doctor.facts import Bubblewrap, ControlGroups, Kernel
from pyflowd.doctor.judging import remedies
from pyflowd.doctor.judging.remedies import of_family
from pyflowd.doctor.judging.shapes import fine, unknown
from pyflowd.worker_side.landlock import VERSION_WITH_SCOPES, VERSION_WITH_TCP
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

AREA = "kernel"
UNTRIED = "could not be tried; the daemon's log may say why"
FILTERED = ("x86_64", "aarch64")
GROUP_CONTROLLERS = ("memory", "pids")
BASICS = {
    "no_new_privs": "A node can become root by a program with the set-uid bit that has a hole.",
    "pidfd": "The daemon cannot tell a node's process from another that got its number.",
    "memfd": "Large values cannot be handed from node to node.",
}
WITHOUT_BUBBLEWRAP = (
    "Nodes see the names of your files, and your processes; without Landlock nothing keeps them from reading and"
    " writing what you can."
)
USER_NAMESPACES_OFF = {"user.max_user_namespaces": 15000, "kernel.unprivileged_userns_clone": 1}
APPARMOR_SWITCH = "kernel.apparmor_restrict_unprivileged_userns"


def judge_kernel(kernel: Kernel, wrapper: Bubblewrap, family: str, *, is_exposed: bool) -> list[Observation]:
    """All features. is_exposed: nodes are without a view of their own."""
    return [
        _bubblewrap(wrapper, kernel, family, is_exposed=is_exposed),
        _user_namespaces(kernel, wrapper, is_exposed=is_exposed),
        _landlock(kernel, family, is_exposed=is_exposed),
        _seccomp(kernel),
        *(_basic(name, kernel, family) for name in BASICS),
    ]


def judge_control_groups(groups: ControlGroups, family: str) -> Observation:
    """They would let the kernel bound a node as a whole; limits are kept without them, less exactly."""
    has_all = set(GROUP_CONTROLLERS) <= set(groups.controllers)
    if groups.is_mounted and groups.is_ours and has_all:
        detail = f"version 2, the daemon's own, with {', '.join(groups.controllers)}"
        return Observation(area=AREA, name="control groups", state=Health.OK, detail=detail)
    if not groups.is_mounted:
        detail, remedy = "version 2 is not mounted at /sys/fs/cgroup", of_family(remedies.ONE_HIERARCHY, family)
    elif not groups.is_ours:
        detail, remedy = "version 2 is there, but the daemon may make no groups of its own", remedies.DELEGATION
    else:
        lacking = ", ".join(sorted(set(GROUP_CONTROLLERS) - set(groups.controllers)))
        detail, remedy = f"version 2 is there, without {lacking}", remedies.DELEGATION
    return Observation(
        area=AREA,
        name="control groups",
        state=Health.MISSING,
        detail=detail,
        exposes=(
            "Memory is looked at ten times a second instead of being bounded by the kernel: a node can exceed its limit"
            " for a moment, and what it keeps in memfds without mapping them is not counted."
        ),
        remedy=remedy,
    )


def _bubblewrap(wrapper: Bubblewrap, kernel: Kernel, family: str, *, is_exposed: bool) -> Observation:
    shown = f"{wrapper.program}, version {wrapper.version or 'unknown'}"
    exposes, matters = WITHOUT_BUBBLEWRAP, is_exposed
    if wrapper.program is None:
        shown = "not installed (no bwrap on the daemon's PATH, in /usr/bin or in /bin)"
        remedy = f"{of_family(remedies.INSTALL, family, package='bubblewrap')}\n{remedies.RESTART}"
    elif wrapper.problem:
        shown += f", cannot make a sandbox: {wrapper.problem}"
        remedy = _enabling_namespaces(kernel, wrapper)
    elif wrapper.has_setuid:
        shown += ", works by its set-uid bit"
        exposes, matters = "Nodes of one environment see each other: it cannot let each have a view of its own.", False
        remedy = (
            "Where users may make namespaces it needs no such bit:\n"
            f"$ sudo chmod u-s {wrapper.program}\n{remedies.RESTART}"
        )
    else:
        return fine(AREA, "bubblewrap", shown)
    return Observation(
        area=AREA,
        name="bubblewrap",
        state=Health.ATTENTION if wrapper.program else Health.MISSING,
        detail=shown,
        exposes=exposes,
        remedy=remedy,
        matters=matters,
    )


def _user_namespaces(kernel: Kernel, wrapper: Bubblewrap, *, is_exposed: bool) -> Observation:
    name = "user namespaces"
    problem = kernel.trials.get(name)
    if problem is None:
        return unknown(AREA, name, UNTRIED)
    if not problem:
        return fine(AREA, name, "can be made")
    if wrapper.program and not wrapper.problem and not wrapper.has_setuid:
        return fine(AREA, name, "can be made by bubblewrap, which is enough")
    causes = [f"{switch} is {kernel.switches[switch]}" for switch in _closed(kernel)]
    return Observation(
        area=AREA,
        name=name,
        state=Health.MISSING,
        detail=f"cannot be made: {', '.join(causes) or problem}",
        exposes="Bubblewrap cannot work without them. " + WITHOUT_BUBBLEWRAP,
        remedy=_enabling_namespaces(kernel, wrapper),
        matters=is_exposed,
    )


def _closed(kernel: Kernel) -> list[str]:
    closed = [name for name in USER_NAMESPACES_OFF if kernel.switches.get(name) == 0]
    return [*closed, *([APPARMOR_SWITCH] if kernel.switches.get(APPARMOR_SWITCH) else [])]


def _enabling_namespaces(kernel: Kernel, wrapper: Bubblewrap) -> str:
    steps = [remedies.switch(name, USER_NAMESPACES_OFF[name]) for name in _closed(kernel) if name != APPARMOR_SWITCH]
    if kernel.switches.get(APPARMOR_SWITCH):
        steps.append(
            "Let AppArmor permit them to bubblewrap:\n"
            + remedies.PROFILE.format(program=wrapper.program or "/usr/bin/bwrap")
        )
    if not steps:
        steps.append(
            "In a container: start it with rights to make user namespaces (Docker: --security-opt seccomp=unconfined"
            " --security-opt apparmor=unconfined). Else: a kernel with CONFIG_USER_NS."
        )
    return "\n".join([*steps, remedies.RESTART])


def _landlock(kernel: Kernel, family: str, *, is_exposed: bool) -> Observation:
    problem, version = kernel.trials.get("Landlock"), kernel.landlock
    if problem is None:
        return unknown(AREA, "Landlock", UNTRIED)
    if version >= VERSION_WITH_SCOPES and not problem:
        return fine(AREA, "Landlock", f"version {version}: files, TCP, signals, abstract sockets")
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
        area=AREA,
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
        return unknown(AREA, "seccomp", UNTRIED)
    if not problem:
        return fine(AREA, "seccomp", f"filters for {kernel.machine} hold")
    is_known = kernel.machine in FILTERED
    return Observation(
        area=AREA,
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
        return unknown(AREA, name, UNTRIED)
    if not problem:
        return fine(AREA, name, "works")
    return Observation(
        area=AREA,
        name=name,
        state=Health.MISSING,
        detail=f"does not work: {problem}",
        exposes=BASICS[name],
        remedy=f"Linux 5.4 or newer:\n{of_family(remedies.NEWER_KERNEL, family)}",
        matters=True,
    )
