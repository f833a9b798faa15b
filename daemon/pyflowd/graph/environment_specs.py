"""What an environment shall be, before it is known where it lies. Equal specs mean the same environment.

Exactly one of four kinds: nothing said (the daemon's default), a name, an interpreter, or requirements.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache

LONGEST_NAME = 64
_NAME = re.compile(r"(?![0-9]+(?:\.[0-9x*]|\Z))[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def is_environment_name(text: str) -> bool:
    """Whether an environment may be called so: never like a version of Python, nor like a path."""
    return len(text) <= LONGEST_NAME and _NAME.match(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """
    name: a named environment. Alone.
    python: absolute path of an interpreter or of a virtual environment, or which versions will do ("3.11", ">=3.10").
    requirements: what must be installed, PEP 508 in normal form, sorted, each once; paths and files of who gave them.
    optional: what is installed if it can be, in the same form.
    allow_builds: whether packages may be built from source, which runs their code as the user, outside any sandbox.
    """

    name: str = ""
    python: str = ""
    requirements: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    allow_builds: bool = False

    @property
    def is_built(self) -> bool:
        """Whether it has to be made, and is made only for those who ask for exactly this."""
        return bool(self.requirements or self.optional)

    @property
    def digest(self) -> str:
        """Names it among those that are built: 128 bits in hexadecimal, the same for equal specs."""
        return _digest(self)

    @property
    def shown(self) -> str:
        """For people, in one line."""
        if self.name:
            return self.name
        what = ", ".join((*self.requirements, *(f"{item} (optional)" for item in self.optional)))
        return " with ".join(part for part in (f"Python {self.python}" if self.python else "", what) if part)


@lru_cache(512)  # each run asks for it again
def _digest(spec: EnvironmentSpec) -> str:
    text = json.dumps(asdict(spec), sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


DEFAULT = EnvironmentSpec()
