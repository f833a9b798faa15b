"""Paths as texts: which lies in which. That no link leads out of them is for who looks at the file system."""

from collections.abc import Collection, Iterable, Iterator


def is_within(path: str, folders: Collection[str]) -> bool:
    """Whether the path is one of the folders, or lies below one."""
    return path in folders or any(folder in folders for folder in _above(path))


def topmost(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that lie below no other of them, sorted."""
    given = frozenset(paths)
    return tuple(sorted(path for path in given if given.isdisjoint(_above(path))))


def _above(path: str) -> Iterator[str]:
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path
