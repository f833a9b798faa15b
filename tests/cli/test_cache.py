"""What `run` asks for about results that are kept, and how it tells what comes of it."""

import re
import shlex
from pathlib import Path

import pytest

from pyflowd_client.cli.__main__ import build_parser
from pyflowd_client.cli.report import Report
from pyflowd_client.protocol.events import Diagnostic, Event, NodeFinished, NodeOutput, NodeStarted
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.options import RunOptions
from pyflowd_client.protocol.requests import SubmitRun
from pyflowd_client.protocol.states import NodeState
from pyflowd_client.record import RunRecord
from support.client_commands import Pyflowctl
from support.client_peer import FakeDaemon

DOCUMENT = (Path(__file__).parents[2] / "docs" / "caching.md").read_text(encoding="utf-8")
RUN, NODE = RunId("r"), NodeId("n")


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ([], RunOptions()),
        (["--cache"], RunOptions(cache=True)),
        (["--no-cache"], RunOptions(cache=False)),
        (["--cache", "--explain"], RunOptions(cache=True, explain=True)),
    ],
)
def test_the_flags_are_the_options_of_the_request(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path, flags: list[str], asked: RunOptions
) -> None:
    (tmp_path / "g.md").write_text("greet")
    assert pyflowctl("run", str(tmp_path / "g.md"), *flags).returncode == 0
    [request] = [request for request in daemon.asked if isinstance(request, SubmitRun)]
    assert request.options == asked


@pytest.mark.parametrize("line", re.findall(r"^    pyflowctl (run \S+(?: --\S+)+)", DOCUMENT, re.MULTILINE))
def test_every_command_of_the_document_is_one(line: str) -> None:
    options = build_parser().parse_args(shlex.split(line))
    assert options.cache is ("--no-cache" not in line)
    assert options.explain is ("--explain" in line)


def told(capsys: pytest.CaptureFixture[str], *events: Event, **how: bool) -> str:
    record = RunRecord()
    report = Report(record, **how)
    for event in events:
        record.add(event)
        report.show(event)
    return capsys.readouterr().err


def output(seq: int, text: str) -> NodeOutput:
    return NodeOutput(run=RUN, seq=seq, time=0.0, node=NODE, stream="stdout", text=text)


END = NodeFinished(run=RUN, seq=9, time=0.0, node=NODE, title="Adder", state=NodeState.DONE, cached=True)
WHY = Diagnostic(
    run=RUN, seq=1, time=0.0, severity="info", code="cache", message="is executed: x", node=NODE, title="Adder"
)


def test_what_a_node_wrote_that_was_not_executed_is_told_under_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    kept = told(capsys, output(1, "one\ntw"), output(2, "o\r\n\nend"), END)
    started = NodeStarted(run=RUN, seq=1, time=0.0, node=NODE, title="Adder")
    executed = told(capsys, started, output(2, "one\ntw"), output(3, "o\r\n\nend"), END)
    assert kept == executed == "Adder | one\nAdder | two\nAdder | \nAdder | end\n"


def test_reasons_are_told_without_being_verbose_but_not_to_who_wants_it_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(capsys, WHY) == "info: Adder: is executed: x [cache]\n"
    assert told(capsys, WHY, quiet=True) == ""
