"""Filters of system calls, which the daemon's `sandbox/seccomp.py` has compiled.

A program is read and laid out once; to load it then is one call. A filter can be added, never taken away.
"""

from __future__ import annotations

import ctypes
import os
import struct

from . import linux

FILTERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "filters")
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
INSTRUCTION_BYTES = 8


class Filter:
    """A program of this machine's architecture; OSError when there is none."""

    def __init__(self, name: str) -> None:
        path = os.path.join(FILTERS, "%s-%s.bpf" % (os.uname().machine, name))
        with open(path, "rb") as file:
            instructions = file.read()
        self._program = ctypes.create_string_buffer(instructions, len(instructions))
        length = len(instructions) // INSTRUCTION_BYTES
        description = struct.pack("@HP", length, ctypes.addressof(self._program))
        self._description = ctypes.create_string_buffer(description)
        self._address = ctypes.addressof(self._description)

    def load(self) -> None:
        """Filter this process and all that it forks, from now on. Needs no-new-privileges."""
        linux.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._address)
