"""What a graph says it needs and does not get."""

import pytest

from pyflowd.core.needs import missing, needed
from pyflowd.core.permissions import normal, profile
from pyflowd.core.profiles import NOWHERE
from pyflowd.graph.diagnostics import MOST_OF_A_KIND, DiagnosticCode, Severity
from pyflowd.graph.needs import Need, NeedKind
from pyflowd_client.protocol import events
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.options import NO_PERMISSIONS, Permissions
from support.world import World, shape

NET = Need(kind=NeedKind.NET)
TOKEN = Need(kind=NeedKind.ENV, target="TOKEN")


def reads(target: str, path: str | None = None) -> Need:
    return Need(kind=NeedKind.READ, target=target, path=path)


def writes(target: str, path: str | None = None) -> Need:
    return Need(kind=NeedKind.WRITE, target=target, path=path)


def is_missed(need: Need, workdir: str | None = None, **granted: object) -> bool:
    permissions = normal(Permissions(**granted), workdir)  # type: ignore[arg-type]
    return bool(missing([need], permissions, workdir))


def test_what_was_granted_is_not_missed() -> None:
    assert not is_missed(NET, net=True)
    assert not is_missed(TOKEN, env={"TOKEN": ""})
    assert not is_missed(reads("/data/x", "/data/x"), read=("/data",))
    assert not is_missed(reads("/data/x", "/data/x"), write=("/data",))
    assert not is_missed(writes("/data/x", "/data/x"), write=("/data/x",))


def test_what_was_not_is() -> None:
    assert is_missed(NET, read=("/",))
    assert is_missed(TOKEN, env={"TOKENS": ""})
    assert is_missed(reads("/data", "/data"), read=("/data/x", "/data-2"))
    assert is_missed(writes("/data/x", "/data/x"), read=("/data",))


def test_everything_includes_all_but_variables() -> None:
    assert not any(is_missed(need, all=True) for need in (NET, reads("/x", "/x"), writes("x")))
    assert is_missed(TOKEN, all=True)


def test_relative_paths_lie_where_nodes_start() -> None:
    assert not is_missed(reads("x"), workdir="/work")
    assert is_missed(reads("../x"), workdir="/work")
    assert not is_missed(reads("../x"), workdir="/work", read=("/x",))
    assert is_missed(writes("x"), workdir="/work")
    assert not is_missed(writes("x"), workdir="/work", write=("/work/x",))
    assert is_missed(reads("x"), read=("/",))


@pytest.mark.parametrize(
    ("need", "message"),
    [
        (NET, "The graph says it needs the network: grant it with --allow-net"),
        (TOKEN, "The graph says it needs the variable 'TOKEN': grant it with --allow-env TOKEN"),
        (reads("/data", "/data"), "The graph says it needs to read '/data': grant it with --allow-read /data"),
        (
            Need(kind=NeedKind.WRITE, target="~/a b", path="/home/a b", node=NodeId("a"), title="A", reason="a cache"),
            "\"A\" says it needs to write '~/a b' (a cache): grant it with --allow-write '/home/a b'",
        ),
        (reads("x"), "The graph says it needs to read 'x': grant it with --workdir DIR --allow-read DIR/x"),
    ],
)
def test_each_is_told_with_the_flag_that_grants_it(need: Need, message: str) -> None:
    [told] = needed([need])
    assert (told.severity, told.code, told.message) == (Severity.INFO, DiagnosticCode.NEEDS_PERMISSION, message)
    assert (told.node, told.title) == (need.node, need.title)
    [missed] = missing([need], NO_PERMISSIONS, None)
    assert (missed.severity, missed.code) == (Severity.WARNING, DiagnosticCode.MISSING_PERMISSION)
    assert missed.message == message.replace(": grant", ", which was not granted: grant")


def test_a_relative_path_is_granted_where_the_run_would_look() -> None:
    [missed] = missing([writes("x")], NO_PERMISSIONS, "/work")
    assert missed.message.endswith("grant it with --allow-write /work/x")


def test_of_many_the_first_are_told_and_the_others_counted() -> None:
    told = needed([reads(str(number)) for number in range(MOST_OF_A_KIND + 5)])
    assert len(told) == MOST_OF_A_KIND + 1
    assert "5 more" in told[-1].message


def test_a_run_is_warned_before_it_starts_of_what_it_alone_lacks() -> None:
    document = shape(1, set()).removesuffix("}") + ', "permissions": {"net": true, "read": ["x"]}}'
    world = World()
    told = []
    for permissions, workdir in ((NO_PERMISSIONS, None), (Permissions(net=True), "/work")):
        granted = normal(permissions, workdir)
        wanted = profile(NOWHERE, granted, workdir).id
        request = world.submit(document, profile=wanted, permissions=granted)
        world.settle()
        story = world.events[world.run_of(request)]
        told.append([event.code for event in story if isinstance(event, events.Diagnostic)])
        assert isinstance(story[len(told[-1])], events.RunStarted)
    assert told == [["missing_permission"] * 2, []]
