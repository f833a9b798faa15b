"""The command `pyflowd`: be the daemon. Users rarely type it; `pyflowctl` starts a daemon when it needs one."""

import argparse
import gc
import sys
from pathlib import Path

from pyflowd import __version__


def main() -> None:
    """Parse the command line, then serve; leaves with a status that `ExitStatus` explains."""
    arguments = _parser().parse_args()
    gc.disable()  # until `serve` has built the daemon: what is imported stays, and looking through it takes a tenth
    from pyflowd.launch import launch

    sys.exit(launch(arguments))


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
