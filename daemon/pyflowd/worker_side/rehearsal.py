"""A call that no one asked for, through the very code of a real one.

A spare worker pays so, before its order comes, for the memory pages it must copy and for everything initialised at
first use. Nobody hears the answer: it is made while the null device still is where the link will be.
"""

from __future__ import annotations

import marshal
from resource import RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, getrlimit

from . import node_call, node_module, orders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .node_call import NodesPart

_TITLE = "rehearsal"
_SOURCE = "@node_entry\ndef rehearse(x: int) -> int:\n    return x + 1\n"
_COMPILED = marshal.dumps(("rehearse", [], compile(_SOURCE, node_module.FILENAME % _TITLE, "exec")))
_UNLIMITED, _UNLIMITED_S = 1 << 60, 1 << 30
_BOUNDS = [(RLIMIT_DATA, _UNLIMITED), (RLIMIT_FSIZE, _UNLIMITED), (RLIMIT_NOFILE, getrlimit(RLIMIT_NOFILE)[1])]
_ORDER = marshal.dumps(
    (
        orders.CALL,
        0,
        orders.MORE,
        _TITLE,
        _COMPILED,
        _SOURCE,
        ["output_1"],
        None,
        _BOUNDS,
        _UNLIMITED_S,
        [],
        [("x", b"1")],
    ),
    orders.MARSHAL_VERSION,
)


def rehearse(part: NodesPart = node_call.interruptible) -> None:
    """Perform the call."""
    node_call.perform(marshal.loads(_ORDER), part)
    node_module.forget()


def rehearse_as_spare() -> None:
    """The same, but an interrupt waits: it is meant for the call that comes."""
    rehearse(node_call.run)
