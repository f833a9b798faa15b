"""Results: performs the effects about results that are kept.

What is small, and needs no look at files, is done at once, in less time than a thread takes to begin. The rest waits
for one thread, which does one thing after the other: who asks for a result that is still being written finds it.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from pyflowd.core.effects import KeepResult, LookUpResult
from pyflowd.core.kept_results import KeptResult, ResultKey, ResultQuestion
from pyflowd.core.stimuli import ResultFound, ResultMissing, Stimulus
from pyflowd.core.values import Payload, Value
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.shell.file_stamps import UnstampableError, stamp_of
from pyflowd.shell.result_keys import Inputs, files_part, key_of, pieces_of
from pyflowd.shell.result_store import Entry, ResultStore
from pyflowd.shell.shapes import objects_in, optional_text, text_in, texts_in
from pyflowd.shell.value_text import is_value
from pyflowd.worker_side.frames import INLINE_BYTES, FrameError, Segment, spill

SMALL_BYTES = 60_000
AT_ONCE_MOST = 16  # in one turn of the loop: a graph whose results are all kept is looked up in no time, but not in one
UNWRITTEN_MOST_BYTES = 256_000_000
NOTHING_STAMPED = stamp_of(())

T = TypeVar("T")

log = logging.getLogger(__name__)


class Results:
    """The results that one daemon finds and keeps. variables: those that every node sees."""

    def __init__(
        self,
        store: ResultStore,
        fingerprints: Fingerprints,
        variables: Mapping[str, str],
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[Stimulus], None],
    ) -> None:
        self._store = store
        self._fingerprints = fingerprints
        self._variables = variables
        self._loop = loop
        self._feed = feed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="results")
        self._unwritten: dict[str, int] = {}
        self._answered_at_once = 0

    def look_up(self, effect: LookUpResult) -> None:
        """Look for a result."""
        question, lookup = effect.question, effect.lookup
        fingerprint = self._fingerprints.of(question.python)
        if not question.paths and self._answered_at_once < AT_ONCE_MOST and _is_small(effect.inputs):
            key = key_of(question, effect.inputs, fingerprint, self._variables, NOTHING_STAMPED)
            if key.digest not in self._unwritten and (self._store.size_of(key.digest) or 0) <= SMALL_BYTES:
                self._count_in_turn()
                self._feed(self._answer(lookup, question, key))
                return
        try:
            inputs = tuple((pin, _own(value)) for pin, value in effect.inputs)
        except OSError as error:
            self._feed(ResultMissing(lookup=lookup, key=None, problem=f"its inputs cannot be read ({error})"))
            return

        def look() -> Stimulus:
            try:
                key = key_of(question, inputs, fingerprint, self._variables, stamp_of(question.paths))
                return self._answer(lookup, question, key)
            except UnstampableError as error:
                return ResultMissing(lookup=lookup, key=None, problem=str(error))
            finally:
                _give_back(inputs)

        problem = "the daemon could not look for its result; its log says why"
        bug: Stimulus = ResultMissing(lookup=lookup, key=None, problem=problem)
        self._perform(look, self._feed, bug)

    def keep(self, effect: KeepResult) -> None:
        """Keep a result, unless something has changed since its key was made."""
        key, question, result = effect.key, effect.question, effect.result
        size = sum(value.payload.size for _, value in result.outputs)
        if self._fingerprints.of(question.python) != key.fingerprint:
            return
        if sum(self._unwritten.values()) + size > UNWRITTEN_MOST_BYTES:
            log.info("a result of %d bytes is not kept: others are still being written", size)
            return
        try:
            values = tuple((name, _own(value.payload)) for name, value in result.outputs)
        except OSError:
            return
        self._unwritten[key.digest] = size

        def write() -> None:
            try:
                if _is_as_it_was(question, key) and not self._write(key, question, result, values):
                    log.info("a result of %d bytes was not kept: it cannot be written, or is too large", size)
            finally:
                _give_back(values)

        self._perform(write, lambda _: self._unwritten.pop(key.digest, None), None)

    def close(self) -> None:
        """Finish what is being written."""
        self._thread.shutdown(wait=True)

    def _count_in_turn(self) -> None:
        if not self._answered_at_once:
            self._loop.call_soon(self._end_turn)
        self._answered_at_once += 1

    def _end_turn(self) -> None:
        self._answered_at_once = 0

    def _perform(self, act: Callable[[], T], done: Callable[[T], object], otherwise: T) -> None:
        """Act in the thread, then tell what came of it; `otherwise` if that was a bug, or no memory for it."""

        def over(future: asyncio.Future[T]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            if error is not None:
                log.error("a result that is kept could not be handled", exc_info=error)
            done(otherwise if error is not None else future.result())

        self._loop.run_in_executor(self._thread, act).add_done_callback(over)

    def _answer(self, lookup: int, question: ResultQuestion, key: ResultKey) -> Stimulus:
        entry = self._store.get(key.digest)
        result = None if entry is None else _result(entry, question.outputs)
        if result is not None:
            return ResultFound(lookup=lookup, result=result)
        earlier = self._store.last(question.place) if question.explains else None
        return ResultMissing(lookup=lookup, key=key, earlier=earlier)

    def _write(self, key: ResultKey, question: ResultQuestion, result: KeptResult, values: Inputs) -> bool:
        header = {
            "outputs": [{"type": value.type, "preview": value.preview} for _, value in result.outputs],
            "sizes": [value.payload.size for _, value in result.outputs],
            "texts": [{"stream": stream, "text": text} for stream, text in result.texts],
            "warnings": result.warnings,
        }
        is_kept = self._store.put(key.digest, header, (pieces_of(value) for _, value in values))
        if is_kept:
            self._store.put_last(question.place, key.parts)
        return is_kept


def _is_as_it_was(question: ResultQuestion, key: ResultKey) -> bool:
    """Whether what the node could read is still what its key says."""
    if not question.paths:
        return True
    try:
        stamp = stamp_of(question.paths)
    except UnstampableError:
        return False
    return dict(key.parts)["files"] == files_part(question, stamp)


def _is_small(inputs: Inputs) -> bool:
    size = 0
    for _, value in inputs:
        if not isinstance(value, bytes) and cast("Segment", value).descriptor is not None:
            return False
        size += len(value) if isinstance(value, bytes) else value.size
    return size <= SMALL_BYTES


def _own(value: Payload | bytes) -> Payload | bytes:
    """The same value, for as long as we need it. OSError."""
    if isinstance(value, bytes):
        return value
    segment = cast("Segment", value)
    if segment.descriptor is None:
        return segment.read()
    return Segment(descriptor=os.dup(segment.descriptor), size=segment.size)


def _give_back(values: Inputs) -> None:
    for _, value in values:
        if not isinstance(value, bytes):
            value.close()


def _result(entry: Entry, names: tuple[str, ...]) -> KeptResult | None:
    """A result as it was, if it is one of such a node; whoever may do everything could have written it."""
    header = entry.header
    try:
        described = [
            (text_in(item, "type"), optional_text(item.get("preview"))) for item in objects_in(header, "outputs")
        ]
        texts = tuple((text_in(item, "stream"), text_in(item, "text")) for item in objects_in(header, "texts"))
        warnings = tuple(texts_in(header, "warnings"))
    except FrameError:
        return None
    if not len(described) == len(names) == len(entry.values):
        return None
    if not all(len(value) > INLINE_BYTES or is_value(value) for value in entry.values):
        return None
    outputs = [
        (name, Value(payload=_segment(value), type=kind, preview=preview))
        for name, (kind, preview), value in zip(names, described, entry.values, strict=True)
    ]
    return KeptResult(outputs=tuple(outputs), texts=texts, warnings=warnings)


def _segment(value: bytes) -> Segment:
    return Segment(data=value) if len(value) <= INLINE_BYTES else spill(value)
