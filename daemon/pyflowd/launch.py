"""From a parsed command line to a daemon, and from what keeps it from serving to a sentence and an exit status."""

import argparse
import logging
import os
import sys
from pathlib import Path

from pyflowd.app import BugError, serve
from pyflowd.environments.interpreter import InterpreterError
from pyflowd.settings import SettingsError, read_settings
from pyflowd.shell.lock import AlreadyRunningError
from pyflowd_client.errors import LocationRefused
from pyflowd_client.location import locate
from pyflowd_client.protocol.errors import ExitStatus


def launch(arguments: argparse.Namespace) -> int:
    """Be the daemon until told to stop; the exit status that it earned."""
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
