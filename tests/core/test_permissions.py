"""What may be granted, and that equal grants are one."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.core.effects import SendCall
from pyflowd.core.paths import is_within, topmost
from pyflowd.core.permissions import PermissionCaps, normal, path_problem, profile, variable_problem
from pyflowd.core.profiles import profile_of
from pyflowd_client.protocol import replies
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.options import NO_PERMISSIONS, Permissions
from support.world import World, shape

PYTHON = "/usr/bin/python3"
# Few names, of which one sorts between a folder and what it holds: paths that lie in each other, and that seem to.
PATHS = st.lists(st.sampled_from(["a", "a-b", "b"]), max_size=4).map(lambda parts: "/" + "/".join(parts))
MANY = st.lists(PATHS, max_size=8).map(tuple)
VARIABLES = st.dictionaries(st.sampled_from("XYZ"), st.text("12", max_size=2))
WANTED = st.builds(Permissions, net=st.booleans(), read=MANY, write=MANY, env=VARIABLES, all=st.booleans())
WORKDIR = st.none() | PATHS


@given(MANY, PATHS)
def test_of_paths_that_lie_in_each_other_the_topmost_grant_the_same(paths: tuple[str, ...], path: str) -> None:
    kept = topmost(paths)
    assert set(kept) <= set(paths)
    assert list(kept) == sorted(set(kept))
    assert not any(is_within(one, [other]) for one in kept for other in kept if one != other)
    assert is_within(path, kept) == is_within(path, paths)


@given(WANTED, WORKDIR)
def test_the_normal_form_has_a_normal_form_of_its_own(wanted: Permissions, workdir: str | None) -> None:
    once = normal(wanted, workdir)
    assert normal(once, workdir) == once


@given(WANTED, WORKDIR, PATHS)
def test_nothing_is_lost_or_won_by_it(wanted: Permissions, workdir: str | None, path: str) -> None:
    form = normal(wanted, workdir)
    assert (form.env, form.all) == (wanted.env, wanted.all)
    if wanted.all:
        return
    asked_to_read = (*wanted.read, *wanted.write, *([workdir] if workdir else []))
    assert form.net == wanted.net
    assert is_within(path, form.write) == is_within(path, wanted.write)
    assert is_within(path, (*form.read, *form.write)) == is_within(path, asked_to_read)


@given(WANTED, WORKDIR, st.randoms(use_true_random=False))
def test_equal_grants_have_equal_profiles(wanted: Permissions, workdir: str | None, chance: random.Random) -> None:
    paths = [*wanted.read, *wanted.read, *(f"{path.rstrip('/')}/below" for path in wanted.read)]
    chance.shuffle(paths)
    other = Permissions(net=wanted.net, read=tuple(paths), write=wanted.write, env={"A": "1"}, all=wanted.all)
    ids = [profile(PYTHON, normal(one, workdir), workdir).id for one in (wanted, other)]
    assert ids[0] == ids[1]


@given(WANTED, WORKDIR)
def test_an_id_stands_for_its_profile(wanted: Permissions, workdir: str | None) -> None:
    made = profile(PYTHON, normal(wanted, workdir), workdir)
    assert profile_of(made.id) == made


def test_without_permissions_the_id_is_the_interpreter_and_variables_change_nothing() -> None:
    for wanted in (NO_PERMISSIONS, Permissions(env={"A": "1"})):
        assert profile(PYTHON, normal(wanted, None), None).id == PYTHON


def test_what_may_be_written_need_not_be_granted_for_reading() -> None:
    wanted = Permissions(read=("/data/in", "/data-2", "/out/a"), write=("/out", "/data/in/x"))
    assert normal(wanted, "/out") == Permissions(read=("/data-2", "/data/in"), write=("/data/in/x", "/out"))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "empty"),
        ("data", "not absolute"),
        ("./data", "not absolute"),
        ("~/data", "not absolute"),
        ("/data/../etc", "'..'"),
        ("/..", "'..'"),
        ("/da\0ta", "NUL"),
    ],
)
def test_a_path_that_cannot_be_meant_is_told_why(path: str, problem: str) -> None:
    assert problem in (path_problem(path) or "")


@pytest.mark.parametrize("path", ["/", "/data", "/data/", "/a..b/..c", "//data/./x"])
def test_other_paths_can(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(("name", "value"), [("", "1"), ("A=B", "1"), ("A\0", "1"), ("A", "1\0")])
def test_a_variable_that_no_process_can_have_is_told_why(name: str, value: str) -> None:
    assert variable_problem(name, value)
    assert variable_problem("LD_PRELOAD", "") is None


def refused(caps: PermissionCaps, wanted: Permissions) -> str | None:
    """Why the settings do not let this be granted."""
    error = caps.refusal(wanted)
    assert error is None or error.code is ErrorCode.NOT_PERMITTED
    return error and error.message


@given(WANTED)
def test_without_caps_anything_may_be_granted(wanted: Permissions) -> None:
    assert refused(PermissionCaps(), wanted) is None


@pytest.mark.parametrize(
    "caps",
    [
        PermissionCaps(all=False),
        PermissionCaps(net=False),
        PermissionCaps(read=("/",)),
        PermissionCaps(write=("/",)),
        PermissionCaps(env=("*",)),
    ],
)
def test_everything_may_be_granted_only_where_nothing_is_capped(caps: PermissionCaps) -> None:
    assert "Everything may not be granted" in (refused(caps, Permissions(all=True)) or "")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Permissions(net=True), "The network may not be granted"),
        (Permissions(read=("/data/x", "/database")), "'/database' may not be read, .* lies in: /data, /out"),
        (Permissions(read=("/",)), "'/' may not be read"),
        (Permissions(write=("/out", "/data")), "'/data' may not be written, .* lies in: /out"),
        (Permissions(env={"AWS_KEY": "1", "TOKEN": "1"}), "'TOKEN' may not be passed on, .*; allowed: AWS_\\*, HOME"),
        (Permissions(env={"aws_key": "1"}), "'aws_key' may not"),
    ],
)
def test_what_lies_beyond_a_cap_is_named_with_what_is_allowed(wanted: Permissions, words: str) -> None:
    caps = PermissionCaps(net=False, read=("/data",), write=("/out",), env=("AWS_*", "HOME"))
    assert re.search(words, refused(caps, wanted) or "")
    within = Permissions(read=("/data", "/out/a"), write=("/out/b",), env={"AWS_KEY": "1", "HOME": "/"})
    assert refused(caps, within) is None


def test_a_cap_on_reading_bounds_writing_too_unless_that_has_its_own() -> None:
    assert refused(PermissionCaps(read=("/data",)), Permissions(write=("/etc",)))
    assert refused(PermissionCaps(read=("/data",)), Permissions(write=("/data/out",))) is None
    assert refused(PermissionCaps(read=("/data",), write=()), Permissions(write=("/data/out",)))
    assert refused(PermissionCaps(write=("/out",)), Permissions(read=("/etc",))) is None


def test_beyond_the_caps_no_run_begins() -> None:
    world = World(permissions=PermissionCaps(read=()))
    request = world.submit(shape(1, set()), permissions=Permissions(read=("/etc",)))
    [reply] = world.replies[request]
    assert isinstance(reply, replies.Refused)
    assert reply.error.code is ErrorCode.NOT_PERMITTED
    assert (
        "'/etc' may not be read, the daemon's settings say; allowed is what lies in: no folder" in reply.error.message
    )
    assert not world.controller.runs
    assert not world.warming


def test_the_variables_of_a_run_go_to_each_of_its_nodes_and_to_no_other() -> None:
    world = World()
    world.submit(shape(1, set()))
    world.settle()
    for permissions in (Permissions(env={"A": "1", "B": ""}), NO_PERMISSIONS):
        world.submit(shape(1, set()), permissions=permissions)
    calls = [process.call for process in world.processes.values() if isinstance(process.call, SendCall)]
    assert sorted(call.terms.variables for call in calls) == [(), (("A", "1"), ("B", ""))]
