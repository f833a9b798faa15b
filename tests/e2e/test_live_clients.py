"""Live sessions from end to end: the library and `pyflowctl live` with a real daemon and real nodes."""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyflowd_client.aio import connect_async
from pyflowd_client.blocking import Client
from pyflowd_client.errors import ChangeRefused, RequestUnsendable
from pyflowd_client.protocol import events
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES
from pyflowd_client.protocol.states import NodeState, RunState
from support.client_commands import COMMAND
from support.daemons import ADD, RunningDaemon, graph, node
from support.live_programs import LiveProgram
from support.terminals import Terminal

EXAMPLES = Path(__file__).parents[2] / "examples"
DOUBLE = node("return y * 2", "y: int")
CYCLE = graph(DOUBLE, DOUBLE, edges=(("n0", "output_1", "n1", "y"), ("n1", "output_1", "n0", "y")))
CHAIN = graph(ADD, DOUBLE, edges=(("n0", "output_1", "n1", "y"),))


def environment(daemon: RunningDaemon) -> dict[str, str]:
    return {**os.environ, "PYFLOWD_SOCKET": str(daemon.socket)}


def test_a_change_that_is_made_at_once_waits_for_the_session_to_begin(client: Client) -> None:
    with client.live_document(CHAIN) as live:
        live.set("n0", "x", 20)
        assert live.settle(20).values == {"Node 0": {"output_1": 21}, "Node 1": {"output_1": 42}}
        assert live.states == {"Node 0": NodeState.DONE, "Node 1": NodeState.DONE}


def test_a_burst_of_changes_ends_with_the_last_value_after_few_executions(client: Client) -> None:
    with client.live_document(CHAIN) as live:
        live.settle(20)
        for number in range(1000):
            live.set("n0", "x", number)
        assert live.settle(30).values["n1"] == {"output_1": 2000}
        assert sum(one.runs for one in live.record.nodes.values()) < 600


def test_every_bad_change_is_refused_with_a_reason_and_the_session_goes_on(client: Client) -> None:
    with client.live_document(CHAIN) as live:
        live.settle(20)
        for make, message in (
            (lambda: live.set("nobody", "x", 1), 'no node "nobody"'),
            (lambda: live.set("n0", "nothing", 1), "nothing"),
            (lambda: live.trigger("nobody"), 'no node "nobody"'),
            (lambda: live.every(0, "n0"), "0.01"),
            (lambda: live.update_document(CYCLE), "cannot be run"),
            (lambda: live.update_document("{"), "cannot be run"),
        ):
            with pytest.raises(ChangeRefused, match=message):
                make() and live.settle(20)
        with pytest.raises(RequestUnsendable):
            live.set("n0", "x", "x" * MAX_REQUEST_BYTES)
        live.set("n0", "x", 4)
        assert live.settle(20).values["n1"] == {"output_1": 10}


def test_a_node_that_the_graph_no_longer_has_is_gone_and_a_new_one_is_there(client: Client) -> None:
    with client.live_document(CHAIN) as live:
        live.settle(20)
        live.update_document(graph(ADD, n0="Renamed"))
        assert live.settle(20).values == {"Renamed": {"output_1": 1}}


def test_code_that_cannot_be_compiled_is_an_error_of_its_node_until_it_is_mended(client: Client) -> None:
    with client.live_document(graph(ADD, "@node_entry\ndef f(:\n")) as live:
        assert "invalid syntax" in live.settle(20).errors["n1"].message
        assert live.values == {"Node 0": {"output_1": 1}}
        live.update_document(graph(ADD, ADD))
        assert live.settle(20).values["n1"] == {"output_1": 1}
        assert live.record.nodes["n0"].runs == 1  # type: ignore[index]


@pytest.mark.parametrize("document", ["{", CYCLE], ids=["no graph", "cycle"])
def test_what_is_refused_as_a_whole_ends_the_session_that_is_opened_with_it(client: Client, document: str) -> None:
    with client.live_document(document) as live:
        assert live.settle(20).state is RunState.FAILED
    assert live.record.error is not None
    assert live.record.error.code is ErrorCode.BAD_GRAPH


def test_a_paused_session_executes_nothing_until_it_is_resumed(client: Client) -> None:
    with client.live_document(CHAIN, paused=True) as live:
        assert live.settle(20).states == {"Node 0": NodeState.WAITING, "Node 1": NodeState.WAITING}
        live.set("n0", "x", 1)
        assert dict(live.settle(20).values) == {}
        live.resume()
        assert live.settle(20).values["n1"] == {"output_1": 4}


def test_a_reset_brings_back_what_the_session_was_opened_with(client: Client) -> None:
    with client.live_document(CHAIN, inputs={"n0.x": 10}) as live:
        live.settle(20)
        live.set("n0", "x", 1)
        live.settle(20)
        live.reset()
        assert live.settle(20).values["n0"] == {"output_1": 11}
        assert live.record.nodes["n0"].inputs == {"x": 10}  # type: ignore[index]


def test_two_clients_drive_one_session_and_each_knows_what_the_other_did(
    client: Client, unharmed: RunningDaemon
) -> None:
    with client.live_document(CHAIN) as live, unharmed.client() as other:
        live.settle(20)
        with other.follow_live(live.id) as joined:
            assert joined.values == live.values
            joined.set("n0", "x", 5)
            assert joined.settle(20).values["n1"] == {"output_1": 12}
            changed = next(event for event in live if isinstance(event, events.LiveChanged))
            assert (changed.node, changed.pin, changed.value) == ("n0", "x", 5)
            live.set("n0", "x", 6)
            assert live.settle(20).values["n1"] == {"output_1": 14}
            for event in joined:
                if isinstance(event, events.LiveSettled) and joined.values["n1"] == {"output_1": 14}:
                    break
        assert live.state is RunState.RUNNING


def test_a_follower_that_was_too_slow_for_the_events_still_ends_with_the_last_values(
    client: Client, unharmed: RunningDaemon
) -> None:
    code = node("return 'x' * 900_000 + str(n)", "n: int = 0", "str")
    with client.live_document(graph(code)) as live, unharmed.client() as other:
        live.settle(20)
        with other.follow_live(live.id) as joined:
            for number in range(60):  # more than the daemon keeps
                live.set("n0", "n", number)
                live.settle(20)
            joined.every(60, "n0")
            assert joined.settle(20).values["n0"]["output_1"].endswith("x59")


def test_an_endless_loop_is_mended_by_saving_the_file(unharmed: RunningDaemon, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text(graph(ADD, node("while True: pass")))
    with LiveProgram(environment(unharmed), str(path)) as live:
        live.hear(event="node_started", node="n1")
        path.write_text("{ half written")
        while "error" not in (told := live.hear()):
            pass
        assert told["error"]["code"] == "bad_graph"
        path.write_text(graph(ADD, node("return 7")))
        assert live.hear(event="node_finished", node="n1", state="done")["outputs"] == {"output_1": 7}
        assert live.end() == 0
    assert [wire["node"] for wire in live.told if wire.get("event") == "node_started"].count("n0") == 1


def test_a_terminal_shows_real_nodes_and_their_failures(unharmed: RunningDaemon, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text(graph(ADD, node("print('I am here')\nreturn 1 // 0"), n1="Broken"))
    with Terminal([*COMMAND, "live", str(path), "--set", "n0.x=41"], environment(unharmed)) as terminal:
        terminal.see("output_1 = 42")
        path.write_text(graph(ADD, node("return 'mended'", returns="str"), n1="Broken"))
        terminal.see('output_1 = "mended"')
        terminal.press("2t")
        terminal.see(">2 Broken")
        terminal.press("q")
        assert terminal.end() == 0


def test_a_session_outlives_a_client_that_was_killed_and_is_found_again(
    client: Client, unharmed: RunningDaemon, tmp_path: Path
) -> None:
    path = tmp_path / "g.json"
    path.write_text(CHAIN)
    with LiveProgram(environment(unharmed), str(path), "--set", "n0.x=1") as live:
        run = live.hear(event="live_settled")["run"]
        live.process.kill()
    with client.follow_live(run) as found:
        assert found.values["n1"] == {"output_1": 4}
        found.set("n0", "x", 2)
        assert found.settle(20).values["n1"] == {"output_1": 6}
        found.close()
        assert found.state is RunState.SUCCEEDED


def test_a_session_that_nobody_follows_any_more_ends_when_its_time_is_over(
    client: Client, unharmed: RunningDaemon
) -> None:
    with unharmed.client() as other:
        run = other.live_document(CHAIN, linger_s=0.1).settle(20).id
    give_up_at = time.monotonic() + 20
    while next(one.state for one in client.status().runs if one.run == run) is RunState.RUNNING:
        assert time.monotonic() < give_up_at  # each look is a question that the daemon has to answer
    assert [event.state for event in client.follow(run) if isinstance(event, events.RunFinished)] == [
        RunState.CANCELLED
    ]


def test_an_asyncio_program_drives_a_session(unharmed: RunningDaemon) -> None:
    async def main() -> None:
        async with connect_async(unharmed.socket, autostart=False) as client:
            async with asyncio.timeout(20), await client.live_document(CHAIN) as live:
                for number in range(300):
                    await live.set("n0", "x", number)
                assert (await live.settle()).values["n1"] == {"output_1": 600}
            assert live.state is RunState.SUCCEEDED

    asyncio.run(main())


def test_a_closed_session_says_so(client: Client, unharmed: RunningDaemon) -> None:
    live = client.live_document(CHAIN).settle(20)
    with unharmed.client() as other:
        other.follow_live(live.id).close()
    live.set("n0", "x", 1)
    with pytest.raises(ChangeRefused) as refused:
        live.settle(20)
    assert refused.value.code is ErrorCode.UNKNOWN_RUN
    live.close()


def test_the_example_moves_its_wave(unharmed: RunningDaemon) -> None:
    command = [sys.executable, str(EXAMPLES / "live_session.py"), "0.3", "30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(unharmed), check=True)
    assert done.stderr == ""
    pictures = re.findall(r"^[_.,~=+*#-]{64}$", done.stdout.replace("\r", "\n"), re.MULTILINE)
    assert len(pictures) == 9
    assert len(set(pictures)) > 5
    assert re.search(r"^9 changes, [\d.]+ ms each", done.stdout, re.MULTILINE)
    assert sorted(re.findall(r"^  (\w+): done", done.stdout, re.MULTILINE)) == ["Measure", "Picture", "Wave"]
    assert re.fullmatch(r"[ .:oO@]{64}", done.stdout.splitlines()[-1])
