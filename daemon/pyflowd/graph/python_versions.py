"""Which versions of Python will do, as a text: "3.11" means that one, ">=3.10,<3.13" what PEP 440 says.

Understood besides is what people write and cannot mean otherwise: "3.8+", "3.8 or newer", "Python 3.10", "3.10.x".
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

LONGEST = 200
_VERSION = r"([0-9]{1,4}(?:\.[0-9]{1,4}){0,2})"
_WORD = re.compile(r"python\s*(?=[0-9<>=~!])", re.IGNORECASE)
_EXACTLY = re.compile(_VERSION)
_ANY_OF = re.compile(rf"(?:==\s*)?{_VERSION}\.[*xX]")
_AT_LEAST = re.compile(rf"{_VERSION}\s*(?:\+|or (?:newer|later|higher|above))", re.IGNORECASE)


class PythonVersionError(ValueError):
    """It says no version, or asks for what no version is."""


def read_python(text: str) -> str:
    """The normal form; PythonVersionError when there is none."""
    if len(text) > LONGEST:
        raise PythonVersionError("it is too long to be a version of Python.")
    text = _WORD.sub("", text.strip(), count=1) if text[:1] not in "<>=~!" else text.strip()
    if _EXACTLY.fullmatch(text):
        return text
    if any_of := _ANY_OF.fullmatch(text):
        return any_of[1]
    if at_least := _AT_LEAST.fullmatch(text):
        return f">={at_least[1]}"
    return combined((_specifiers(text),))


def combined(asked: Iterable[str]) -> str:
    """What suits all who ask, out of normal forms ("" asks for nothing); PythonVersionError when no version does."""
    texts = sorted({text for text in asked if text})
    if not texts or (len(texts) == 1 and _EXACTLY.fullmatch(texts[0])):
        return "".join(texts)
    together = _set(",".join(_as_specifier(text) for text in texts))
    if not any(version in together for version in _candidates(together)):
        raise PythonVersionError(f"no version of Python is {' and '.join(texts)}.")
    return ",".join(sorted(_narrowest(together)))


def _specifiers(text: str) -> str:
    from packaging.specifiers import InvalidSpecifier

    try:
        found = _set(text)
    except InvalidSpecifier:
        found = None
    if not found or any(item.operator == "===" for item in found):
        raise PythonVersionError('it is no version of Python. Write it as "3.11" or ">=3.10".')
    return text


def _set(text: str) -> "SpecifierSet":
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(text)


def _as_specifier(text: str) -> str:
    if not _EXACTLY.fullmatch(text):
        return text
    return f"=={text}" if text.count(".") == 2 else f"=={text}.*"


def _narrowest(together: "SpecifierSet") -> Iterator[str]:
    """Without those lower bounds that another one implies, nor such upper bounds."""
    from packaging.version import Version

    for operator, choose in ((">=", max), ("<", min)):
        bounds = [item for item in together if item.operator == operator]
        if bounds:
            yield str(choose(bounds, key=lambda item: (Version(item.version), str(item))))
    yield from (str(item) for item in together if item.operator not in (">=", "<"))


def _candidates(together: "SpecifierSet") -> Iterator["Version"]:
    """Versions of which one suits, if any does: where bounds lie, and right beside them."""
    from packaging.version import Version

    for item in together:
        major, minor, micro, *_ = (*Version(item.version.removesuffix(".*")).release, 0, 0)
        beside = [(major, minor, micro), (major, minor, micro + 1), (major, minor + 1, 0), (major + 1, 0, 0)]
        if micro:
            beside.append((major, minor, micro - 1))
        if minor:
            beside.append((major, minor - 1, 99))
        if major:
            beside.append((major - 1, 99, 99))
        yield from (Version(".".join(map(str, release))) for release in beside)
