"""Results, found and kept by who performs the effects: at once where it is little, else in a thread, in order."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from pyflowd.core.effects import KeepResult, LookUpResult
from pyflowd.core.kept_results import KeptResult, ResultKey, ResultQuestion
from pyflowd.core.stimuli import ResultFound, ResultMissing, Stimulus
from pyflowd.core.values import Payload, Value
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.shell import results
from pyflowd.shell.file_stamps import stamp_of
from pyflowd.shell.result_store import ResultStore
from pyflowd.shell.results import Results
from pyflowd.worker_side.frames import Segment, spill

LARGE = b'"' + b"x" * 1_000_000 + b'"'


class Desk:
    """Asks, and takes in what is answered."""

    def __init__(self, folder: Path, fingerprints: Fingerprints) -> None:
        self.loop = asyncio.get_running_loop()
        self.told: list[Stimulus] = []
        self._arrived = asyncio.Event()
        self.store = ResultStore(folder / "results", 100_000_000)
        self.results = Results(self.store, fingerprints, {"LANG": "C"}, self.loop, self._take)

    def _take(self, stimulus: Stimulus) -> None:
        self.told.append(stimulus)
        self._arrived.set()

    def ask(self, value: Payload | bytes = b"1", **changed: Any) -> None:
        question = {"place": "g\0n", "source": "s", "outputs": ("a",), "permissions": "", "variables": ()}
        question |= {"python": sys.executable, "seed": None, "paths": (), "identities": (), "explains": True} | changed
        asked = ResultQuestion(**question)
        self.asked = asked
        self.results.look_up(LookUpResult(lookup=1, question=asked, inputs=(("x", value),)))

    async def answer(self) -> Stimulus:
        await asyncio.wait_for(self._arrived.wait(), 20)
        self._arrived.clear()
        return self.told[-1]

    async def key(self, value: Payload | bytes = b"1", **changed: Any) -> ResultKey:
        self.ask(value, **changed)
        missing = await self.answer()
        assert isinstance(missing, ResultMissing)
        assert missing.key is not None
        return missing.key

    def keep(self, key: ResultKey, payload: Payload) -> None:
        value = Value(payload=payload, type="str", preview="p")
        result = KeptResult(outputs=(("a", value),), texts=(("stdout", "hi\n"),), warnings=("odd",))
        self.results.keep(KeepResult(key=key, question=self.asked, result=result))


def with_desk(act: Callable[[Desk], Coroutine[Any, Any, None]], folder: Path, fingerprints: Any = None) -> None:
    async def main() -> None:
        desk = Desk(folder, fingerprints or Fingerprints())
        try:
            await act(desk)
        finally:
            desk.results.close()

    asyncio.run(main())


def later() -> int:
    return time.time_ns() + 60_000_000_000


def test_what_is_little_is_answered_at_once(tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        desk.ask()
        assert len(desk.told) == 1

    with_desk(act, tmp_path)


def test_what_is_much_is_not_waited_for(tmp_path: Path) -> None:
    """Neither for inputs in a memfd, nor for files, nor for a large result."""

    async def act(desk: Desk) -> None:
        large = spill(LARGE)
        desk.ask(large)
        large.close()  # it is no more the node's
        assert desk.told == []
        await desk.answer()
        desk.ask(paths=("/usr/bin/env",))
        assert len(desk.told) == 1
        await desk.answer()
        key = await desk.key()
        desk.keep(key, Segment(data=LARGE))
        await desk.loop.run_in_executor(desk.results._thread, lambda: None)
        count = len(desk.told)
        desk.ask()
        assert len(desk.told) == count
        assert isinstance(await desk.answer(), ResultFound)

    with_desk(act, tmp_path)


@pytest.mark.parametrize("text", [b"[1]", LARGE], ids=["small", "large"])
def test_what_is_still_being_written_is_found_as_it_was(tmp_path: Path, text: bytes) -> None:
    async def act(desk: Desk) -> None:
        key = await desk.key()
        payload = spill(text) if text is LARGE else Segment(data=text)
        desk.keep(key, payload)
        payload.close()
        desk.ask()
        found = await desk.answer()
        assert isinstance(found, ResultFound)
        [(name, value)] = found.result.outputs
        assert (name, value.type, value.preview, value.payload.read()) == ("a", "str", "p", text)
        assert (found.result.texts, found.result.warnings) == ((("stdout", "hi\n"),), ("odd",))
        assert (value.payload.size, value.payload.descriptor is None) == (len(text), text is not LARGE)  # type: ignore[attr-defined]
        value.payload.close()

    with_desk(act, tmp_path)


def test_nothing_is_kept_once_the_environment_is_another(tmp_path: Path) -> None:
    class Changing(Fingerprints):
        seen = "1"

        def of(self, python: str) -> str:
            return self.seen

    async def act(desk: Desk) -> None:
        key = await desk.key()
        Changing.seen = "2"
        desk.keep(key, Segment(data=b"1"))
        Changing.seen = "1"
        await desk.key()

    with_desk(act, tmp_path, Changing())


def test_nothing_is_kept_once_a_file_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1")
    monkeypatch.setattr(results, "stamp_of", lambda paths: stamp_of(paths, later))

    async def act(desk: Desk) -> None:
        key = await desk.key(paths=(str(path),))
        path.write_text("12")
        desk.keep(key, Segment(data=b"1"))
        await desk.key(paths=(str(path),))
        path.unlink()
        desk.keep(key, Segment(data=b"1"))
        desk.ask(paths=(str(path),))
        missing = await desk.answer()
        assert isinstance(missing, ResultMissing)
        assert missing.key is None
        assert "cannot be looked at" in missing.problem

    with_desk(act, tmp_path)


def test_a_result_of_other_outputs_or_of_no_value_is_none(tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        key = await desk.key()
        whole = {"outputs": [{"type": "int", "preview": None}], "sizes": [1], "texts": [], "warnings": []}
        for broken in ({"outputs": []}, {"outputs": 1}, {"texts": [["a"]]}, {"warnings": None}, {"sizes": []}):
            assert desk.store.put(key.digest, whole | broken, [[b"1"]])
            assert await desk.key() == key
        assert desk.store.put(key.digest, whole, [[b"]"]])
        assert await desk.key() == key
        assert desk.store.put(key.digest, whole, [[b"1"]])
        desk.ask()
        assert isinstance(await desk.answer(), ResultFound)

    with_desk(act, tmp_path)


def test_many_at_once_let_others_have_their_turn(tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        count = 3 * results.AT_ONCE_MOST
        for number in range(count):
            desk.ask(b"%d" % number)
        assert len(desk.told) == results.AT_ONCE_MOST
        while len(desk.told) < count:
            await desk.answer()
        desk.ask()
        assert len(desk.told) == count + 1

    with_desk(act, tmp_path)


def test_a_bug_costs_a_result_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    async def act(desk: Desk) -> None:
        key = await desk.key()
        with monkeypatch.context() as patch:
            patch.setattr(desk.store, "put", fail)
            desk.keep(key, Segment(data=b"1"))
            patch.setattr(desk.store, "get", fail)
            desk.ask()  # it is thought to be under way
            missing = await desk.answer()
        assert isinstance(missing, ResultMissing)
        assert missing.key is None
        assert "its log says why" in missing.problem
        assert await desk.key() == key

    with_desk(act, tmp_path)
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_too_much_at_once_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "UNWRITTEN_MOST_BYTES", 10)

    async def act(desk: Desk) -> None:
        key = await desk.key()
        desk.keep(key, Segment(data=b'"' + b"x" * 9 + b'"'))
        assert await desk.key() == key

    with_desk(act, tmp_path)


def test_a_folder_that_cannot_be_written_keeps_nothing_and_harms_nobody(tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        key = await desk.key()
        (tmp_path / "results").write_text("in the way")
        desk.keep(key, Segment(data=b"1"))
        await desk.key(b"2")
        assert await desk.key() == key

    with_desk(act, tmp_path)
    assert os.path.isfile(tmp_path / "results")


def test_the_last_result_is_written_before_the_daemon_ends(tmp_path: Path) -> None:
    kept: list[ResultKey] = []

    async def act(desk: Desk) -> None:
        kept.append(await desk.key())
        desk.keep(kept[0], Segment(data=LARGE))

    with_desk(act, tmp_path)
    assert ResultStore(tmp_path / "results", 100_000_000).get(kept[0].digest) is not None
