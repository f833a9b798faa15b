"""Landlock: which files a process and its children may reach, and whom outside of them they may signal.

A ruleset is made of descriptors of files and folders, then entered, for good. It can be made in one process and
entered in many that are forked from it: that costs each of them one call. Refuses nothing that the kernel knows no
right for: `version` says what it knows.
"""

from __future__ import annotations

import ctypes
import os
import struct

from .linux import check, syscall

SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1
# Access rights to files, from linux/landlock.h.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
_OF_VERSION = {1: (1 << 13) - 1, 2: 1 << 13, 3: TRUNCATE, 5: IOCTL_DEV}
READ = EXECUTE | READ_FILE | READ_DIR
ALL = (1 << 16) - 1
WRITE = ALL & ~(MAKE_CHAR | MAKE_BLOCK)
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
TCP = 3  # to bind, to connect
ABSTRACT_SOCKETS, SIGNALS = 1, 2
VERSION_WITH_TCP, VERSION_WITH_SCOPES = 4, 6


def version() -> int:
    """What the kernel knows: 0 is nothing, 6 the first with scopes (Linux 6.12)."""
    return max(0, syscall(SYS_CREATE_RULESET, 0, 0, CREATE_RULESET_VERSION))


def open_path(path: str) -> int:
    """A descriptor that stands for a file or folder and cannot read it."""
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def known_rights() -> int:
    """The rights to files that the kernel knows; it takes no rule with others."""
    known = version()
    return sum(rights for since, rights in _OF_VERSION.items() if known >= since)


class Rule:
    """Access beneath a folder, or to a file, by its descriptor. `rights`: those that the kernel knows."""

    def __init__(self, path: int, rights: int) -> None:
        self._buffer = ctypes.create_string_buffer(struct.pack("=Qi", rights, path), 12)
        self.address = ctypes.addressof(self._buffer)


class Ruleset:
    """What is denied unless a rule allows it. `files`: access to files, `tcp`: TCP, `scopes`: whom it reaches."""

    def __init__(self, *, files: bool = False, tcp: bool = False, scopes: int = 0) -> None:
        known = version()
        handled = known_rights() if files else 0
        of_tcp = TCP if tcp and known >= VERSION_WITH_TCP else 0
        scopes = scopes if known >= VERSION_WITH_SCOPES else 0
        attributes = struct.pack("=QQQ", handled, of_tcp, scopes)
        size = 8 if known < VERSION_WITH_TCP else 16 if known < VERSION_WITH_SCOPES else 24
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        self._descriptor = check(syscall(SYS_CREATE_RULESET, ctypes.addressof(buffer), size, 0))

    def allow(self, rule: Rule) -> None:
        """Allow what a rule says."""
        check(syscall(SYS_ADD_RULE, self._descriptor, RULE_PATH_BENEATH, rule.address))

    def enter(self) -> None:
        """Bind this process, and all that it forks, to what is allowed. Needs no-new-privileges."""
        check(syscall(SYS_RESTRICT_SELF, self._descriptor, 0))

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
