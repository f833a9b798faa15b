"""What loads before the first fork server starts: a cold command waits for it."""

import subprocess
import sys

LATER = {"email", "networkx", "packaging", "psutil", "python_discovery", "uv", "zmq"}


def test_nothing_heavy_is_loaded_before_the_first_fork_server_starts() -> None:
    code = "import sys, pyflowd.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "pyflowd" in loaded
    assert loaded & LATER == set()
