"""JSON in Python's dialect: NaN, Infinity, big integers and lone surrogates survive."""

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any


class InvalidJsonError(ValueError):
    """Not JSON, or not JSON we take. `line` is counted from 1."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def parse_json(text: str) -> Any:
    """The value; InvalidJsonError when there is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"{error.msg} at column {error.colno}", error.lineno) from None
    except RecursionError:
        raise InvalidJsonError("it is nested too deep") from None
    except ValueError:  # int() has its limit of digits
        raise InvalidJsonError("an integer has too many digits") from None


def format_json(value: Any) -> str:
    """Indented text that UTF-8 can carry."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes its JSON escape


def is_deeper_than(value: Any, depth: int) -> bool:
    """True when lists and objects are nested in more than `depth` levels."""
    level = _containers([value])
    for _ in range(depth):
        level = _containers(chain.from_iterable(item.values() if isinstance(item, dict) else item for item in level))
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (dict, list))]
