"""What in a virtual environment decides which interpreter it is: its settings, and the links to the one below.

A wheel may bring files of these names. Who started the interpreter then, or looked where it comes from, would follow
the package. So they are compared after every change.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyflowd.environments.failures import EnvironmentFailed, Reason
from pyflowd.environments.trees import delete_tree

SETTINGS = "pyvenv.cfg"


@dataclass(frozen=True, slots=True)
class Seal:
    """settings: the text of `pyvenv.cfg`. links: what `bin/python` and its other names lead to; "" where no link is."""

    settings: str
    links: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, folder: Path) -> "Seal":
        """As it is now."""
        names = sorted(name for name in os.listdir(folder / "bin") if name.startswith("python"))
        settings = (folder / SETTINGS).read_text(encoding="utf-8", errors="surrogateescape")
        return cls(settings, tuple((name, _target(folder / "bin" / name)) for name in names))

    @contextmanager
    def kept(self, folder: Path) -> Iterator[None]:
        """Afterwards what was replaced is put back, and told as a failure."""
        try:
            yield
        finally:
            if not self._is_whole(folder):
                self._restore(folder)
                message = "a package replaces the interpreter of its environment, or its settings: that is refused"
                raise EnvironmentFailed(message, reason=Reason.PLACE)

    def _is_whole(self, folder: Path) -> bool:
        try:
            return Seal.of(folder) == self
        except OSError:
            return False

    def _restore(self, folder: Path) -> None:
        for path in (folder / SETTINGS, *(folder / "bin").glob("python*")):
            if path.is_dir() and not path.is_symlink():
                delete_tree(path)
            else:
                path.unlink(missing_ok=True)
        (folder / SETTINGS).write_text(self.settings, encoding="utf-8", errors="surrogateescape")
        for name, target in self.links:
            (folder / "bin" / name).symlink_to(target)


def _target(path: Path) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""
