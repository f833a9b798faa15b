"""What is left to be preloaded after a module has spoilt a fork server."""

from pyflowd.shell.preload import PRELOADED_MOST, RESTARTS_MOST, Preload


def test_one_module_goes_and_the_others_stay_in_their_order() -> None:
    left = Preload.of(("a", "b", "c")).without("b", "it crashed")
    assert left.names == ("a", "c")
    assert left.refused == (("b", "it crashed"),)


def test_all_go_when_no_single_one_is_to_blame() -> None:
    for unknown in ("", "never asked for"):
        left = Preload.of(("a", "b")).without("a", "it crashed").without(unknown, "lost")
        assert left.names == ()
        assert left.refused == (("a", "it crashed"), ("b", "lost"))


def test_it_comes_to_an_end() -> None:
    names = tuple(f"m{number}" for number in range(PRELOADED_MOST + 1))
    left = Preload.of(names)
    assert left.names == names[:-1]
    for number in range(RESTARTS_MOST):
        left = left.without(f"m{number}", "it crashed")
    assert left.names == ()
    assert {name for name, _ in left.refused} == set(names)
