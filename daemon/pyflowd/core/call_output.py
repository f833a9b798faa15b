"""What one call writes: bytes in, lines of text out, bounded. It never waits, and never keeps more than its tail.

Up to `limit_bytes` everything is passed on as it comes. After that only the last bytes are kept, the rest is
counted, and both are told when the call is over: a node that prints 1 GB costs the daemon 64 kB.
"""

import codecs

TAIL_BYTES = 65_536
LONGEST_LINE = 8_192


class CallOutput:
    """The two streams of a call."""

    def __init__(self, limit_bytes: int) -> None:
        self._streams: dict[str, _Stream] = {}
        self._left = limit_bytes
        self._is_cut = False

    def feed(self, stream: str, data: bytes) -> str:
        """The text to tell now: whole lines, or nothing."""
        target = self._streams.get(stream)
        if target is None:
            target = self._streams[stream] = _Stream()
        if self._left <= 0:
            self._is_cut = True
            target.keep_tail(data)
            return ""
        live, late = data[: self._left], data[self._left :]
        self._left -= len(live)
        text = target.lines(live)
        if late:
            self._is_cut = True
            text += target.flush()
            target.keep_tail(late)
        return text

    @property
    def is_cut(self) -> bool:
        """Whether more came than is told as it comes."""
        return self._is_cut

    def flush(self) -> list[tuple[str, str]]:
        """Unfinished lines, as (stream, text): a prompt without a line end shall not be held back for ever."""
        return [(name, text) for name, target in self._streams.items() if (text := target.flush())]

    def finish(self) -> list[tuple[str, str]]:
        """What is left to tell when the call is over: unfinished lines, and the tail of what was too much."""
        return [(name, text) for name, target in self._streams.items() if (text := target.flush() + target.rest())]


class _Stream:
    __slots__ = ("_decoder", "_partial", "_skipped", "_tail")

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._partial = ""
        self._tail = b""
        self._skipped = 0

    def lines(self, data: bytes) -> str:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        text = self._partial + self._decoder.decode(data)
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        if len(text) - end > LONGEST_LINE:
            end = len(text)
        self._partial = text[end:]
        return text[:end]

    def flush(self) -> str:
        text, self._partial = self._partial, ""
        return text

    def keep_tail(self, data: bytes) -> None:
        tail = (self._tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._skipped += len(self._tail) + len(data) - len(tail)
        self._tail = tail

    def rest(self) -> str:
        if not self._tail:
            return ""
        text = self._tail.decode("utf-8", "replace")
        return f"\n[{self._skipped} bytes left out]\n{text}" if self._skipped else text
