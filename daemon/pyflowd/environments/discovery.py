"""Which Pythons there are on this machine: interpreters, virtual environments, conda's.

`search_rules.py` says where to look, `installation.py` reads what lies there, `interrogation.py` asks interpreters.
An environment is only ever read. What is found twice, by links or by scripts, is told once, with its first source.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePath

from packaging.version import Version

from pyflowd.core.paths import is_within
from pyflowd.environments import search_rules
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.environments.installation import Installation, installation_of
from pyflowd.environments.interrogation import Answer, ask, is_remembered, read
from pyflowd.environments.packages import count_packages
from pyflowd.environments.plain_files import names_in, read_text
from pyflowd.environments.python_versions import PythonWish, parse_wish
from pyflowd.environments.search_rules import Surroundings
from pyflowd_client.protocol.replies import DetectedEnvironment

CANDIDATES_MOST = 500
ASKED_AT_ONCE = 4
ASKING_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be an interpreter, and how it was found. is_plain: not in something that claims to be an environment."""

    source: str
    python: str
    is_plain: bool = False


Found = tuple[Candidate, Installation]


def own_surroundings() -> Surroundings:
    """What this process's system says of itself."""
    return Surroundings(sys.platform, os.environ, os.path.expanduser("~"))


def detect(
    search_path: str = "",
    virtual_env: str | None = None,
    folders: Sequence[str] = (),
    managed: Sequence[str] = (),
    *,
    around: Surroundings | None = None,
    cache_folder: str | None = None,
) -> list[DetectedEnvironment]:
    """All that can be found. `managed`: folders that hold environments, each in a folder of its own."""
    around = around or own_surroundings()
    environments = _environments(around, virtual_env, folders, managed)
    pythons = _interpreters(around, search_path)
    found = islice((*environments, *pythons, *_conda(around)), CANDIDATES_MOST)
    different = _each_once(found)
    beside = [str(path.parent if path.name == "*" else path) for path in _places_beside(around, folders)]
    answers = _ask_all(different, beside, cache_folder)
    return list(_described(different, answers))


def find_python(
    spec: str, *, search_path: str | None = None, around: Surroundings | None = None, cache_folder: str | None = None
) -> str | None:
    """The newest CPython that fits ("", "3.11", ">=3.10,<3.13", "cpython3.12"), never that of an environment.

    Final versions go before those that are not, and ordinary builds before free-threaded ones, unless the spec ends
    in "t". ValueError when the spec means nothing, and tells what would.
    """
    wish = parse_wish(spec)
    around = around or own_surroundings()
    path = around.variables.get("PATH", "") if search_path is None else search_path
    found = _each_once(islice(_interpreters(around, path), CANDIDATES_MOST))
    plain = [pair for pair in found if pair[1].kind != "venv"]
    fit = [answer for answer in _ask_all(plain, [], cache_folder) if _fits(wish, answer)]
    return max(fit, key=lambda answer: _rank(wish, answer)).python if fit else None


def _fits(wish: PythonWish, answer: Answer) -> bool:
    is_right = answer.problem is None and wish.fits(answer.version)
    return is_right and answer.free_threaded >= wish.free_threaded and answer.kind != "venv"


def _rank(wish: PythonWish, answer: Answer) -> tuple[bool, bool, bool, Version]:
    """What is conda's comes last: it is an environment that somebody else changes."""
    version = Version(answer.version)
    is_plain = answer.kind == "interpreter"
    return is_plain, answer.free_threaded == wish.free_threaded, not version.is_prerelease, version


def _environments(
    around: Surroundings, virtual_env: str | None, folders: Sequence[str], managed: Sequence[str]
) -> Iterator[Candidate]:
    if virtual_env and os.path.isabs(virtual_env):
        yield from _of_prefixes(around, "VIRTUAL_ENV", [around.path(virtual_env)])
    for folder in filter(os.path.isabs, folders):
        for source, pattern in search_rules.environments_beside(around, around.path(folder)):
            yield from _of_prefixes(around, source, [pattern])
    for folder in managed:
        yield from _of_prefixes(around, "pyflowd", [around.path(folder, "*")])


def _interpreters(around: Surroundings, search_path: str) -> Iterator[Candidate]:
    for folder in search_rules.search_path_folders(around, search_path):
        names = (name for name in names_in(str(folder)) if search_rules.is_interpreter_name(around, name))
        yield from (Candidate("PATH", str(folder / name), is_plain=True) for name in names)
    for manager in search_rules.version_managers(around):
        yield from _of_prefixes(around, manager.name, manager.prefixes, is_plain=True)
    yield from _of_prefixes(around, "system", search_rules.installed_for_all(around), is_plain=True)


def _conda(around: Surroundings) -> Iterator[Candidate]:
    listed = (read_text(str(search_rules.conda_list(around))) or "").splitlines()
    prefixes = [around.path(line.strip()) for line in listed if os.path.isabs(line.strip())]
    yield from _of_prefixes(around, "conda", [*search_rules.conda_environments(around), *prefixes])


def _of_prefixes(
    around: Surroundings, source: str, patterns: Iterable[PurePath], is_plain: bool = False
) -> Iterator[Candidate]:
    """The interpreter in each folder that has one: a link that leads nowhere is one too, and is told to be broken."""
    for pattern in patterns:
        for prefix in _expand(pattern):
            pythons = map(str, search_rules.interpreters_of(around, prefix))
            found = next(filter(os.path.lexists, pythons), None)
            if found is not None:
                yield Candidate(source, found, is_plain)


def _expand(pattern: PurePath) -> list[PurePath]:
    if "*" not in pattern.name:
        return [pattern]
    return [pattern.parent / name for name in names_in(str(pattern.parent)) if fnmatchcase(name, pattern.name)]


def _places_beside(around: Surroundings, folders: Sequence[str]) -> Iterator[PurePath]:
    for folder in folders:
        yield from (path for _, path in search_rules.environments_beside(around, around.path(folder)))


def _each_once(found: Iterable[Candidate]) -> list[Found]:
    known: dict[str, Found] = {}
    for candidate in found:
        installation = installation_of(candidate.python)
        known.setdefault(_identity(installation), (candidate, installation))
    return list(known.values())


def _identity(installation: Installation) -> str:
    """An environment is known by its folder, an interpreter by the file that all its links lead to."""
    return installation.real if installation.kind == "interpreter" else os.path.realpath(installation.prefix)


def _ask_all(found: Sequence[Found], beside: Sequence[str], cache_folder: str | None) -> list[Answer]:
    """Some at once, since an interpreter may take its time; those whose turn comes too late are only read."""
    until_s = time.monotonic() + ASKING_LIMIT_S

    def answer(pair: Found) -> Answer:
        candidate, installation = pair
        is_theirs = not candidate.is_plain or is_within(installation.real, beside)
        if installation.kind != "interpreter" or is_theirs or time.monotonic() > until_s:
            return read(installation)
        return ask(candidate.python, cache_folder)

    if all(is_remembered(candidate.python) for candidate, _ in found):
        return list(map(answer, found))
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        return list(threads.map(answer, found))


def _described(found: Sequence[Found], answers: Sequence[Answer]) -> Iterator[DetectedEnvironment]:
    fingerprints = Fingerprints()
    known = {_identity(installation) for _, installation in found}
    for (candidate, installation), answer in zip(found, answers, strict=True):
        if answer.python != candidate.python:  # a script led to it
            installation = installation_of(answer.python)
            if _identity(installation) in known:
                continue
            known.add(_identity(installation))
        yield DetectedEnvironment(
            kind=installation.kind,
            source=candidate.source,
            python=answer.python,
            version=answer.version or None,
            implementation=answer.implementation or None,
            packages=count_packages(installation),
            fingerprint=fingerprints.of(answer.python) or None,
            problem=answer.problem or _no_environment(candidate, installation),
        )


def _no_environment(candidate: Candidate, installation: Installation) -> str | None:
    if candidate.is_plain or installation.kind != "interpreter":
        return None
    return f"{installation.prefix} has no pyvenv.cfg: it is no virtual environment"
