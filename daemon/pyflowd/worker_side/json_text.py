"""JSON text straight from the C encoder of the standard library.

`json.JSONEncoder` builds one anew for every text, and checks for circles on the way: a third of the time of a small
text, and pages for a fresh process to copy. Refuses to explain: for the words of an error, use `json`.
"""

from __future__ import annotations

import json.encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Default = Callable[[Any], Any]


def writer(default: Default | None) -> Callable[[Any], bytes]:
    """A function that gives the compact ASCII JSON text of a value.

    `default` is called with what JSON does not have, to replace it or to raise. A value that contains itself is a
    RecursionError.
    """
    make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]  # None in a Python without C
    if make is None:
        encode = json.JSONEncoder(separators=(",", ":"), default=default).encode
        return lambda value: encode(value).encode()
    chunks = make(None, default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0)).encode()
