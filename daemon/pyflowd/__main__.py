"""The command `pyflowd`: be the daemon. Users rarely type it; `pyflowctl` starts a daemon when it needs one."""

import argparse
import logging
import os
import sys
from pathlib import Path

from pyflowd import __version__
from pyflowd.app import BugError, serve
from pyflowd.environments.interpreter import InterpreterError
from pyflowd.settings import SettingsError, read_settings
from pyflowd.shell.lock import AlreadyRunningError
from pyflowd_client.errors import LocationRefused
from pyflowd_client.location import locate
from pyflowd_client.protocol.errors import ExitStatus


def main() -> None:
    """Parse the command line, then serve; leaves with a status that `ExitStatus` explains."""
    sys.exit(_run(_parser().parse_args()))


def _run(arguments: argparse.Namespace) -> int:
    try:
        settings = read_settings(_settings_file(arguments.config), _flags(arguments))
        logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        location = locate(arguments.socket, service=True)
        serve(settings, location, leaves_when_idle=arguments.leave_when_idle, ready_fd=arguments.ready_fd)
    except (SettingsError, LocationRefused, InterpreterError, ValueError) as error:
        return _complain(error, ExitStatus.CONFIGURATION)
    except BugError as error:
        return _complain(error, ExitStatus.UNAVAILABLE)
    except AlreadyRunningError as error:
        return _complain(error, ExitStatus.BUSY)
    return ExitStatus.DONE


def _complain(error: Exception, status: ExitStatus) -> int:
    sys.stderr.write(f"pyflowd: {error}\n")
    return status


def _settings_file(named: Path | None) -> Path | None:
    if named is not None:
        if not named.exists():
            raise SettingsError(f"{named} does not exist")
        return named
    folder = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(folder, "pyflowd", "config.toml")


def _flags(arguments: argparse.Namespace) -> dict[str, object]:
    return {
        "python": arguments.python,
        "running": arguments.workers,
        "spares": arguments.spares,
        "leave_after_s": arguments.idle_exit,
        "log_level": arguments.log_level,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyflowd", description="Run the daemon that executes PyFlowGraph node graphs."
    )
    add = parser.add_argument
    add("--socket", metavar="PATH", help="where to listen (default: $PYFLOWD_SOCKET, then the user's runtime folder)")
    add("--config", metavar="FILE", type=Path, help="settings file (default: $XDG_CONFIG_HOME/pyflowd/config.toml)")
    add("--python", metavar="PATH", help="interpreter or virtual environment that nodes run in")
    add("--workers", metavar="N", type=int, help="nodes that may run at once (default: twice the processors)")
    add("--spares", metavar="N", type=int, help="idle processes kept ready for each environment")
    add("--leave-when-idle", action="store_true", help="end when there was nothing to do for a while")
    add("--idle-exit", metavar="SECONDS", type=float, help="how long that while is (default: 600)")
    add("--log-level", choices=("debug", "info", "warning", "error"), help="what is logged to stderr")
    add("--ready-fd", metavar="FD", type=int, help="write one byte to this descriptor when listening")
    add("--version", action="version", version=f"pyflowd {__version__}")
    return parser


if __name__ == "__main__":
    main()
