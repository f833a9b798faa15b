"""What the README says of limits, permissions and settings is so."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from pyflowd.core.limits import Limits
from pyflowd.settings import read_settings
from pyflowd_client.cli.__main__ import build_parser
from pyflowd_client.cli.arguments import size_bytes
from pyflowd_client.protocol.options import LIMITS, Permissions

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(--[\w-]+) \w+` \| `(\w+)` \| ([^|]+) \|", README, re.MULTILINE)


def test_every_limit_has_a_row_with_its_default() -> None:
    assert sorted(name for _, name, _ in ROWS) == sorted(LIMITS)
    for _, name, default in ROWS:
        figure = getattr(Limits(), name)
        assert (None if default == "none" else size_bytes(default)) == figure, name


def test_every_option_is_there() -> None:
    options = [text for flag, _, _ in ROWS for text in (flag, "1")]
    build_parser().parse_args(["run", "graph.md", *options])


def test_the_settings_shown_can_be_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "config.toml"
    path.write_text(text)
    shown = tomllib.loads(text)
    settings = read_settings(path, {})
    assert settings.limits.timeout_s == shown["limits"]["timeout_s"]
    assert settings.caps == shown["caps"]
    for name, cap in shown["permissions"].items():
        assert getattr(settings.permissions, name) == (tuple(cap) if isinstance(cap, list) else cap)
    assert {field.name for field in fields(settings.permissions)} == shown["permissions"].keys()
    for field in fields(settings.sandbox):
        assert f"`{field.name}`" in README


def test_every_permission_has_a_row() -> None:
    told = re.findall(r"^\| `(--allow-\w+|--workdir)[ `]", README, re.MULTILINE)
    assert {f"--allow-{name}" for name in Permissions.FIELDS} | {"--workdir"} == set(told)
