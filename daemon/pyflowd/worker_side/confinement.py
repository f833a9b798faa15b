"""What no node may do, whatever it is permitted.

Set once by the zygote, before it imports anything of the environment's; everything that it forks inherits it, and
nothing can take it back.

    no new privileges   a program with the set-uid bit gives none
    no capabilities     root is a user like others, who happens to own many files
    Landlock            no signals to processes that are not the zygote's, and none of their memory by /proc
    seccomp             no calls that reach into other processes, or into the kernel's depths

A layer that the machine does not have is reported, never passed over in silence.
"""

from __future__ import annotations

import ctypes
import os
import struct

from .linux import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List

FILTERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "filters")
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 22, 24, 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES_MOST = 64
INSTRUCTION_BYTES = 8
SYS_LANDLOCK_CREATE_RULESET, SYS_LANDLOCK_RESTRICT_SELF = 444, 446  # the same numbers on every architecture
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_SCOPE_SIGNAL, VERSION_WITH_SCOPES = 2, 6

_libc = ctypes.CDLL(None, use_errno=True)


def confine() -> List[str]:
    """Give up what no node needs; says what this machine would not let us give up."""
    refusals = [
        ("refusal of new privileges", _refusal(_refuse_new_privileges)),
        ("loss of capabilities", _refusal(_drop_capabilities)),
        ("bound on signals", _refusal(_keep_signals_inside)),
        ("filter of system calls", _refusal(_filter_system_calls)),
    ]
    return ["%s (%s)" % (layer, reason) for layer, reason in refusals if reason]


def _refusal(give_up: Callable[[], None]) -> str:
    try:
        give_up()
    except OSError as error:
        return str(error)
    return ""


def _refuse_new_privileges() -> None:
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _drop_capabilities() -> None:
    for number in range(CAPABILITIES_MOST):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), *[ctypes.c_ulong(0)] * 3):
            break  # there are no more, or we have none to begin with
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(24)
    check(_libc.capset(header, nothing))


def _keep_signals_inside() -> None:
    version = _libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_CREATE_RULESET_VERSION)
    if version < VERSION_WITH_SCOPES:
        raise OSError("needs Landlock of Linux 6.12 or newer")
    attributes = struct.pack("=QQQ", 0, 0, LANDLOCK_SCOPE_SIGNAL)  # of files and networks it says nothing
    size = ctypes.c_size_t(len(attributes))
    ruleset = check(_libc.syscall(SYS_LANDLOCK_CREATE_RULESET, ctypes.create_string_buffer(attributes), size, 0))
    try:
        check(_libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _filter_system_calls() -> None:
    path = os.path.join(FILTERS, "%s.bpf" % os.uname().machine)
    with open(path, "rb") as file:
        instructions = file.read()
    program = ctypes.create_string_buffer(instructions, len(instructions))
    description = struct.pack("@HP", len(instructions) // INSTRUCTION_BYTES, ctypes.addressof(program))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(description))


def _prctl(option: int, first: object, second: object = 0) -> None:
    arguments = [ctypes.c_ulong(item) if isinstance(item, int) else item for item in (first, second, 0, 0)]
    check(_libc.prctl(option, *arguments))
