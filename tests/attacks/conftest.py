"""Attacks run on real daemons. With --write-table, what happened becomes the table in docs/security.md."""

from collections import ChainMap
from typing import Any

import pytest

from attacks import table
from attacks.attack import NOT_APPLICABLE
from e2e.conftest import client, daemon, unharmed

__all__ = ["client", "daemon", "unharmed"]

outcomes: dict[tuple[str, str], str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option."""
    parser.addoption("--write-table", action="store_true", help="write what happened into docs/security.md")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how an attack ended."""
    if report.when == "call" and not report.failed:
        told: list[Any] = [value for name, value in report.user_properties if name == "attack"]
        outcomes.update({(title, tier): end for title, tier, end in told})


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table, if every attack was tried in every tier in which there is something to try."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("--write-table", default=False):
        return
    absent = {at: end for at, end in table.expected().items() if end == NOT_APPLICABLE}
    untried = table.expected().keys() - outcomes.keys() - absent.keys()
    if not untried:
        table.write(ChainMap(outcomes, absent))
    else:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line(f"\nthe table is not written: {len(untried)} attacks were not tried, or failed")
