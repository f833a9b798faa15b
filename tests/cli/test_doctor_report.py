"""What `doctor` has seen itself, judged, and all findings as people read them."""

import pytest

from pyflowd_client.cli import checkup_verdicts as verdicts
from pyflowd_client.cli.checkup_verdicts import Place
from pyflowd_client.cli.doctor_report import report
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

PLACE = Place("/r/d.sock", "/r", 1000, 0o700, is_there=True, listens=True, problem="", holder=7)
NOW = 1_800_000_000.0
FINE = Observation(area="kernel", name="memfd", state=Health.OK, detail="works")
URGENT = Observation(
    area="kernel",
    name="bubblewrap",
    state=Health.MISSING,
    detail="not installed " * 9,
    exposes="Everything, " * 9,
    remedy="Install it:\n$ sudo apt-get install bubblewrap " + "x" * 90 + "\nThen go on.",
    matters=True,
)
OPEN = Observation(area="kernel", name="groups", state=Health.MISSING, detail="none", remedy="$ reboot\x1b[2J")


def shown(*findings: Observation) -> list[str]:
    return [text for text, _ in report(findings, 80)]


def test_what_matters_comes_first_with_what_it_exposes_and_what_to_do() -> None:
    lines = shown(FINE, OPEN, URGENT)
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == [
        "NEEDS ATTENTION",
        "GOOD TO KNOW (works as it is)",
        "IN ORDER",
        "1 thing needs attention: see above.",
    ]
    assert lines[2] == "  kernel: bubblewrap"
    assert any(line.startswith("    exposed: Everything") for line in lines)
    assert "    to do:   Install it:" in lines


def test_lines_fit_and_commands_stay_whole() -> None:
    lines = shown(URGENT, OPEN, FINE)
    assert all(len(line) <= 80 for line in lines if "$ " not in line)
    assert "             $ sudo apt-get install bubblewrap " + "x" * 90 in lines
    assert "    to do:   $ reboot?[2J" in lines


def test_what_is_fine_is_short_and_by_area() -> None:
    lines = shown(FINE, Observation(area="disk", name="a", state=Health.OK, detail="b"), FINE)
    assert lines == [
        "IN ORDER",
        "  kernel       memfd: works",
        "               memfd: works",
        "  disk         a: b",
        "",
        "Nothing needs attention.",
    ]


@pytest.mark.parametrize(
    ("place", "state", "words"),
    [
        (PLACE, Health.OK, "held by process 7"),
        (PLACE._replace(listens=False, holder=None), Health.OK, "a socket was left behind"),
        (PLACE._replace(listens=False, is_there=False, holder=None), Health.OK, "no daemon ran"),
        (PLACE._replace(listens=False), Health.ATTENTION, "process 7 holds the lock"),
        (PLACE._replace(listens=False, problem="cannot connect"), Health.ATTENTION, "cannot connect"),
    ],
)
def test_the_socket(place: Place, state: Health, words: str) -> None:
    found = verdicts.socket(place)
    assert found.state is state
    assert words in found.detail
    assert found.matters is (state is Health.ATTENTION)


@pytest.mark.parametrize(
    ("owner", "mode", "state", "matters"),
    [
        (1000, 0o700, Health.OK, False),
        (1000, 0o755, Health.ATTENTION, False),
        (1000, 0o777, Health.ATTENTION, True),
        (1000, 0o770, Health.ATTENTION, True),
        (1, 0o700, Health.ATTENTION, True),
        (None, None, Health.UNKNOWN, False),
    ],
)
def test_the_folder_of_the_socket_is_its_owners_only(
    owner: int | None, mode: int | None, state: Health, matters: bool
) -> None:
    found = verdicts.folder(PLACE._replace(owner=owner, mode=mode), 1000)
    assert (found.state, found.matters) == (state, matters)


def test_a_daemon_of_another_version_is_told_and_restarted() -> None:
    assert verdicts.daemon("1.0", 7, "1.0").state is Health.OK
    other = verdicts.daemon("0.9", 7, "1.0")
    assert (other.state, other.matters) == (Health.ATTENTION, False)
    assert "$ pyflowctl stop" in (other.remedy or "")
    assert verdicts.unexamined("unknown request", is_older=True).matters


def test_clocks_that_are_apart_are_told() -> None:
    assert verdicts.times(NOW, NOW + 1).state is Health.OK
    assert "1 h behind" in verdicts.times(NOW, NOW + 3600).detail
    assert "1 h ahead" in verdicts.times(NOW + 3600, NOW).detail


@pytest.mark.parametrize(("now", "went_on_s", "is_fine"), [(NOW, 0.1, True), (1000.0, 0.1, False), (NOW, 0.0, False)])
def test_a_clock_that_is_not_set_or_stands_still_is_told(now: float, went_on_s: float, is_fine: bool) -> None:
    assert verdicts.clock(now, went_on_s).matters is not is_fine


def test_a_node_that_gives_back_nonsense_has_not_run() -> None:
    assert verdicts.node_ran(True, 0.01, "/log").state is Health.OK
    assert verdicts.node_ran(False, 0.01, "/log").matters
