"""Whether bytes from a worker are the JSON text of one value.

The text is spliced into events as it is. What is not one whole value could end its place there and say something else;
a line break could do so in NDJSON; what is nested too deeply would make the event unreadable. Python's dialect is
allowed, for that is what nodes return: NaN, Infinity, lone surrogates, integers of any length.
"""

import json
from typing import Any

import orjson

SPARE_LEVELS = 100  # of nesting: what the decoders of clients manage, less the event around the value
FLAT_BYTES = 800  # what is shorter cannot be too deep
_decode = json.JSONDecoder(parse_int=len).decode  # integers of any length: only whether they are some matters


def is_value(text: bytes) -> bool:
    """True for one JSON value in ASCII on one line, nested no deeper than clients can read at its place."""
    if not text.isascii() or b"\n" in text or b"\r" in text:
        return False
    levels = SPARE_LEVELS if len(text) > FLAT_BYTES else 0
    wrapped = b"[" * levels + text + b"]" * levels if levels else text
    try:
        value = orjson.loads(wrapped)
        return not levels or _is_single(value, levels)
    except orjson.JSONDecodeError:  # perhaps Python's dialect
        pass
    try:
        return _is_single(_decode(wrapped.decode()), levels)
    except (ValueError, RecursionError):
        return False


def _is_single(value: Any, levels: int) -> bool:
    """Whether there is just one value inside the brackets put around it: `1],[1` would be two."""
    for _ in range(levels):
        if len(value) != 1:
            return False
        value = value[0]
    return True
