"""LearntImports: what the nodes of each interpreter import, and so what its next fork server shall have imported.

A module is worth it when nodes lost more time by it than a fork does by carrying it, or when nobody knows how much that
was. One that breaks is not tried again until the environment changes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

WORTH_S = 0.0005
MODULES_MOST = 100
PYTHONS_MOST = 200


@dataclass(slots=True)
class Learnt:
    """Of one interpreter. modules: the seconds that each took, the longest unused first. fingerprint: of its packages
    when `broken` was found: module -> what is wrong with it."""

    fingerprint: str = ""
    modules: dict[str, float] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


class LearntImports:
    """All that was learnt, by the path of the interpreter. learns: or else only what somebody wants is imported."""

    def __init__(
        self, known: Mapping[str, Learnt], keep: Callable[[str, Learnt], None], *, learns: bool = True
    ) -> None:
        self._learns = learns
        self._known = dict(known)
        self._wanted: dict[str, tuple[str, ...]] = {}
        self._keep = keep

    def want(self, python: str, modules: tuple[str, ...]) -> None:
        """Somebody says what shall be imported, whether nodes do so or not."""
        if modules:
            self._wanted[python] = modules

    def of(self, python: str) -> Learnt:
        """What is known of an interpreter."""
        return self._known.get(python, Learnt())

    def preload(self, python: str) -> tuple[str, ...]:
        """What a fork server shall import, in the order in which it was learnt."""
        learnt = self.of(python)
        names = dict.fromkeys((*self._wanted.get(python, ()), *(learnt.modules if self._learns else ())))
        return tuple(name for name in names if name not in learnt.broken)

    def learn(self, python: str, imports: Iterable[tuple[str, float]], has: Iterable[str]) -> bool:
        """A node imported these, from a fork server that was told of `has`: whether another should know more."""
        learnt = self.of(python)
        news = {name: seconds for name, seconds in imports if _is_worth(seconds) and name not in learnt.broken}
        if not news or not self._learns:
            return False
        for name, seconds in news.items():
            learnt.modules[name] = max(seconds, learnt.modules.get(name, 0.0))
        while len(learnt.modules) > MODULES_MOST:
            del learnt.modules[next(iter(learnt.modules))]
        self._put(python, learnt)
        return not set(has).issuperset(news)

    def warmed(
        self,
        python: str,
        fingerprint: str,
        preloaded: Iterable[tuple[str, float]],
        broken: Iterable[tuple[str, str]],
    ) -> None:
        """A fork server is warm: what it could import, and what it could not."""
        learnt = self.of(python)
        found = dict(broken)
        times = {name: seconds for name, seconds in preloaded if name in learnt.modules}
        if fingerprint == learnt.fingerprint:
            found = {**learnt.broken, **found}
        if (found, fingerprint) != (learnt.broken, learnt.fingerprint) and (learnt.modules or found):
            learnt.modules |= times
            learnt.broken, learnt.fingerprint = found, fingerprint
            self._put(python, learnt)

    def changed(self, python: str) -> None:
        """The packages are others: what was broken may be whole."""
        learnt = self.of(python)
        if learnt.broken:
            learnt.broken = {}
            self._put(python, learnt)

    def _put(self, python: str, learnt: Learnt) -> None:
        self._known.pop(python, None)
        self._known[python] = learnt
        while len(self._known) > PYTHONS_MOST:
            del self._known[next(iter(self._known))]
        self._keep(python, learnt)


def _is_worth(seconds: float) -> bool:
    """A worker knows nothing of the time that a single module without others took."""
    return not seconds or seconds >= WORTH_S
