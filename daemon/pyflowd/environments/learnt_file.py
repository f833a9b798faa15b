"""What the nodes of each interpreter import, kept over the lives of daemons. What cannot be read was not learnt."""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pyflowd.core.effects import KeepLearnt
from pyflowd.core.learnt_imports import Learnt


class LearntFile:
    """A file of the daemon's own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Learnt] = {}

    def read(self) -> dict[str, Learnt]:
        """All that was written down, by the path of the interpreter."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            found = json.loads(self._path.read_bytes())
            self._known = {python: _learnt(**fields) for python, fields in found.items()}
        return self._known

    def keep(self, effect: KeepLearnt) -> None:
        """Write down what is known of an interpreter."""
        self._known[effect.python] = effect.learnt
        draft = self._path.with_name(self._path.name + ".new")
        with suppress(OSError):
            text = json.dumps({python: asdict(learnt) for python, learnt in self._known.items()})
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._path)


def _learnt(fingerprint: str, modules: dict[str, float], broken: dict[str, str]) -> Learnt:
    return Learnt(
        str(fingerprint),
        {str(name): float(seconds) for name, seconds in modules.items()},
        {str(name): str(reason) for name, reason in broken.items()},
    )
