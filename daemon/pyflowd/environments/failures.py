"""Why an environment could not be made or changed: one exception, and what of a resolver's output belongs into it."""

import errno
import os
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path

WORDS_MOST = 2000  # characters
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|os error (28|122)\b|Errno (28|122)\b", re.I)
NO_NETWORK = re.compile(
    r"error sending request|tcp connect error|dns error|connection refused|failed to establish a new connection|"
    r"temporary failure in name resolution|name or service not known|network is unreachable|no route to host|"
    r"connect ?timeout|read timed out|operation timed out|connection reset|network connectivity is disabled",
    re.I,
)
NETWORK_CAUSES = re.compile(
    r"connection refused|name or service not known|temporary failure in name resolution|network is unreachable|"
    r"no route to host|connection reset|timed out|connecttimeout|network connectivity is disabled",
    re.I,
)
ADDRESS = re.compile(r"https?://[^\s`'\")]+")
SOURCE_ONLY = re.compile(r"building from source is disabled|building source distributions is disabled|"
                         r"no usable wheels|from versions: none|is not a wheel", re.I)  # fmt: skip
BEGINNING = re.compile(r"^(error\b|ERROR:|  \u00d7|  error:)")
PACKAGE = re.compile(r"(?:distribution found for|ailed to \w+|heel for|required for|Because|Because only) `?"
                     r"([A-Za-z0-9][A-Za-z0-9._-]*)")  # fmt: skip
ALLOW_BUILDS = (
    "If it exists as source only: --allow-builds lets it be built, which runs its code as you, in no sandbox."
)


class Reason(Enum):
    """What a failure is about: a package, the way to all of them, or the place where they shall be."""

    PACKAGE = "package"
    NETWORK = "network"
    PLACE = "place"


class EnvironmentFailed(Exception):  # noqa: N818 - it says what became of an environment
    """An environment cannot be made, changed or found. The message is for people, and complete.

    package: the one to blame, when it is one. words: those of the resolver. hint: what may help.
    """

    def __init__(
        self, message: str, package: str | None = None, words: str = "", *, hint: str | None = None,
        reason: Reason = Reason.PACKAGE,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.message = message
        self.package = package
        self.words = words
        self.hint = hint
        self.reason = reason


def resolver_failure(output: str, asked: Sequence[str], disks: Iterable[Path]) -> EnvironmentFailed:
    """What a resolver's output means. asked: the requirements. disks: folders that were written to."""
    output = ANSI.sub("", output)
    words = resolver_words(output)
    if NO_SPACE.search(output):
        return disk_full(disks, words)
    package = _package(words, asked)
    what = f"'{package}'" if package else ", ".join(asked)
    if NO_NETWORK.search(output):
        address = ADDRESS.search(words) or ADDRESS.search(output)
        cause = NETWORK_CAUSES.findall(output)
        place = f"the package index {address[0]}" if address else "the package index"
        message = f"{what} cannot be fetched: {place} cannot be reached ({cause[-1] if cause else 'no connection'})"
        return EnvironmentFailed(message, package, words, hint="Is there a network, and is that index right?",
                                 reason=Reason.NETWORK)  # fmt: skip
    hint = ALLOW_BUILDS if SOURCE_ONLY.search(output) else None
    return EnvironmentFailed(f"{what} cannot be installed: {words}", package, words, hint=hint)


def disk_full(disks: Iterable[Path], words: str = "") -> EnvironmentFailed:
    """There was no room: on the one of these disks that has the least left."""
    place = min(map(_existing, disks), key=_free)
    mount = place
    while not os.path.ismount(mount):
        mount = mount.parent
    message = f"the disk at {mount} is full ({_free(place) >> 20} MiB left), and {place} is on it"
    hint = "`pyflowctl env prune` deletes environments that were not used for long."
    return EnvironmentFailed(message, None, words, hint=hint, reason=Reason.PLACE)


def from_os_error(error: OSError, root: Path) -> EnvironmentFailed:
    """What the file system refused, said of the place where environments are kept."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full([root])
    place = error.filename if isinstance(error.filename, str) else str(root)
    return EnvironmentFailed(f"{place} cannot be written: {error.strerror or error}", reason=Reason.PLACE)


def resolver_words(output: str) -> str:
    """The part of the output that tells what is wrong, without the progress before it."""
    lines = output.rstrip().splitlines()
    first = next((number for number, line in enumerate(lines) if BEGINNING.match(line)), 0)
    words = "\n".join(line.rstrip() for line in lines[first:]).strip()
    return words if len(words) <= WORDS_MOST else f"{words[: WORDS_MOST // 2]}\n...\n{words[-WORDS_MOST // 2 :]}"


def requirement_name(requirement: str) -> str:
    """The name a requirement begins with; of a path, its last part."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*(?![^\s;\[<>=!~@])", requirement)
    return found[0] if found else os.path.basename(requirement.rstrip("/")).partition("-")[0]


def normal_name(name: str) -> str:
    """As names of packages are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(words: str, asked: Sequence[str]) -> str | None:
    """Of the packages that were asked for the one that is spoken of first; else another one."""
    spoken = normal_name(words)
    places = {}
    for name in map(requirement_name, asked):
        found = re.search(rf"(?<![a-z0-9-]){re.escape(normal_name(name))}(?![a-z0-9]|-[a-z])", spoken)
        if found:
            places[name] = found.start()
    if places:
        return min(places, key=lambda name: places[name])
    other = PACKAGE.search(words)
    return other[1] if other else None


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
