"""What a fork server shall import before it forks: what is left of it, and why the rest is not."""

from dataclasses import dataclass, replace

PRELOADED_MOST = 100
RESTARTS_MOST = 5


@dataclass(frozen=True, slots=True)
class Preload:
    """names: modules, in this order. refused: (module, reason). restarts: how many it has cost."""

    names: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    restarts: int = 0

    @staticmethod
    def of(names: tuple[str, ...]) -> "Preload":
        """As the core wants it; no more than can be told to a fork server in one order."""
        many = tuple((name, "there are too many others") for name in names[PRELOADED_MOST:])
        return Preload(names[:PRELOADED_MOST], many)

    def without(self, module: str, reason: str) -> "Preload":
        """After a module has spoilt the fork server; none in particular: all that it has imported together.

        Whatever happens comes to an end: after a few restarts nothing is preloaded.
        """
        is_over = self.restarts + 1 >= RESTARTS_MOST
        kept = () if is_over or module not in self.names else tuple(name for name in self.names if name != module)
        dropped = [name for name in self.names if name not in kept]
        others = "the fork server was lost too often" if is_over and module else reason
        refused = tuple((name, reason if name == module else others) for name in dropped)
        return replace(self, names=kept, refused=(*self.refused, *refused), restarts=self.restarts + 1)
