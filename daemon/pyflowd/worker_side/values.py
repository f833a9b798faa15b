"""Values between nodes: JSON in Python's dialect (NaN, Infinity and integers of any length; tuples become lists).

Refuses what JSON cannot say, with a message for the author of the node: which output, which type, and what to return
instead.
"""

from __future__ import annotations

import gc
import json
import reprlib
import sys

from . import json_text
from .failures import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

LARGE_BYTES = 60000
PREVIEW_CHARACTERS = 200

REMEDIES = {
    "set": "return sorted(value) or list(value)",
    "frozenset": "return sorted(value) or list(value)",
    "bytes": "return value.decode() or a list of numbers",
    "bytearray": "return value.decode() or a list of numbers",
    "complex": "return [value.real, value.imag]",
    "datetime": "return value.isoformat()",
    "date": "return value.isoformat()",
    "Decimal": "return str(value) or float(value)",
    "ndarray": "return value.tolist()",
    "DataFrame": "return value.to_dict('records')",
    "Series": "return value.tolist()",
    "Tensor": "return value.tolist()",
    "generator": "return list(value)",
    "range": "return list(value)",
    "function": "return its result",
}
REMEDY = "return numbers, strings, booleans, None, lists and dicts of them"


class _ForeignTypeError(TypeError):
    """Some part of a value is of a type that JSON does not have."""


def _refuse(part: Any) -> Any:
    raise _ForeignTypeError(type(part).__name__)


# Straight to C where there is C, without the chunks and the checks of the second, which words what goes wrong.
_write = json_text.writer(_refuse)
_encode = json.JSONEncoder(separators=(",", ":"), default=_refuse).encode
_decoder = json.JSONDecoder()
_scan = _decoder.scan_once  # type: ignore[attr-defined]


def decode_input(pin: str, data: bytes) -> Any:
    """The value of an input from its JSON text; CallError(bad_input)."""
    try:
        text = data.decode("utf-8", "surrogatepass")
        if len(data) <= LARGE_BYTES:
            value, end = _scan(text, 0)
            if end == len(text):
                return value
    except (ValueError, RecursionError, StopIteration):
        pass
    gc.disable()  # a collector that walks a growing list again and again doubles the time
    try:
        return _with_any_digits(_decoder.decode, data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise CallError("bad_input", "input %r is not JSON: %s" % (pin, error)) from None
    finally:
        gc.enable()


def encode_output(pin: str, value: Any) -> bytes:
    """The JSON text of an output's value; CallError(not_json)."""
    try:
        return "".join(_write(value, 0)).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return bytes(_with_any_digits(_encode, value), "ascii")
    except _ForeignTypeError as error:
        remedy = REMEDIES.get(str(error), REMEDY)
        place = "is" if type(value).__name__ == str(error) else "holds"
        message = "output %r %s a %s, which is not JSON: %s" % (pin, place, error, remedy)
    except TypeError as error:
        message = "output %r is not JSON: %s" % (pin, error)
    except RecursionError:
        message = "output %r is not JSON: it is nested too deeply" % pin
    except ValueError as error:
        message = "output %r is not JSON: it contains itself" % pin
        if "ircular" not in str(error):
            message = "output %r is not JSON: %s" % (pin, error)
    raise CallError("not_json", message) from None


def preview(value: Any) -> str:
    """A short repr, for a value too large to show."""
    try:
        return reprlib.repr(value)[:PREVIEW_CHARACTERS]
    except Exception:
        return "<%s>" % type(value).__name__


def _with_any_digits(convert: Callable[[Any], Any], argument: Any) -> Any:
    """convert(argument), once more without Python's cap on the digits of an integer (3.11) if that was in the way."""
    try:
        return convert(argument)
    except _ForeignTypeError:
        raise
    except ValueError:
        if not hasattr(sys, "set_int_max_str_digits"):
            raise
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return convert(argument)
    finally:
        sys.set_int_max_str_digits(limit)
