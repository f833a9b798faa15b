"""An attack: the code of a hostile node, and from which tier on it harms and learns nothing."""

from dataclasses import dataclass, field
from typing import Any

NEVER = "never"
TIERS = ("T0", "T1", "T2", "T3")
HELD, EXPOSED, NOT_APPLICABLE = "held", "exposed", "-"
SUCCESS = "WON-IT"

# What every attack is given, after the numbers and paths of its victims.
PRELUDE = f"""
import ctypes, fcntl, json, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
IS_X86 = os.uname().machine == "x86_64"
NODE, ZYGOTE = ([pid for pid in pids if pid != os.getpid()] for pids in (NODE, ZYGOTE))

def attempt(act, *given, **named):
    "What it gives is told, and returned; what it raises is not."
    try:
        result = act(*given, **named)
    except Exception:
        return None
    print(repr(result)[:4000], flush=True)
    return result

def call(number_or_function, *given):
    "A call of the kernel, by its name in libc or its number on x86_64 and elsewhere."
    if isinstance(number_or_function, tuple):
        result = libc.syscall(number_or_function[0 if IS_X86 else 1], *given)
    else:
        result = getattr(libc, number_or_function)(*given)
    if result < 0:
        raise OSError(ctypes.get_errno(), number_or_function)
    return result

def read(path, size=4000):
    with open(path, "rb") as file:
        return file.read(size)

def write(path, data=b"attacked", flags=os.O_WRONLY):
    descriptor = os.open(path, flags, 0o666)
    try: return os.write(descriptor, data)
    finally: os.close(descriptor)

def won():
    "Say so, where what was won shows in nobody but the attacker."
    print({SUCCESS[::-1]!r}[::-1], flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """
    title: what it tries, for the table. code: the lines of a function's body, after `PRELUDE`. held_from: the lowest
    tier in which it fails. absent_below: the lowest tier in which it is tried. permissions, limits: of its run, where
    {OPEN} stands for the folder that is there to be granted. control: whether the same code does harm where nothing
    confines it, so that its failure means something.
    """

    title: str
    code: str
    held_from: str = "T0"
    absent_below: str = "T0"
    permissions: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    control: bool = False

    def expected(self, tier: str) -> str:
        """How it ends in a tier."""
        if tier < self.absent_below:
            return NOT_APPLICABLE
        return HELD if self.held_from != NEVER and tier >= self.held_from else EXPOSED
