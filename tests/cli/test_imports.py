"""A command lasts about as long as its imports: what loads on the way of the common ones is held here."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.client_peer import FakeDaemon

SHOW = """
import sys
from pyflowd_client.cli.__main__ import main
sys.argv[0] = "pyflowctl"
status = main({arguments!r})
assert status == 0, status
print("loaded", *sys.modules, file=sys.stderr)
"""
NEVER = {"pyflowd", "networkx", "psutil", "markdown_it"}
NOT_ON_THE_WAY = {
    *NEVER,
    "asyncio",
    "dataclasses",
    "importlib.metadata",
    "inspect",
    "logging",
    "orjson",
    "pathlib",
    "platformdirs",
    "pyflowd_client.cli.env_arguments",
    "pyflowd_client.cli.node_arguments",
    "pyflowd_client.cli.node_report",
    "pyflowd_client.environments",
    "pyflowd_client.requirements",
    "pyflowd_client.requirements_file",
    "rich",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "urllib.parse",
    "zmq.asyncio",
}
if sys.version_info >= (3, 14):
    NOT_ON_THE_WAY -= {"dataclasses", "inspect"}  # argparse itself loads them, for its colours


def loaded(environment: dict[str, str], *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


def test_run_loads_nothing_that_it_does_not_need(
    daemon: FakeDaemon, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "g.md").write_text("greet")
    assert not loaded(environment, "run", str(tmp_path / "g.md")) & NOT_ON_THE_WAY


def test_version_does_not_even_load_the_transport(environment: dict[str, str]) -> None:
    assert not loaded(environment, "version") & {*NOT_ON_THE_WAY, "zmq"}


@pytest.mark.parametrize("module", ["pyflowd_client", "pyflowd_client.protocol.codec"])
def test_the_protocol_alone_needs_no_transport(module: str) -> None:
    show = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=30, check=True)
    assert not set(done.stdout.split()) & {*NOT_ON_THE_WAY, "zmq"}


def test_every_public_name_can_be_had_and_none_loads_the_daemon() -> None:
    show = (
        "import sys, pyflowd_client as package\n"
        "for name in package.__all__: assert getattr(package, name) is not None\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=30, check=True)
    assert not set(done.stdout.split()) & NEVER


def test_the_package_and_the_distribution_have_one_version() -> None:
    from importlib.metadata import version

    from pyflowd_client import __version__

    assert version("pyflowd") == __version__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    import pyflowd_client

    with pytest.raises(AttributeError, match="no_such_name"):
        pyflowd_client.no_such_name  # noqa: B018
