"""What gives nodes a view of their own: bubblewrap, and the user namespaces that it needs."""

from pyflowd.doctor.facts import Bubblewrap, Kernel
from pyflowd.doctor.judging import remedies
from pyflowd.doctor.judging.remedies import of_family
from pyflowd.doctor.judging.shapes import KERNEL, UNTRIED, fine, unknown
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

WITHOUT_BUBBLEWRAP = (
    "Without it nodes see the names of your files, and your processes; where Landlock lacks too, they can read and"
    " write what you can."
)
USER_NAMESPACES = "user namespaces"
OPEN = {"user.max_user_namespaces": 15000, "kernel.unprivileged_userns_clone": 1}
APPARMOR_SWITCH = "kernel.apparmor_restrict_unprivileged_userns"


def judge_bubblewrap(wrapper: Bubblewrap, kernel: Kernel, family: str, *, is_exposed: bool) -> Observation:
    """Whether it is there, and works."""
    shown = f"{wrapper.program}, version {wrapper.version or 'unknown'}"
    exposes, matters = WITHOUT_BUBBLEWRAP, is_exposed
    if wrapper.program is None:
        shown = "not installed (no bwrap on the daemon's PATH, in /usr/bin or in /bin)"
        remedy = f"{of_family(remedies.INSTALL, family, package='bubblewrap')}\n{remedies.RESTART}"
    elif wrapper.problem:
        shown += f", cannot make a sandbox: {wrapper.problem}"
        remedy = (
            "It needs user namespaces: see there." if kernel.trials.get(USER_NAMESPACES) else _opened(kernel, wrapper)
        )
    elif wrapper.has_setuid:
        shown += ", works by its set-uid bit"
        exposes, matters = "Nodes of one environment see each other: it cannot let each have a view of its own.", False
        remedy = (
            "Where users may make namespaces it needs no such bit:\n"
            f"$ sudo chmod u-s {wrapper.program}\n{remedies.RESTART}"
        )
    else:
        return fine(KERNEL, "bubblewrap", shown)
    return Observation(
        area=KERNEL,
        name="bubblewrap",
        state=Health.ATTENTION if wrapper.program else Health.MISSING,
        detail=shown,
        exposes=exposes,
        remedy=remedy,
        matters=matters,
    )


def judge_user_namespaces(kernel: Kernel, wrapper: Bubblewrap, *, is_exposed: bool) -> Observation:
    """Whether they can be made, if only by bubblewrap."""
    name = USER_NAMESPACES
    problem = kernel.trials.get(name)
    if problem is None:
        return unknown(KERNEL, name, UNTRIED)
    if not problem:
        return fine(KERNEL, name, "can be made")
    if wrapper.program and not wrapper.problem and not wrapper.has_setuid:
        return fine(KERNEL, name, "can be made by bubblewrap, which is enough")
    causes = [f"{switch} is {kernel.switches[switch]}" for switch in _closed(kernel)]
    return Observation(
        area=KERNEL,
        name=name,
        state=Health.MISSING,
        detail=f"cannot be made: {', '.join(causes) or problem}",
        exposes=f"Bubblewrap cannot do its work. {WITHOUT_BUBBLEWRAP}",
        remedy=_opened(kernel, wrapper),
        matters=is_exposed,
    )


def _closed(kernel: Kernel) -> list[str]:
    closed = [name for name in OPEN if kernel.switches.get(name) == 0]
    return [*closed, *([APPARMOR_SWITCH] if kernel.switches.get(APPARMOR_SWITCH) else [])]


def _opened(kernel: Kernel, wrapper: Bubblewrap) -> str:
    steps = [remedies.switch(name, OPEN[name]) for name in _closed(kernel) if name != APPARMOR_SWITCH]
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
