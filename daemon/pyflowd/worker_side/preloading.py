"""Modules imported by the zygote, so that no node need import them.

    named > allowed, by `packages` > told to the daemon > imported > looked at for what it left > kept
                                                                                             > the zygote is spoilt

Forked processes must not share more than memory that is copied when it is written to. What an import leaves besides is
undone where that can be (signal handlers, timers, the working directory, ...). Threads, processes, descriptors and
shared memory cannot: then the zygote is spoilt, and started again without the module. The daemon hears the name before
each import: it knows whom to blame when the zygote ends in it, or stays in it.

An import runs code of the environment's packages, of which some may be hostile, in the process that all workers come
from. So nothing that they say about themselves is asked for here, but it is no boundary: the sandbox is.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time

from . import packages
from .traces import Traces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Sequence

    Imported = List[List[object]]  # [name, seconds]
    Refused = List[List[str]]  # [name, why]

LONGEST_REASON = 500
UNBOUND = "this machine cannot bind the fork server: what it imports could do more than nodes may"


class SpoiltError(Exception):
    """A module has left behind what every worker would have a part in."""

    def __init__(self, module: str, reason: str) -> None:
        super().__init__(reason)
        self.module = module
        self.reason = reason


class _NotAllowedError(Exception):
    """The module is not one to be imported beforehand."""


def preload(names: Sequence[str], tell: Callable[[str], None]) -> tuple[Imported, Refused, List[str]]:
    """(what was imported, what was not, what was undone). `tell` hears each name first. SpoiltError."""
    imported: Imported = []
    refused: Refused = []
    undone: List[str] = []
    pid = os.getpid()
    traces = Traces()
    for name in names:
        if not packages.is_name(name):
            refused.append([str(name)[: packages.LONGEST_NAME], "that is no name of a module"])
            continue
        tell(name)
        started_s = time.perf_counter()
        reason = _import(name)
        seconds = round(time.perf_counter() - started_s, 6)
        if os.getpid() != pid:
            os._exit(1)  # the module has forked a process that thinks it is us
        undone += ["%s: %s" % (name, what) for what in traces.undo()]
        left = traces.left()
        if left:
            raise SpoiltError(name, left)
        if reason:
            refused.append([name, reason])
        else:
            imported.append([name, seconds])
    return imported, refused, undone


def _import(name: str) -> str:
    """Import a module; why that failed, or "". Each package that it lies in is looked at before it is imported."""
    try:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            part = ".".join(parts[:end])
            if part in sys.modules:
                continue
            reason = packages.refusal(name, importlib.util.find_spec(part))
            if reason:
                raise _NotAllowedError(reason)
            importlib.import_module(part)
    except _NotAllowedError as error:
        return str(error)
    except BaseException as error:
        return _described(error)
    return ""


def _described(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        text = "%s: %s" % (kind, error)
    except BaseException:
        text = "%s, which cannot be printed" % kind
    return text.encode("utf-8", "replace").decode()[:LONGEST_REASON]
