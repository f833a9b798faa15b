"""What docs/debugging.md shows: commands that there are, and an example of Python that does what it says."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from pyflowd_client.cli.__main__ import build_parser
from support.daemons import RunningDaemon, graph, node

DOCUMENT = (Path(__file__).parents[2] / "docs" / "debugging.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", re.findall(r"^    pyflowctl (.*)$", DOCUMENT, re.MULTILINE))
def test_every_command_is_one(line: str) -> None:
    options = build_parser().parse_args(shlex.split(line))
    assert options.verbose or options.pdb or options.debugpy == 5678


def test_the_example_of_python_looks_into_the_node(
    unharmed: RunningDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYFLOWD_SOCKET", str(unharmed.socket))
    (tmp_path / "graph.md").write_text(graph(node("answer = 42\nraise ValueError")))
    [example] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(example, "docs/debugging.md", "exec"), {})
    assert "{'answer': 42}" in shown.getvalue()
