"""The settings file: what it may say, and what is said of what it may not."""

from dataclasses import fields
from pathlib import Path

import pytest

from pyflowd.core.limits import Limits
from pyflowd.core.permissions import PermissionCaps
from pyflowd.environments import selection
from pyflowd.environments.settings import MANAGERS, EnvironmentSettings
from pyflowd.settings import CacheSettings, SandboxSettings, Settings, SettingsError, read_settings
from pyflowd_client.protocol.options import LIMITS, RunOptions


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


def test_the_room_for_last_values_can_be_set(tmp_path: Path) -> None:
    assert read(tmp_path, "last_values_bytes = 5\n").policy(leaves_when_idle=False).last_values_bytes == 5
    assert Settings().policy(leaves_when_idle=True).last_values_bytes == 256_000_000
    with pytest.raises(SettingsError, match="last_values_bytes"):
        read(tmp_path, "last_values_bytes = -1\n")


def test_what_clients_may_grant_is_capped_by_real_folders(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    data = str((tmp_path / "data").resolve())
    text = (
        f'[permissions]\nnet = false\nread = ["{tmp_path}/link", "/gone"]\nwrite = []\nenv = ["AWS_*"]\nall = false\n'
    )
    settings = read(tmp_path, text)
    assert settings.permissions == PermissionCaps(net=False, read=(data, "/gone"), write=(), env=("AWS_*",), all=False)
    assert settings.policy(leaves_when_idle=False).permissions == settings.permissions
    assert read(tmp_path, "[permissions]\n").permissions == PermissionCaps()


def test_the_sandbox_has_its_own_table(tmp_path: Path) -> None:
    settings = read(tmp_path, '[sandbox]\nminimum_tier = "T3"\nnode_user = "nodes"\n')
    assert settings.sandbox == SandboxSettings(minimum_tier="T3", maximum_tier="T3", node_user="nodes")
    assert Settings().sandbox == SandboxSettings(minimum_tier="T1", node_user="nobody")


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
        (
            "[permissions]\nnetwork = true\n",
            "permissions: unknown setting `network`; known are net, read, write, env, all",
        ),
        ("[permissions]\nnet = 1\n", "`permissions.net` must be bool, not int"),
        ('[permissions]\nread = "/data"\n', "`permissions.read` must be list, not str"),
        ("[permissions]\nread = [1]\n", "`permissions.read` must be a list of texts, and 1 is none"),
        (
            '[permissions]\nwrite = ["out"]\n',
            "`permissions.write`: 'out' is no folder that can be meant: it is not absolute",
        ),
        (
            '[permissions]\nwrite = ["/a/../b"]\n',
            "`permissions.write`: '/a/../b' is no folder that can be meant: it has '..'",
        ),
        ("[permissions]\nenv = [true]\n", "`permissions.env` must be a list of texts, and True is none"),
        ("permissions = true\n", "`permissions` must be a table"),
        ('[sandbox]\nminimum_tier = "T4"\n', "`sandbox.minimum_tier` must be one of T0, T1, T2, T3"),
        ('[sandbox]\nminimum_tier = "T2"\nmaximum_tier = "T1"\n', "`sandbox.minimum_tier` is above"),
        ('[sandbox]\nnode_user = ""\n', "`sandbox.node_user` must name a user"),
        (
            '[sandbox]\ntier = "T1"\n',
            "sandbox: unknown setting `tier`; known are minimum_tier, maximum_tier, node_user",
        ),
        ("[sandbox]\nminimum_tier = 1\n", "`sandbox.minimum_tier` must be str, not int"),
        ("[cache]\nsize = 1\n", "cache: unknown setting `size`; known are enabled, size_bytes"),
        ("[cache]\nenabled = 1\n", "`cache.enabled` must be bool, not int"),
        ("[cache]\nsize_bytes = -1\n", "`cache.size_bytes` must be a number of 0 or more"),
        ("cache = true\n", "`cache` must be a table"),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_the_settings_of_environments_are_those_that_their_document_shows(tmp_path: Path) -> None:
    """It shows each with its default, and one that is kept warm."""
    text = (Path(__file__).parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")
    [shown] = [part.partition("```")[0] for part in text.split("```toml\n")[1:]]
    settings = read(tmp_path, shown).environments
    assert settings == EnvironmentSettings(warm={"science": ("numpy", "pandas")})
    assert all(f"{field.name} = " in shown for field in fields(EnvironmentSettings) if field.name != "warm")


def test_the_settings_of_results_are_those_that_their_document_shows(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "caching.md").read_text(encoding="utf-8")
    [shown] = [part.partition("```")[0] for part in text.split("```toml\n")[1:]]
    assert read(tmp_path, shown).cache == CacheSettings()
    assert all(f"{field.name} = " in shown for field in fields(CacheSettings))
    other = read(tmp_path, "[cache]\nenabled = true\nsize_bytes = 5\n")
    assert other.cache == CacheSettings(enabled=True, size_bytes=5)
    assert other.policy(leaves_when_idle=False).keeps_results


def test_warmth_has_its_figures_from_the_settings(tmp_path: Path) -> None:
    text = "[environments]\nidle_s = 7\nmost = 3\nmemory_bytes = 1000\n"
    pool = read(tmp_path, text).policy(leaves_when_idle=False).pool
    assert (pool.retire_s, pool.environments, pool.memory_bytes) == (7.0, 3, 1000)
    default = Settings().policy(leaves_when_idle=False).pool.memory_bytes
    assert default is not None
    assert default > 10**8


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("environments = 1\n", "environments"),
        ("[environments]\nmanger = 'uv'\n", "manger"),
        ("[environments]\nmanager = 'conda'\n", "environments.manager"),
        ("[environments]\nfolder = 'here'\n", "environments.folder"),
        ("[environments]\nmost = -1\n", "environments.most"),
        ("[environments]\nwarm = ['science']\n", "environments.warm"),
        ("[environments.warm]\nscience = 1\n", "environments.warm"),
        ("[environments.warm.science]\nload = []\n", "load"),
        ("[environments.warm.science]\npreload = ['os; import x']\n", "environments.warm.science.preload"),
        ("[environments.warm.science]\npreload = [1]\n", "environments.warm.science.preload"),
    ],
)
def test_mistakes_about_environments_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read(tmp_path, text)


def test_every_manager_can_be_set() -> None:
    assert set(MANAGERS) == {"auto", *selection.MANAGERS}
