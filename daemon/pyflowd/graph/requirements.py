"""One requirement of a package, PEP 508, in normal form: equal requirements are equal texts.

A graph names packages and versions. Where a package comes from is for who runs the graph to say: he may give URLs and
absolute paths. Options of an installer are nobody's: they are flags of their own.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LONGEST_REQUIREMENT = 500
LONGEST_SHOWN = 100
_COMMENT = re.compile(r"(^|\s+)#.*$")
_PLACE = re.compile(r"[./~\\]|[^\s@;]*[/\\]|[A-Za-z][A-Za-z0-9+.-]*:|[^\s@;]*\.(whl|zip|tar\.gz)$")
_LABEL = re.compile(r"((?:[<>]=?|~=)\s*[^\s,;+]+)\+[A-Za-z0-9._+-]+")  # where PEP 440 has none: >=2.0+cu118


class RequirementError(ValueError):
    """Why it cannot be required. name: of the package, where it only matters who says where that comes from."""

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(reason)
        self.name = name


def one_line(text: str) -> str:
    """The text as it can be shown in a message."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def shown(text: str) -> str:
    """The text in quotes, on one line, not too long."""
    visible = one_line(text[:LONGEST_SHOWN])
    return f'"{visible}"' if len(text) <= LONGEST_SHOWN else f'"{visible}..."'


def without_comment(text: str) -> str:
    """A line of a requirements file may end in one, or be nothing else."""
    return _COMMENT.sub("", text).strip()


def read_requirement(text: str) -> str:
    """What a graph requires, in normal form."""
    _refuse_odd(text)
    if _PLACE.match(text):
        raise RequirementError("a path or URL must be given by who runs the graph: --with. Name the package here.")
    requirement = _parsed(text)
    if requirement.url is not None:
        reason = "where a package comes from must be given by who runs the graph: --with. Name it without."
        raise RequirementError(reason, _name(requirement))
    return _normal(requirement)


def read_given(text: str) -> str:
    """What who runs the graph adds, in normal form: absolute paths and URLs are as they were given."""
    _refuse_odd(text)
    if text.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return text
    if _PLACE.match(text):
        raise RequirementError("the daemon needs the absolute path.")
    requirement = _parsed(text)
    if requirement.url is not None and "://" not in requirement.url:
        raise RequirementError("the daemon needs a URL, or the absolute path alone.")
    return _normal(requirement)


def name_of(normal: str) -> str | None:
    """The package that a normal form names; None for a path or a bare URL."""
    match = re.match(r"([a-z0-9][a-z0-9-]*)(?![a-z0-9+.-]*:)", normal)
    return match[1] if match else None


def without_label(text: str) -> str:
    """Without local labels where versions are compared: PEP 440 has no order of them. Else the same text."""
    return _LABEL.sub(r"\1", text) if "+" in text else text


def _refuse_odd(text: str) -> None:
    if len(text) > LONGEST_REQUIREMENT:
        raise RequirementError(f"it has more than {LONGEST_REQUIREMENT} characters.")
    if not text.isprintable():
        raise RequirementError("it holds characters that cannot be shown.")
    if text.startswith("-"):
        raise RequirementError("an option of an installer is no requirement; who runs the graph has --with.")


def _parsed(text: str) -> "Requirement":
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        raise RequirementError("it is no requirement (PEP 508). Write NAME, or NAME>=VERSION.") from None


def _name(requirement: "Requirement") -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(requirement.name)


def _normal(requirement: "Requirement") -> str:
    from packaging.utils import canonicalize_name

    extras = ",".join(sorted({canonicalize_name(extra) for extra in requirement.extras}))
    specifiers = ",".join(sorted(str(item) for item in requirement.specifier))
    text = _name(requirement) + (f"[{extras}]" if extras else "") + specifiers
    text += f" @ {requirement.url}" if requirement.url is not None else ""
    if requirement.marker is None:
        return text
    return f"{text} ; {requirement.marker}" if requirement.url is not None else f"{text}; {requirement.marker}"
