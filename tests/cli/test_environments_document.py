"""Every command that docs/environments.md shows is one, and its examples of Python call what is there."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.cli.__main__ import build_parser
from pyflowd_client.environments import Environments

DOCUMENT = (Path(__file__).parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    pyflowctl (.*)$|`pyflowctl ([^`]*)`", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("line", sorted({indented or quoted for indented, quoted in COMMANDS} - {""}))
def test_every_command_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    if words in (["env", "create"], ["env", "show"]):  # named as such, in a sentence
        words.append("science")
    build_parser().parse_args(words)


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", DOCUMENT))))
def test_every_option_is_one_of_run_or_of_a_command_shown(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ""
    for command in (["run"], ["env", "create"], ["env", "prune"], ["env", "lock"]):
        with pytest.raises(SystemExit):
            build_parser().parse_args([*command, "--help"])
        shown += capsys.readouterr().out
    assert option in shown


def test_the_examples_of_python_call_what_is_there() -> None:
    examples = [code for code in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL) if "connect()" in code]
    assert len(examples) == 2
    for code in examples:
        for call in ast.walk(ast.parse(code)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                on_environments = ast.unparse(call.func.value) == "daemon.environments"
                on_daemon = ast.unparse(call.func.value) == "daemon"
                assert not on_environments or hasattr(Environments, call.func.attr)
                assert not on_daemon or hasattr(Client, call.func.attr)
