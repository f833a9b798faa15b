"""Which file or folder it is that lies at a path: one that is made there later is another, though its number may be the
same. So the time of its birth counts, which Python's `os.stat` does not tell.
"""

import ctypes
import os
import struct

AT_FDCWD, AT_SYMLINK_NOFOLLOW = -100, 0x100
STATX_INO, STATX_BTIME = 0x100, 0x800
STATX_BYTES = 256
# From struct statx in linux/stat.h: where they stand, and how.
_MASK, _INODE, _BORN, _DEVICE = (0, "=I"), (32, "=Q"), (80, "=qI"), (136, "=II")

_statx = ctypes.CDLL(None, use_errno=True).statx


def identity(path: str) -> str:
    """Equal as long as it is the same file or folder. A link is itself. OSError."""
    found = ctypes.create_string_buffer(STATX_BYTES)
    if _statx(AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, found) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    (mask,) = struct.unpack_from(_MASK[1], found, _MASK[0])
    numbers = [struct.unpack_from(form, found, place) for place, form in (_DEVICE, _INODE)]
    born = struct.unpack_from(_BORN[1], found, _BORN[0]) if mask & STATX_BTIME else ()
    return ":".join(str(number) for part in (*numbers, born) for number in part)
