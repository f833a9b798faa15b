"""Virtual environments with packages made on the spot."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def make_environment(interpreter: str, folder: Path, modules: Mapping[str, str]) -> str:
    """The python of a new virtual environment. modules: the texts of files in its site-packages, by their paths."""
    command = [interpreter, "-I", "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    [site] = folder.glob("lib/python3*/site-packages")
    write_files(site, modules)
    return str(folder / "bin" / "python")


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Files by their paths in a folder, with the folders that they lie in."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
