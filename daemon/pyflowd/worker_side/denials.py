"""What a node was not given, as far as the exception tells that ended it: a path, a host, a variable.

    {"kind": "path", "target": absolute path, "writing": whether the system said that it is read-only}
    {"kind": "host", "target": name or address, "" when it is not known}
    {"kind": "variable", "target": name}

Whether it is there at all, and might have been given, only the daemon can see. Refuses to guess from messages.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Iterator, Optional

    Denial = Dict[str, Any]

LONGEST_CHAIN = 100
LONGEST_TARGET = 4096
_OF_PATHS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
_HOST_NAMES = ("host", "address", "hostname")


def find(error: BaseException) -> Optional[Denial]:
    """The first thing, from the last exception back to the first, that may have been denied."""
    for one in _chain(error):
        found = _of_one(one)
        if found is not None:
            found["target"] = found["target"][:LONGEST_TARGET]
            return found
    return None


def _of_one(error: BaseException) -> Optional[Denial]:
    if isinstance(error, KeyError):
        return _of_variable(error)
    return _of_system(error) if isinstance(error, OSError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting and len(seen) < LONGEST_CHAIN:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None)]


def _of_system(error: OSError) -> Optional[Denial]:
    if _is_of_names(error) or (error.errno == errno.EACCES and error.filename is None):
        host = _host(error)
        return None if host is None else {"kind": "host", "target": host}
    path = error.filename2 or error.filename
    if error.errno not in _OF_PATHS or not isinstance(path, (str, bytes)):
        return None
    return {"kind": "path", "target": os.path.abspath(os.fsdecode(path)), "writing": error.errno == errno.EROFS}


def _is_of_names(error: OSError) -> bool:
    socket = sys.modules.get("socket")
    return socket is not None and isinstance(error, socket.gaierror)


def _host(error: OSError) -> Optional[str]:
    """Whom the functions that were under way wanted to reach; None when it was nobody in a network."""
    is_network = _is_of_names(error)
    host = ""
    for frame in _frames(error):
        is_network = is_network or os.path.basename(frame.f_code.co_filename) in ("socket.py", "_socket.py")
        for name in _HOST_NAMES:
            value = frame.f_locals.get(name)
            value = value[0] if isinstance(value, tuple) and value else value
            if isinstance(value, str) and value:
                host = value
    return host if is_network else None


def _of_variable(error: KeyError) -> Optional[Denial]:
    for frame in _frames(error):
        if frame.f_code.co_name == "__getitem__" and frame.f_locals.get("self") in (os.environ, os.environb):
            name = error.args[0] if error.args else ""
            name = os.fsdecode(name) if isinstance(name, bytes) else name
            return {"kind": "variable", "target": name} if isinstance(name, str) else None
    return None


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
