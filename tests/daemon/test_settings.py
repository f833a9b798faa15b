"""The settings file: what it may say, and what is said of what it may not."""

from dataclasses import fields
from pathlib import Path

import pytest

from pyflowd.core.limits import Limits
from pyflowd.settings import Settings, SettingsError, read_settings
from pyflowd_client.protocol.requests import LIMITS, RunOptions


def read(folder: Path, text: str, **flags: object) -> Settings:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path, flags)


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "none.toml", {}) == read_settings(None, {}) == Settings()


def test_flags_win_over_the_file_which_wins_over_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, "spares = 3\nrunning = 7\n", spares=5, running=None)
    assert (settings.spares, settings.running, settings.leave_after_s) == (5, 7, Settings().leave_after_s)


def test_every_limit_is_known_everywhere() -> None:
    assert {field.name for field in fields(Limits)} == set(LIMITS) <= set(RunOptions.FIELDS)


def test_limits_are_defaults_and_caps_bound_them(tmp_path: Path) -> None:
    text = "[limits]\ntimeout_s = 5\ncpu_s = 9\n[caps]\ncpu_s = 4\nmemory_bytes = 1000\nrun_timeout_s = 60\n"
    settings = read(tmp_path, text)
    assert settings.limits == Limits(timeout_s=5.0, cpu_s=4, memory_bytes=1000, run_timeout_s=60.0)
    assert settings.caps == {"cpu_s": 4, "memory_bytes": 1000, "run_timeout_s": 60.0}
    policy = settings.policy(leaves_when_idle=False)
    assert (policy.call, policy.caps) == (settings.limits, settings.caps)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spare = 3\n", "unknown setting `spare`; known are python"),
        ("[limits]\nmemory = 3\n", "limits: unknown setting `memory`; known are timeout_s"),
        ("[caps]\ncpu_s = 1.5\n", "`caps.cpu_s` must be int, not float"),
        ("[limits]\nopen_files = 0\n", "`limits.open_files` must be over 0"),
        ("[limits]\ntimeout_s = inf\n", "`limits.timeout_s` must be a number of 0 or more"),
        ("limits = 3\n", "`limits` must be a table"),
        ("spares = -1\n", "`spares` must be a number of 0 or more"),
        ("spares = true\n", "`spares` must be int, not bool"),
        ("spares = \n", "config.toml: "),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
