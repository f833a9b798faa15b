"""JSON text straight from the C encoder of the standard library.

`json.JSONEncoder` builds one anew for each text, and looks for circles on the way: half of the time of a request that
changes an input, and most of that of a number. What workers write is made the same way, by a module of their own: they
can import nothing of ours.
"""

import json.encoder
from collections.abc import Callable, Iterable
from typing import Any

Pieces = Callable[[Any, int], Iterable[str]]


def writer(*, item_separator: str, key_separator: str, ensure_ascii: bool, allow_nan: bool) -> Pieces:
    """A function of a value and 0 that gives the pieces of its JSON text.

    TypeError, ValueError: as of `json.dumps`; RecursionError: a circle.
    """
    separators = (item_separator, key_separator)
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=allow_nan, separators=separators)
    make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]  # None in a Python without C
    if make is None:
        return lambda value, _: (encoder.encode(value),)
    quote = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    pieces: Pieces = make(None, encoder.default, quote, None, key_separator, item_separator, False, False, allow_nan)
    return pieces
