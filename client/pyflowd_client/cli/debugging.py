"""Debuggers in nodes, as the command line asks for them."""

import argparse
import os
import sys
from typing import TextIO

from pyflowd_client.errors import UsageRefused
from pyflowd_client.protocol.options import Debugging
from pyflowd_client.protocol.states import DebuggerKind

NEEDS_TERMINAL = "--pdb needs a terminal: standard input and standard error must be one."


def debugging_of(options: argparse.Namespace) -> Debugging:
    """The debugger that was asked for; UsageRefused when pdb has no terminal to open on."""
    if options.debugpy is not None:
        return Debugging(debugger=DebuggerKind.DEBUGPY, port=options.debugpy)
    if options.json:
        raise UsageRefused("--pdb is not allowed with --json: pdb is for people.")
    if not _is_terminal(sys.stdin) or not _is_terminal(sys.stderr):
        raise UsageRefused(NEEDS_TERMINAL)
    return Debugging(debugger=DebuggerKind.PDB, terminal=os.environ.get("TERM") or "dumb")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
