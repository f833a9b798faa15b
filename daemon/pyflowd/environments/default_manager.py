"""Environments made by what every Python brings: the module `venv`, and pip.

pip is not installed into them: ours works on them from outside (`run_pip.py`), with their interpreter.
"""

import json
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar

from pyflowd.environments import run_pip
from pyflowd.environments.commands import Workshop
from pyflowd.environments.failures import EnvironmentFailed, Reason, resolver_failure, resolver_words
from pyflowd.environments.interpreters import Interpreter, examine
from pyflowd.environments.manager import EnvironmentManager, Wanted, check_requirements

RUN_PIP = run_pip.__file__
ALWAYS = ("--no-input", "--disable-pip-version-check", "--no-color")
WHEEL_FOLDERS = (Path("/usr/share/python-wheels"), Path("/usr/share/python-pip-wheels"))  # Debian, Fedora
COLLECTING = re.compile(r"Collecting (\S+)")


class DefaultEnvironmentManager(EnvironmentManager):
    """Needs nothing but the interpreter, and a pip: the daemon's, or the one that the interpreter could install."""

    NAME: ClassVar[str] = "venv"

    def create(self, folder: Path, interpreter: Interpreter, workshop: Workshop) -> None:
        """`python -m venv`, without pip."""
        command = [interpreter.path, "-I", "-S", "-m", "venv", "--without-pip", str(folder)]
        code, output = workshop.run(command, lambda _: None)
        if code:
            failure = resolver_failure(output, [interpreter.path], [folder])
            hint = "On Debian and Ubuntu its module `venv` is a package of its own: $ apt install python3-venv"
            message = f"no environment can be made with {interpreter.path}: {resolver_words(output)}"
            raise failure if failure.reason is Reason.PLACE else EnvironmentFailed(message, hint=hint)

    def install(self, folder: Path, wanted: Wanted, workshop: Workshop) -> None:
        """pip resolves, fetches and builds everything before it installs anything."""
        check_requirements(wanted)
        options = ["--no-compile", "--no-user", "--no-warn-script-location", *_choices(wanted, workshop)]
        options += ["--force-reinstall"] if wanted.repairs else []
        python = examine(str(folder / "bin" / "python"))
        command = _pip(python, folder, "install", options, wanted)
        code, output = workshop.run(command, _Progress().told)
        if code:
            raise resolver_failure(output, wanted.requirements, [folder, workshop.scratch])

    def uninstall(self, folder: Path, names: Sequence[str], workshop: Workshop) -> None:
        """`pip uninstall`."""
        python = examine(str(folder / "bin" / "python"))
        command = _pip(python, folder, "uninstall", ["--yes"], Wanted(requirements=names))
        code, output = workshop.run(command, _Progress().told)
        if code:
            raise resolver_failure(output, names, [folder])

    def lock(self, interpreter: Interpreter, wanted: Wanted, workshop: Workshop) -> str:
        """What pip would install, with the hashes of just those files. Needs pip 22.2."""
        check_requirements(wanted)
        report = workshop.scratch / "report.json"
        options = ["--dry-run", "--ignore-installed", "--report", str(report), *_choices(wanted, workshop)]
        code, output = workshop.run(_pip(interpreter, None, "install", options, wanted), _Progress().told)
        if code and "no such option" in output:
            raise EnvironmentFailed("to lock an environment needs uv, or pip 22.2 or newer", hint="$ pip install uv")
        if code:
            raise resolver_failure(output, wanted.requirements, [workshop.scratch])
        installed = json.loads(report.read_bytes())["install"]
        return "".join(sorted(map(_locked, installed), key=str.lower))


def find_pip(interpreter: Interpreter, folders: Sequence[Path] = WHEEL_FOLDERS) -> Path:
    """Where the newest pip is that this interpreter can run: a folder to import it from, or its wheel."""
    own = _own_pip(interpreter.version)
    if own is not None:
        return own
    bundled = Path(interpreter.library, "ensurepip", "_bundled")
    wheels = [wheel for folder in (bundled, *folders) for wheel in folder.glob("pip-*.whl")]
    if wheels:
        return max(wheels, key=lambda wheel: [int(part) for part in re.findall(r"\d+", wheel.name.split("-")[1])])
    hint = (
        "Use uv ($ pip install uv), or install its module `ensurepip` (Debian and Ubuntu: $ apt install python3-venv)."
    )
    raise EnvironmentFailed(f"there is no pip for {interpreter.path}", hint=hint)


def _own_pip(version: str) -> Path | None:
    """The one that is installed beside us."""
    from packaging.specifiers import SpecifierSet

    try:
        found = distribution("pip")
    except PackageNotFoundError:
        return None
    fits = SpecifierSet(found.metadata["Requires-Python"] or "").contains(version, prereleases=True)
    folder = Path(str(found.locate_file("")))
    return folder if fits and (folder / "pip").is_dir() else None


def _pip(python: Interpreter, folder: Path | None, action: str, options: Sequence[str], wanted: Wanted) -> list[str]:
    program = python.path if folder is None else str(folder / "bin" / "python")
    kind = "any" if wanted.allow_builds else "wheels"
    ours = [program, "-I", "-S", "-W", "ignore", RUN_PIP, str(find_pip(python)), str(folder or "-"), kind]
    return [*ours, action, *ALWAYS, *options, "--", *wanted.requirements]


def _choices(wanted: Wanted, workshop: Workshop) -> list[str]:
    choices = ["--progress-bar", "off"]
    choices += [] if wanted.allow_builds else ["--only-binary", ":all:"]
    if wanted.constraints:
        choices += ["--constraint", str(workshop.write("constraints.txt", "\n".join(wanted.constraints)))]
    return choices


def _locked(item: dict[str, object]) -> str:
    """One package of pip's report, as a line of a requirements file."""
    metadata, download = item["metadata"], item["download_info"]
    assert isinstance(metadata, dict)
    assert isinstance(download, dict)
    pinned = f"{metadata['name']}=={metadata['version']}"
    if item.get("is_direct"):
        pinned = f"{metadata['name']} @ {download['url']}"
    archive = download.get("archive_info", {})
    hashes = archive.get("hashes") or dict([archive["hash"].split("=", 1)] if archive.get("hash") else [])
    return "".join((pinned, *(f" \\\n    --hash={kind}:{value}" for kind, value in sorted(hashes.items())), "\n"))


class _Progress:
    """What of pip's lines is told: each package once, and then that it is installed."""

    def __init__(self) -> None:
        self._resolves = False

    def told(self, line: str) -> str | None:
        """A few words, or None."""
        if COLLECTING.match(line) and not self._resolves:
            self._resolves = True
            return "Resolving"
        downloading = re.match(r"\s*Downloading (\S+)( \([^)]*\))?", line)
        if downloading and not downloading[1].endswith(".metadata"):
            return f"Downloading {downloading[1].rpartition('/')[2].partition('-')[0]}{downloading[2] or ''}"
        if line.startswith(("Building wheel for", "  Building wheel for")):
            return f"Building {line.split()[3]}"
        if line.startswith("Successfully installed"):
            count = len(line.split()) - 2
            return f"Installed {count} package{'s' if count != 1 else ''}"
        return f"Uninstalled {line.split()[2]}" if line.lstrip().startswith("Successfully uninstalled") else None
