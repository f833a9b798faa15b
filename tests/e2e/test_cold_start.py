"""A cold command waits for the daemon's imports: what is loaded before the first zygote starts."""

import subprocess
import sys


def test_nothing_heavy_is_imported_before_the_first_zygote_starts() -> None:
    show = "import sys, pyflowd.launch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=30, check=True)
    assert not set(done.stdout.split()) & {"markdown_it", "networkx", "psutil", "zmq"}
