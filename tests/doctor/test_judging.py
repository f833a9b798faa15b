"""What facts mean: where nothing is missing nothing is asked for; what is missing is told with exposure and remedy."""

from dataclasses import replace

import pytest

from pyflowd.doctor.facts import (
    Bubblewrap,
    ControlGroups,
    Descriptors,
    Environment,
    Folder,
    Interpreter,
    Kernel,
    Memory,
    Users,
)
from pyflowd.doctor.judging import remedies
from pyflowd.doctor.judging.kernel import judge_control_groups, judge_kernel
from pyflowd.doctor.judging.machine import (
    judge_descriptors,
    judge_environment,
    judge_folder,
    judge_interpreter,
    judge_memory,
)
from pyflowd.doctor.judging.sandbox import judge_least, judge_tier, judge_users
from pyflowd.doctor.probing.trials import TRIALS
from pyflowd.sandbox.seccomp import ARCHITECTURES
from pyflowd.sandbox.tiers import Tier
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

GB = 1_000_000_000
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
KERNEL = Kernel(machine="x86_64", trials=dict.fromkeys(TRIALS, ""), landlock=6, modules="", switches={})
WRAPPER = Bubblewrap(program="/usr/bin/bwrap", version="0.8.0")
GROUPS = ControlGroups(is_mounted=True, is_ours=True, controllers=("cpu", "memory", "pids"))
ENVIRONMENT = Environment(
    python="/usr/bin/python3",
    permissions="",
    is_default=True,
    is_warm=True,
    version="3.12.1",
    tier=Tier.T3,
    lacks=(),
    reason="",
    process=7,
    user=1000,
)
USERS = Users(uid=1000, name="ada", node_user="nobody", has_node_user=True)
PYTHON = Interpreter(path="/usr/bin/python3", implementation="cpython", version=(3, 12, 1))
FOLDER = Folder(
    purpose="state", path="/s", free_bytes=50 * GB, all_bytes=100 * GB, free_files=900_000, all_files=1_000_000
)


def features(kernel: Kernel = KERNEL, wrapper: Bubblewrap = WRAPPER, *, is_exposed: bool = True) -> list[Observation]:
    return judge_kernel(kernel, wrapper, "debian", is_exposed=is_exposed)


def failing(trial: str, *, landlock: int = 6, switches: dict[str, int] | None = None) -> Kernel:
    trials = {**KERNEL.trials, trial: "Operation not permitted"}
    return replace(KERNEL, trials=trials, landlock=landlock, switches=switches or {})


def only_bad(found: list[Observation]) -> Observation:
    [bad] = [one for one in found if one.state is not Health.OK]
    return bad


def test_where_nothing_is_missing_nothing_is_asked_for() -> None:
    found = [
        *features(),
        judge_control_groups(GROUPS, "debian"),
        judge_tier(ENVIRONMENT, Tier.T3),
        judge_least(Tier.T1),
        *judge_users([ENVIRONMENT], USERS),
        judge_interpreter(PYTHON),
        judge_environment(ENVIRONMENT),
        judge_folder(FOLDER),
        judge_memory(Memory(available=2 * GB, all=8 * GB)),
        judge_descriptors(Descriptors(most=4096, needed=432)),
    ]
    assert {one.state for one in found} == {Health.OK}
    assert not any(one.matters or one.exposes or one.remedy for one in found)


@pytest.mark.parametrize(
    ("kernel", "wrapper", "name", "command"),
    [
        (KERNEL, Bubblewrap(program=None), "bubblewrap", "$ sudo apt-get install bubblewrap"),
        (KERNEL, replace(WRAPPER, problem="no"), "bubblewrap", "Docker"),
        (failing("Landlock", landlock=0), WRAPPER, "Landlock", "lsm=landlock,"),
        (replace(KERNEL, landlock=5), WRAPPER, "Landlock", "Linux 6.12"),
        (replace(KERNEL, landlock=3), WRAPPER, "Landlock", "Linux 6.12"),
        (failing("Landlock"), WRAPPER, "Landlock", "Linux 6.12"),
        (failing("seccomp"), WRAPPER, "seccomp", "CONFIG_SECCOMP_FILTER"),
        (replace(failing("seccomp"), machine="riscv64"), WRAPPER, "seccomp", "aarch64"),
        (failing("no_new_privs"), WRAPPER, "no_new_privs", "Linux 5.4"),
        (failing("pidfd"), WRAPPER, "pidfd", "Linux 5.4"),
        (failing("memfd"), WRAPPER, "memfd", "Linux 5.4"),
    ],
)
def test_a_missing_layer_matters_to_who_is_exposed_and_is_told_with_its_remedy(
    kernel: Kernel, wrapper: Bubblewrap, name: str, command: str
) -> None:
    bad = only_bad(features(kernel, wrapper))
    assert bad.name == name
    assert bad.state in (Health.ATTENTION, Health.MISSING)
    assert bad.matters
    assert bad.exposes
    assert command in (bad.remedy or "")


@pytest.mark.parametrize(
    ("switches", "command"),
    [
        ({"user.max_user_namespaces": 0}, "user.max_user_namespaces=15000"),
        ({"kernel.unprivileged_userns_clone": 0}, "kernel.unprivileged_userns_clone=1"),
        ({APPARMOR: 1}, "sudo apparmor_parser -r /etc/apparmor.d/bwrap"),
        ({}, "CONFIG_USER_NS"),
    ],
)
def test_what_closes_user_namespaces_is_named_and_opened(switches: dict[str, int], command: str) -> None:
    found = features(failing("user namespaces", switches=switches), replace(WRAPPER, problem="no"))
    told = {one.name: one for one in found if one.state is not Health.OK}
    assert set(told) == {"user namespaces", "bubblewrap"}
    assert command in (told["user namespaces"].remedy or "")
    assert "user namespaces" in (told["bubblewrap"].remedy or "")
    assert all(one.matters for one in told.values())
    for name in switches:
        assert name in told["user namespaces"].detail


def test_user_namespaces_that_only_bubblewrap_can_make_are_enough() -> None:
    assert not any(one.matters for one in features(failing("user namespaces", switches={APPARMOR: 1})))


def test_what_a_higher_tier_does_as_well_only_informs() -> None:
    for kernel, wrapper in (
        (failing("Landlock", landlock=0), WRAPPER),
        (replace(KERNEL, landlock=2), WRAPPER),
        (KERNEL, replace(WRAPPER, has_setuid=True)),
    ):
        bad = only_bad(features(kernel, wrapper, is_exposed=False))
        assert not bad.matters
        assert bad.exposes
        assert bad.remedy


def test_what_could_not_be_tried_is_unknown() -> None:
    found = features(replace(KERNEL, trials={}, landlock=0))
    assert {one.name for one in found if one.state is Health.UNKNOWN} == set(TRIALS)


@pytest.mark.parametrize(
    "groups",
    [
        ControlGroups(is_mounted=False),
        replace(GROUPS, is_ours=False),
        replace(GROUPS, controllers=("cpu", "memory")),
    ],
)
def test_control_groups_inform_only(groups: ControlGroups) -> None:
    found = judge_control_groups(groups, "fedora")
    assert (found.state, found.matters) == (Health.MISSING, False)
    assert found.exposes
    assert found.remedy


def test_an_unknown_distribution_is_shown_all_commands() -> None:
    told = remedies.of_family(remedies.INSTALL, "", package="bubblewrap")
    assert "Fedora:\n$ sudo dnf install bubblewrap" in told
    assert "Debian, Ubuntu:\n$ sudo apt-get install bubblewrap" in told


def test_the_filters_that_are_told_are_those_that_there_are() -> None:
    from pyflowd.doctor.judging.kernel import FILTERED

    assert FILTERED == ARCHITECTURES


@pytest.mark.parametrize(("tier", "matters"), [(Tier.T2, False), (Tier.T1, True), (Tier.T0, True)])
def test_a_lower_tier_says_why_and_what_it_exposes(tier: Tier, matters: bool) -> None:
    found = judge_tier(replace(ENVIRONMENT, tier=tier, lacks=("T3: no bwrap", "T2: no bwrap", "a bound")), Tier.T3)
    assert (found.state, found.matters) == (Health.ATTENTION, matters)
    assert found.detail.startswith(f"{tier.name}: ")
    assert found.detail.endswith("What is lacking: no bwrap (for T3 and T2); a bound")
    assert found.exposes
    assert found.remedy


def test_a_tier_that_the_settings_keep_low_is_raised_by_them() -> None:
    found = judge_tier(replace(ENVIRONMENT, tier=Tier.T1), Tier.T1)
    assert "the settings allow no higher tier" in found.detail
    assert "maximum_tier" in (found.remedy or "")


def test_a_tier_that_is_not_known_is_not_guessed() -> None:
    assert judge_tier(replace(ENVIRONMENT, tier=None), Tier.T3).state is Health.UNKNOWN


def test_settings_that_demand_no_tier_are_told() -> None:
    found = judge_least(Tier.T0)
    assert (found.state, found.matters) == (Health.ATTENTION, False)
    assert 'minimum_tier = "T1"' in (found.remedy or "")


def test_nodes_are_somebody() -> None:
    root = replace(USERS, uid=0, name="root")
    [own] = judge_users([ENVIRONMENT], USERS)
    [mapped] = judge_users([replace(ENVIRONMENT, user=65534)], root)
    [as_root] = judge_users([replace(ENVIRONMENT, user=0, tier=Tier.T1)], root)
    [permitted] = judge_users([replace(ENVIRONMENT, user=0, permissions="everything")], root)
    assert "ada (uid 1000), who is shown as nobody" in own.detail
    assert "nobody (uid 65534)" in mapped.detail
    assert [one.matters for one in (own, mapped, as_root, permitted)] == [False, False, True, False]
    assert judge_users([replace(ENVIRONMENT, user=None)], USERS) == []


def test_a_root_without_a_user_for_nodes_is_told_to_make_one() -> None:
    [missing] = judge_users([], replace(USERS, uid=0, has_node_user=False))
    assert (missing.state, missing.matters) == (Health.MISSING, True)
    assert "$ sudo useradd" in (missing.remedy or "")


@pytest.mark.parametrize(
    ("change", "words", "matters"),
    [
        ({"problem": "it cannot be started"}, "cannot be used: it cannot be started", True),
        ({"implementation": "pypy"}, "pypy 3.12.1, is not CPython", True),
        ({"version": (3, 7, 9)}, "CPython 3.7.9, is too old", True),
        ({"version": (3, 15, 0)}, "newer than what was tested", False),
    ],
)
def test_interpreters_that_do_not_fit(change: dict[str, str], words: str, matters: bool) -> None:
    found = judge_interpreter(replace(PYTHON, **change))  # type: ignore[arg-type]
    assert words in found.detail
    assert found.matters is matters
    assert "3.8 to 3.14" in (found.remedy or "")


def test_an_environment_that_cannot_be_used_says_why() -> None:
    broken = replace(ENVIRONMENT, is_warm=False, reason="it is no Python")
    assert "it is no Python" in judge_environment(broken).detail
    assert judge_environment(broken).matters
    assert not judge_environment(replace(broken, is_default=False)).matters
    assert judge_environment(replace(ENVIRONMENT, is_warm=False)).state is Health.UNKNOWN


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"free_bytes": GB // 2}, True),
        ({"free_bytes": GB // 2, "all_bytes": GB}, False),  # a runtime folder in memory is small
        ({"free_bytes": GB // 50, "all_bytes": GB}, True),
        ({"free_files": 10_000}, True),
        ({"free_files": 0, "all_files": 0}, False),  # they are not counted there
    ],
)
def test_little_space_is_told(change: dict[str, int], matters: bool) -> None:
    assert judge_folder(replace(FOLDER, **change)).matters is matters


def test_little_memory_and_few_descriptors_are_told() -> None:
    assert judge_memory(Memory(available=GB // 10, all=8 * GB)).matters
    assert judge_descriptors(Descriptors(most=256, needed=432)).matters
