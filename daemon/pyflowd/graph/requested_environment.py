"""The environment that a request asks for, checked: who runs a graph may say more than the graph, but not anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyflowd.graph.dependencies import MOST_REQUIREMENTS
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.environment_specs import is_environment_name
from pyflowd.graph.python_versions import PythonVersionError, read_python
from pyflowd.graph.requirements import RequirementError, name_of, read_given, shown
from pyflowd_client.protocol.options import EnvironmentChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedEnvironment:
    """What is left of it when it is checked. problems: what is not.

    name: "" for none. python: an absolute path, which versions will do, or "". requirements: in normal form.
    """

    name: str = ""
    python: str = ""
    requirements: tuple[str, ...] = ()
    allow_builds: bool = False
    problems: tuple[Diagnostic, ...] = ()

    @property
    def is_path(self) -> bool:
        """Whether it says where the interpreter lies."""
        return self.python.startswith("/")

    @property
    def is_silent(self) -> bool:
        """Whether it leaves all to the graph."""
        return not (self.name or self.python or self.requirements)

    @property
    def is_ready_made(self) -> bool:
        """Whether nothing will be installed for the graph, whatever that requires."""
        return bool(self.name) or (self.is_path and not self.requirements)

    @property
    def packages(self) -> frozenset[str]:
        """The names of the packages that it adds, where they have one."""
        return frozenset(name for item in self.requirements if (name := name_of(item)) is not None)


def read_request(choice: EnvironmentChoice, python: str | None) -> RequestedEnvironment:
    """The environment of a request."""
    problems = [*_conflicts(choice, python)]
    version = requirements = None
    try:
        version = _python(python or "")
    except PythonVersionError as error:
        message = f"{shown(python or '')} is neither the absolute path of a Python nor a version: {error}"
        problems.append(_problem(DiagnosticCode.BAD_ENVIRONMENT, message))
    try:
        requirements = _requirements(choice.requirements)
    except RequirementError as error:
        problems.append(_problem(DiagnosticCode.BAD_DEPENDENCIES, str(error)))
    if problems:
        return RequestedEnvironment(problems=tuple(problems))
    return RequestedEnvironment(
        name=choice.name or "",
        python=version or "",
        requirements=requirements or (),
        allow_builds=choice.allow_builds,
    )


def _conflicts(choice: EnvironmentChoice, python: str | None) -> Iterator[Diagnostic]:
    if choice.name is None:
        return
    name = shown(choice.name)
    if not is_environment_name(choice.name):
        yield _problem(DiagnosticCode.BAD_ENVIRONMENT, f"{name} cannot be the name of an environment.")
    elif choice.requirements:
        message = (
            f"The environment {name} is not changed for one run. Install the packages into it, with `pyflowctl env"
            f" install {choice.name} ...`, or name no environment."
        )
        yield _problem(DiagnosticCode.BAD_ENVIRONMENT, message)
    elif python is not None:
        message = f"The environment {name} has a Python of its own: choose either --env or --python."
        yield _problem(DiagnosticCode.BAD_ENVIRONMENT, message)


def _python(text: str) -> str:
    if text.startswith("/"):
        if "\0" in text:
            raise PythonVersionError("it holds a NUL character.")
        return text
    return read_python(text) if text else ""


def _requirements(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(texts) > MOST_REQUIREMENTS:
        raise RequirementError(f"There are more than {MOST_REQUIREMENTS:,} requirements. Make an environment of them.")
    normal = set()
    for text in texts:
        try:
            normal.add(read_given(text.strip()))
        except RequirementError as error:
            raise RequirementError(f"The requirement {shown(text)} cannot be used: {error}") from None
    return tuple(sorted(normal))


def _problem(code: DiagnosticCode, message: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=code, message=message)
