"""PROTOCOL.md says what the types say, and its conversation is one."""

import re
from pathlib import Path

import pytest

from pyflowd_client.protocol.codec import decode_from_daemon
from pyflowd_client.protocol.daemon_codec import decode_request
from pyflowd_client.protocol.errors import ErrorCode, exit_status
from pyflowd_client.protocol.events import EVENTS
from pyflowd_client.protocol.message import Message
from pyflowd_client.protocol.options import (
    Debugging,
    EnvironmentChoice,
    LiveOptions,
    Permissions,
    RunOptions,
    Selection,
)
from pyflowd_client.protocol.replies import (
    REPLIES,
    DetectedEnvironment,
    EnvironmentSummary,
    ForkServer,
    LiveNode,
    NotPreloaded,
    Package,
    Preloaded,
)
from pyflowd_client.protocol.requests import REQUESTS
from pyflowd_client.protocol.states import ChangeKind, DebuggerKind, Health, LiveAction, NodeState, RunState
from pyflowd_client.protocol.version import PROTOCOL_VERSION

DOCUMENT = (Path(__file__).parents[2] / "client" / "PROTOCOL.md").read_text()
ROWS = {row.group(1): row.group(0) for row in re.finditer(r"^\| `(\w+)` \|.*$", DOCUMENT, re.MULTILINE)}
COMMON = {"run", "seq", "time", "change"}


def test_the_document_is_of_this_version() -> None:
    assert DOCUMENT.startswith(f"# The pyflowd protocol, version {PROTOCOL_VERSION}\n")


@pytest.mark.parametrize("messages", [REQUESTS, REPLIES, EVENTS], ids=["requests", "replies", "events"])
def test_every_message_has_a_row_with_all_its_fields(messages: dict[str, type]) -> None:
    for name, kind in messages.items():
        told = set(re.findall(r"\w+", ROWS[name]))
        common = COMMON if messages is EVENTS else set()
        assert set(kind.FIELDS) - common <= told, name  # type: ignore[attr-defined]


def test_every_option_and_state_is_told() -> None:
    options = (
        *RunOptions.FIELDS,
        *Permissions.FIELDS,
        *EnvironmentChoice.FIELDS,
        *LiveOptions.FIELDS,
        *Selection.FIELDS,
        *Debugging.FIELDS,
    )
    for word in (*options, *RunState, *NodeState, *Health, *ChangeKind, *LiveAction, *DebuggerKind):
        assert f"`{word}`" in DOCUMENT


@pytest.mark.parametrize(
    "kind", [DetectedEnvironment, EnvironmentSummary, Package, ForkServer, Preloaded, NotPreloaded, LiveNode]
)
def test_what_is_listed_about_environments_is_told_field_by_field(kind: type[Message]) -> None:
    assert f"`{{{', '.join(kind.FIELDS)}}}`" in DOCUMENT


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_has_a_row_with_its_exit_status(code: ErrorCode) -> None:
    assert ROWS[code].endswith(f"| {exit_status(code).value} |")


def test_the_rows_name_nothing_that_is_not_there() -> None:
    assert set(ROWS) <= {*REQUESTS, *REPLIES, *EVENTS, *ErrorCode, *LiveAction}


def test_the_conversation_decodes() -> None:
    conversation = DOCUMENT[DOCUMENT.index("## A conversation") :]
    lines = re.findall(r"^([<>]) (\{.*\})$", conversation, re.MULTILINE)
    assert len(lines) == 9
    for side, text in lines:
        if side == ">":
            decode_request(text.encode())
        else:
            decoded = decode_from_daemon(text.encode())
            for record in decoded if isinstance(decoded, list) else ():
                assert record.decode() is not None
