"""JSON text straight from the C encoder of the standard library.

`json.JSONEncoder` builds one anew for every text, and checks for circles on the way: a third of the time of a small
text, and pages for a fresh process to copy. Refuses to explain: for the words of an error, use `json`.
"""

from __future__ import annotations

import json.encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    Default = Callable[[Any], Any]
    Chunks = Callable[[Any, int], Iterable[str]]

quote: Callable[[str], str] = json.encoder.encode_basestring_ascii


def writer(default: Default | None) -> Chunks:
    """A function of a value and 0 that gives the pieces of its compact ASCII JSON text.

    `default` is called with what JSON does not have, to replace it or to raise. A value that contains itself is a
    RecursionError.
    """
    make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]  # None in a Python without C
    if make is None:
        encode = json.JSONEncoder(separators=(",", ":"), default=default).encode
        return lambda value, _: (encode(value),)
    chunks: Chunks = make(None, default, quote, None, ":", ",", False, False, True)
    return chunks
