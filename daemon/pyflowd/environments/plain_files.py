"""Reads files that somebody else may have made: never more than a limit, never a pipe or a device that blocks."""

import os
import stat

TEXT_MOST_BYTES = 1_000_000


def read_text(path: str, most_bytes: int = TEXT_MOST_BYTES) -> str | None:
    """The beginning of a regular file, what is no UTF-8 replaced; None when there is none that may be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a null byte in a path that a file told
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        return os.read(descriptor, min(found.st_size, most_bytes)).decode("utf-8-sig", "replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def names_in(folder: str, most: int = 100_000) -> list[str]:
    """The names in a folder, sorted; none when it cannot be read."""
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) >= most:
                    break
    except (OSError, ValueError):
        pass
    return sorted(names)
