"""What people type, read into values: sizes, times, inputs. A mistake is answered with what would have been right."""

import argparse
import json
import math
import os
from typing import Any

SHOWN_CHARACTERS = 100
_UNITS = {"": 1, "B": 1, **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}}
_UNITS |= {unit: 1024**power for power, letter in enumerate("KMGT", 1) for unit in (letter, f"{letter}IB")}


def size_bytes(text: str) -> int:
    """`500M`, `1.5GiB` (of 1024), `2GB` (of 1000) or plain bytes."""
    number = text.rstrip("abBgGiIkKmMtT ")
    unit = text[len(number) :].strip().upper()
    try:
        size = float(number) * _UNITS[unit]
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write 500M, 1.5GiB, 2GB or plain bytes") from None
    if not math.isfinite(size) or size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size of a byte or more")
    return int(size)


def port(text: str) -> int:
    """The number of a port."""
    value = whole_number(text)
    if not 0 < value < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 1 to 65535")
    return value


def size_or_all(text: str) -> int | None:
    """A size; None for `all`."""
    return None if text == "all" else size_bytes(text)


def seconds(text: str) -> float:
    """A time of more than nothing."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def whole_number(text: str) -> int:
    """An integer that the protocol can carry."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text} has more than 64 bits")
    return value


def count(text: str) -> int:
    """A whole number of 1 or more."""
    value = whole_number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def existing_path(text: str) -> str:
    """A file or folder that is there."""
    if not os.path.exists(os.path.expanduser(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not exist. For files that are still to be made, grant the folder they will be in"
        )
    return text


def existing_folder(text: str) -> str:
    """A folder that is there."""
    if not os.path.isdir(os.path.expanduser(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that exists")
    return text


def variable(text: str) -> str:
    """The name of a variable that is set."""
    if text not in os.environ:
        raise argparse.ArgumentTypeError(f"{text!r} is not set here, so it has no value to pass on")
    return text


def requirement(text: str) -> str:
    """A package, with versions perhaps: `numpy`, `numpy>=2`, `./geometry`, `geometry @ https://...`."""
    from pyflowd_client.requirements import local_path

    stripped = text.strip()
    if not stripped:
        raise argparse.ArgumentTypeError("an empty text names no package")
    if stripped.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is an option of pip, not a package; write numpy or 'numpy>=2'")
    path = local_path(stripped)
    if path is not None and not os.path.exists(os.path.expanduser(path)):
        raise argparse.ArgumentTypeError(f"{text!r} would be a package in a path that does not exist")
    return stripped


def interpreter_or_versions(text: str) -> str:
    """`3.12`, `>=3.10`, or the path of an interpreter or an environment."""
    if not text.strip():
        raise argparse.ArgumentTypeError("write a version such as 3.12 or '>=3.10', or the path of an interpreter")
    return text


def name_of_environment(text: str) -> str:
    """The name of an environment, which is no path."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an environment needs a name")
    if "/" in text or text in (".", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} is a path, not the name of an environment")
    return text


def which_environment(text: str) -> str:
    """A name or the beginning of an id as it is, a path as an absolute one."""
    from pyflowd_client.requirements import address

    if not text.strip():
        raise argparse.ArgumentTypeError("an empty text names no environment; see `pyflowctl env list`")
    return address(text)


def days(text: str) -> float:
    """A number of days, in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return value * 86400


def node_input(text: str) -> tuple[str, Any]:
    """`NODE.PIN=JSON` as the pin and its value."""
    pin, equals, written = text.partition("=")
    node, dot, name = pin.rpartition(".")
    if not (equals and dot and node and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NODE.PIN=JSON")
    return pin, _json_value(pin, written)


def pin_input(text: str) -> tuple[str, Any]:
    """`PIN=JSON`, or as of `node_input`."""
    pin, equals, written = text.partition("=")
    if not (equals and pin) or pin.startswith(".") or pin.endswith("."):
        raise argparse.ArgumentTypeError(f"{text!r} is not PIN=JSON")
    return pin, _json_value(pin, written)


def _json_value(pin: str, written: str) -> Any:
    try:
        return json.loads(written)
    except json.JSONDecodeError:
        shown = written if len(written) <= SHOWN_CHARACTERS else f"{written[:SHOWN_CHARACTERS]}..."
        quoted = f"{pin}={json.dumps(shown, ensure_ascii=False)}"
        raise argparse.ArgumentTypeError(
            f"{shown!r} is not JSON. If it is meant as text, quote it for JSON and the shell: --input '{quoted}'"
        ) from None
    except RecursionError:
        raise argparse.ArgumentTypeError(f"the value for {pin} is nested too deep; let the node read a file") from None
    except ValueError:  # int() has its limit of digits
        raise argparse.ArgumentTypeError(f"an integer for {pin} has too many digits; give it as text") from None


class CollectInputs(argparse.Action):
    """Gathers `--input` options into one dict; the same pin twice is a mistake."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """One more input."""
        pin, value = values
        inputs = dict(getattr(namespace, self.dest))
        if pin in inputs:
            parser.error(f"--input {pin} is given twice")
        setattr(namespace, self.dest, inputs | {pin: value})
