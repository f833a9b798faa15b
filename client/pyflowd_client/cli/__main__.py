"""`pyflowctl`: the command line. Data goes to stdout, words for people to stderr, the verdict into the exit status."""

import contextlib
import os
import sys

from pyflowd_client.cli.parser import parse
from pyflowd_client.errors import PyflowdError
from pyflowd_client.protocol.errors import ExitStatus


def main() -> None:
    """Run the command that the arguments name, and leave with its exit status."""
    arguments = parse(sys.argv[1:])
    try:
        status = arguments.command(arguments)
        sys.stdout.flush()
    except PyflowdError as error:
        say(str(error))
        status = error.exit_status
    except BrokenPipeError:  # `| head` has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitStatus.DONE
    except KeyboardInterrupt:
        status = ExitStatus.INTERRUPTED
    sys.exit(status)


def say(sentence: str) -> None:
    """Tell the person."""
    print(f"pyflowctl: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    main()
