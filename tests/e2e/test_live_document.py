"""What docs/live.md says is so: its conversation is replayed, its commands and its Python call what is there."""

import ast
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from pyflowd_client.aio_live import AsyncLive
from pyflowd_client.blocking import Client
from pyflowd_client.cli.__main__ import build_parser
from pyflowd_client.cli.live_lines import SHAPES
from pyflowd_client.live import Live
from support.daemons import RunningDaemon
from support.live_programs import LiveProgram

DOCUMENT = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
[GRAPH] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
[CONVERSATION] = re.findall(r"```\n([<>].*?)```", DOCUMENT, re.DOTALL)
COMMANDS = re.findall(r"^    pyflowctl (.*)$", DOCUMENT, re.MULTILINE)


def fits(told: Any, shown: Any) -> bool:
    """Whether what was told has all that is shown."""
    if isinstance(shown, dict):
        return isinstance(told, dict) and all(name in told and fits(told[name], shown[name]) for name in shown)
    return bool(told == shown)


def test_the_conversation_is_one(unharmed: RunningDaemon, tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(GRAPH)
    environment = os.environ | {"PYFLOWD_SOCKET": str(unharmed.socket)}
    *lines, last = CONVERSATION.splitlines()
    with LiveProgram(environment, str(tmp_path / "graph.json")) as live:
        for line in lines:
            if line.startswith("> "):
                live.say(line[2:])
            else:
                shown = json.loads(line[2:])
                while not fits(live.hear(), shown):
                    pass
        assert live.end() == 0
        assert fits(live.told[-1], json.loads(last[2:]))


def test_every_change_has_a_row_with_its_fields() -> None:
    found = re.findall(r"^\| (`\{\".*)$", DOCUMENT, re.MULTILINE)
    rows = {name: row for row in found for name in SHAPES if f'{{"{name}"' in row}
    assert rows.keys() == SHAPES.keys()
    for name, shape in SHAPES.items():
        assert all(
            f"`{field}`" in rows[name] or f'"{field}"' in rows[name] for field in shape.fields if field != "kind"
        )


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    build_parser().parse_args(shlex.split(line))


def test_every_option_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["live", "--help"])
    shown = capsys.readouterr().out
    options = set(re.findall(r"`(--[a-z-]+)", DOCUMENT))
    assert {option for option in options if option not in shown} == set()
    assert {"--isolation", "--follow", "--linger"} <= options


def test_the_python_calls_what_is_there() -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    homes = {"live": Live, "daemon": Client}
    called = [
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert {name for name, _ in called} == homes.keys()
    assert all(hasattr(homes[name], attribute) for name, attribute in called)
    named = re.search(r"^`set`, .*?return", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert named is not None
    for method in re.findall(r"`(\w+)`", named.group()):
        assert hasattr(Live, method)
        assert hasattr(AsyncLive, method)
