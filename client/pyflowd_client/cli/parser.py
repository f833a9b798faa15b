"""What the parsers of all commands have in common."""

import argparse
from collections.abc import Callable
from typing import Any, TypeVar


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows descriptions as they were written. Its width is fixed: asking for the terminal's imports shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)

    def add_argument(self, action: argparse.Action) -> None:
        """One more; of commands that are listed argparse forgets that they are indented."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


class Parser(argparse.ArgumentParser):
    """A parser of pyflowctl. `fill` adds its arguments when it is used: what a command takes is only its concern."""

    def __init__(self, *, fill: "Callable[[Parser], None] | None" = None, **options: object) -> None:
        super().__init__(formatter_class=HelpFormatter, **options)  # type: ignore[arg-type]
        self._fill = fill

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As ever, with all arguments."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill(self)
        return super().parse_known_args(args, namespace)


class IntermixedParser(Parser):
    """A parser that takes what is not an option wherever it stands: `NAME --python 3.12 PKG PKG`."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._is_within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As ever; the intermixed one calls this one, for the options alone."""
        if self._is_within:
            return super().parse_known_args(args, namespace)
        self._is_within = True
        return self.parse_known_intermixed_args(args, namespace)


P = TypeVar("P", bound=Parser)


def common_options(kind: type[P]) -> P:
    """What may be said behind every command."""
    common = kind(add_help=False)
    common.add_argument("--socket", metavar="PATH", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return common
