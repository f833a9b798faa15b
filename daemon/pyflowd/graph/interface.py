"""The pins of a node's code, as the environment's own interpreter read them. The daemon never reads code itself."""

import hashlib
from dataclasses import dataclass
from typing import NewType

from pyflowd.graph.diagnostics import DiagnosticCode

CodeHash = NewType("CodeHash", str)


def code_hash(code: str, environment: str = "") -> CodeHash:
    """The name of a source text: 32 hexadecimal digits of its SHA-256.

    environment: the digest of what it runs in, where that is not the graph's own: another interpreter may read other
    pins out of the same text, and makes other code of it.
    """
    name = hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return CodeHash(f"{name}-{environment}" if environment else name)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPin:
    """A parameter of the entry function; `required` when it has no default."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPin:
    """One value that the entry function returns."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeProblem:
    """Why code cannot be a node. `code` is a diagnostic code: "syntax_error", "no_entry", "async_entry", ..."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRemark:
    """What code needs or would touch. `kind` is one of `remarks.KINDS`, `name` the module or function by which."""

    kind: str
    name: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeInterface:
    """What a node's code takes and gives, or the problem that keeps it from being a node; and what is odd about it."""

    inputs: tuple[InputPin, ...] = ()
    outputs: tuple[OutputPin, ...] = ()
    problem: CodeProblem | None = None
    remarks: tuple[CodeRemark, ...] = ()

    @property
    def may_change(self) -> bool:
        """Whether another look may find something else, though the code is the same: a package was missing."""
        return any(remark.kind == DiagnosticCode.MISSING_IMPORT for remark in self.remarks)
