"""Wheels made on the spot, and a real installer that finds them without any network."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uv


def make_wheel(
    folder: Path, name: str, version: str, requires: Sequence[str] = (), files: Mapping[str, str] | None = None
) -> Path:
    """A pure-Python wheel with one module per file; without files one of the package's own name."""
    distribution = name.replace("-", "_").replace(".", "_")
    info = f"{distribution}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    content = {
        **(files or {f"{distribution}.py": f"version = {version!r}\n"}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items())
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{distribution}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_environment(folder: Path, python: str, *options: str) -> str:
    """A virtual environment by uv, and the path of its interpreter."""
    run_uv("venv", "--quiet", "--no-project", "--python", python, *options, str(folder))
    return str(folder / "bin" / "python")


def install(python: str, *what: str) -> None:
    """By uv, from paths alone."""
    run_uv("pip", "install", "--quiet", "--python", python, "--no-index", "--no-deps", *what)


def uninstall(python: str, *names: str) -> None:
    run_uv("pip", "uninstall", "--quiet", "--python", python, *names)


def run_uv(*arguments: str) -> str:
    command = [uv.find_uv_bin(), "--no-config", "--offline", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
