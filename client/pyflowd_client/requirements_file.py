"""Files of requirements, in the format that pip reads: a requirement a line, comments, `-r other.txt`.

Options of pip are refused by line: where packages come from, and whether they may be built, is not said by a file.
Paths of local packages are relative to the working directory, as with pip; those of other files to the file.
"""

import os
import re
from collections.abc import Iterator

from pyflowd_client.errors import RequirementsFileError
from pyflowd_client.requirements import absolute_requirement, local_path

MOST_BYTES = 1_000_000
_COMMENT = re.compile(r"(^|\s+)#.*$")
_OTHER_FILE = re.compile(r"(?:-r\s*|--requirement(?:\s+|=))(?P<path>.+)")
_OPTION = re.compile(r"^--?[A-Za-z][\w-]*|(?<=\s)--[A-Za-z][\w-]*")  # of the file, or of a requirement
_REMEDIES = {
    "-e": "a package that is changed while it is used belongs into an environment of yours; see --python",
    "--editable": "a package that is changed while it is used belongs into an environment of yours; see --python",
    "--hash": "hashes cannot be passed on; `pyflowctl env export` writes exact versions without them",
}


def read_requirements(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """All requirements of a file and of those it names, in order; RequirementsFileError says which line is wrong."""
    return tuple(_read(os.fsdecode(path), ()))


def _read(path: str, within: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(path)
    if real in within:
        raise RequirementsFileError(f"{path} names itself with -r, at once or by way of others.")
    for number, line in _logical_lines(_text(path)):
        where = f"{path}, line {number}"
        other = _OTHER_FILE.fullmatch(line)
        if other is None:
            yield _requirement(line, where)
            continue
        if "://" in other["path"]:
            raise RequirementsFileError(f"{where}: {other['path']} is not a file on this machine.")
        yield from _read(os.path.join(os.path.dirname(path), other["path"]), (*within, real))


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RequirementsFileError(f"cannot read {path}: {error.strerror}.") from None
    if len(data) > MOST_BYTES:
        raise RequirementsFileError(f"{path} is larger than 1 MB, too large for requirements.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequirementsFileError(f"{path} is not a text in UTF-8.") from None


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """What is said, with the number of the line where it begins; a backslash at its end continues a line."""
    parts: list[str] = []
    begin = 1
    for number, line in enumerate(text.splitlines(), 1):
        begin = begin if parts else number
        is_comment = _COMMENT.match(line) is not None  # which ends a line that goes on, and does not go on itself
        if line.endswith("\\") and not is_comment:
            parts.append(line[:-1])
            continue
        said = _COMMENT.sub("", "".join([*parts, " " if is_comment else "", line])).strip()
        parts = []
        if said:
            yield begin, said
    if said := _COMMENT.sub("", "".join(parts)).strip():
        yield begin, said


def _requirement(line: str, where: str) -> str:
    option = _OPTION.search(line)
    if option is not None:
        remedy = f": {_REMEDIES[option[0]]}" if option[0] in _REMEDIES else ""
        raise RequirementsFileError(
            f"{where}: {option[0]} is an option of pip, which is not taken from a file{remedy}."
        )
    path = local_path(line)
    if path is not None and not os.path.exists(os.path.expanduser(path)):
        raise RequirementsFileError(f"{where}: {path} does not exist.")
    return absolute_requirement(line)
