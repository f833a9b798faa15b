"""A place where daemons follow each other, with an index of packages on this machine: no network is needed."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pyflowd_client.protocol.events import EnvironmentProgress, EnvironmentReady, Event
from pyflowd_client.run import Run
from support.daemons import RunningDaemon, node, running_daemon
from support.packages import PackageIndex, make_wheel

OWN = ("HOME", "UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "XDG_", "http", "HTTP", "ALL_PROXY", "all_proxy", "NO_PROXY")
CLOSED = "http://127.0.0.1:9/simple"  # nobody listens at the port of "discard"
Kind = TypeVar("Kind", bound=Event)


@dataclass
class Workplace:
    """One user's: his folder, his index, his variables. Daemons there have the same environments and learnt imports."""

    folder: Path
    index: PackageIndex
    variables: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def daemon(self, settings: str | None = None, **variables: str) -> Iterator[RunningDaemon]:
        """One that lives there now."""
        seen = {**self.variables, **variables}
        with running_daemon(folder=self.folder, settings=settings, variables=seen) as running:
            yield running

    @contextlib.contextmanager
    def second(self, settings: str) -> Iterator[RunningDaemon]:
        """Another one of the same user, on a socket of its own."""
        folder = self.folder / "second"
        folder.mkdir(exist_ok=True)
        with running_daemon(folder=folder, settings=settings, variables=self.variables) as running:
            yield running

    @property
    def environments(self) -> Path:
        """Where they lie."""
        return self.folder / "d.sock.environments"

    @property
    def complete(self) -> list[str]:
        """The ids of those that exist."""
        return sorted(record.stem.partition("-")[2] for record in self.environments.glob("records/*.json"))

    @property
    def left(self) -> list[Path]:
        """All that lies there for environments: complete ones, half-built ones, and what is only needed meanwhile."""
        return [path for kind in ("named", "built", "work") for path in (self.environments / kind).glob("*")]

    def graph_file(self, text: str, name: str = "graph.json") -> Path:
        """A file with the text of a graph."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


@contextlib.contextmanager
def workplace() -> Iterator[Workplace]:
    """Its index has `apple` 1.0 and 2.0, `banana` 1.0, which requires apple below 2, and whatever a test adds."""
    with tempfile.TemporaryDirectory(prefix="pfw") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("index", "home"):
            (folder / part).mkdir(mode=0o755)
        make_wheel(folder / "index", "apple", "1.0")
        make_wheel(folder / "index", "apple", "2.0")
        make_wheel(folder / "index", "banana", "1.0", requires=["apple<2"])
        with PackageIndex(folder / "index").serving() as index:
            yield Workplace(folder, index, _variables(folder, index.url))


def _variables(folder: Path, url: str) -> dict[str, str]:
    """Those of a user who has set the index, and nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return {**kept, "HOME": str(folder / "home"), **indexed(url), "UV_CACHE_DIR": str(folder / "uv-cache"),
            "PIP_CACHE_DIR": str(folder / "pip-cache"), "PIP_CONFIG_FILE": os.devnull}  # fmt: skip


def indexed(url: str) -> dict[str, str]:
    """The variables that say so to installers."""
    return {"UV_DEFAULT_INDEX": url, "PIP_INDEX_URL": url}


def requiring(text: str, *requirements: str, **others: Any) -> str:
    """A JSON graph that requires these packages besides; others: more of its `dependencies`, or of the document."""
    document: dict[str, Any] = json.loads(text)
    beside = {name: others.pop(name) for name in ("environment", "limits") if name in others}
    stated = {**({"requirements": list(requirements)} if requirements else {}), **others}
    return json.dumps({**document, **beside, "dependencies": stated})


def placed(text: str, environments: Mapping[str, Any]) -> str:
    """A JSON graph with the "environment" of some of its nodes."""
    document = json.loads(text)
    for item in document["nodes"]:
        if item["uuid"] in environments:
            item["environment"] = environments[item["uuid"]]
    return json.dumps(document)


def version_node(package: str) -> str:
    """A node that returns which version of a package of ours it sees."""
    return node(f"import {package}\nreturn {package}.VERSION", returns="str")


def of_kind(events: list[Event], kind: type[Kind]) -> list[Kind]:
    """Those of a kind."""
    return [event for event in events if isinstance(event, kind)]


def was_built(run: Run) -> bool:
    """Follows a run to its end: whether anything was told of an environment that is made."""
    events = list(run)
    return bool(of_kind(events, EnvironmentProgress) or of_kind(events, EnvironmentReady))
