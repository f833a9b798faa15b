"""Packages made on the spot, and an index that serves them: so no test of environments needs the network."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BACKEND = """
import os, zipfile
from pathlib import Path

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    Path({witness!r}).write_text("built")
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, text in {members!r}.items():
            wheel.writestr(path, text)
    return name
"""


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    recorded: Sequence[str] = (),
) -> Path:
    """A pure wheel with one module that knows its version, whatever other files it shall have, and says it has."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in _members(name, version, files or {}, requires).items():
            more = recorded if member.endswith("/RECORD") else ()
            wheel.writestr(member, text + "".join(f"{path},,\n" for path in more))
    return path


def make_source(folder: Path, name: str, version: str = "1.0", *, witness: Path, root: str | None = None) -> Path:
    """A source distribution that needs nothing to be built, and writes `witness` when it is."""
    top = root or f"{name}-{version}"
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n'
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    members = _members(name, version, {}, ())
    files = {
        f"{top}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{top}/pyproject.toml": project + build,
        f"{top}/backend.py": BACKEND.format(witness=str(witness), name=name, version=version, members=members),
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def _members(name: str, version: str, files: Mapping[str, str], requires: Sequence[str]) -> dict[str, str]:
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    members = {
        f"{name}.py": f"VERSION = {version!r}\n",
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    return {**members, f"{info}/RECORD": record}


class PackageIndex:
    """What lies in `folder`, as a package index at `url`. Of the packages in `silent` it never says anything.

    counts: how often somebody asked which files there are of a package.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.silent: set[str] = set()
        self.was_asked = threading.Event()
        self.counts: Counter[str] = Counter()
        self.url = ""
        self._speaks = threading.Event()

    @contextmanager
    def serving(self) -> Iterator[PackageIndex]:
        """While it is there."""
        server = _Server(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/simple"
        try:
            yield self
        finally:
            self.answer_all()
            server.shutdown()
            server.server_close()
            thread.join()

    def answer_all(self) -> None:
        """From now on there is something to say of every package."""
        self.silent.clear()
        speaks, self._speaks = self._speaks, threading.Event()
        speaks.set()

    def answer(self, path: str) -> bytes | None:
        """The page or the file at a path; None when there is none."""
        kind, _, rest = path.strip("/").partition("/")
        if kind == "files":
            file = self.folder / rest
            return file.read_bytes() if file.is_file() else None
        self.counts[rest] += 1
        if rest in self.silent:
            self.was_asked.set()
            self._speaks.wait()
        files = [file for file in sorted(self.folder.iterdir()) if file.name.split("-")[0].replace("_", "-") == rest]
        links = (f'<a href="/files/{file.name}#sha256={sha256(file)}">{file.name}</a><br>' for file in files)
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode() if files else None


def sha256(file: Path) -> str:
    """In hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing it waits for them

    def handle_error(self, *_: object) -> None:
        """Who asked was killed: that is what such tests are for."""


def _handler(index: PackageIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET(sends=False)

        def do_GET(self, *, sends: bool = True) -> None:
            body = index.answer(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            kind = "text/html" if self.path.startswith("/simple") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if sends:
                self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler
