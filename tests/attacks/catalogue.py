"""All attacks."""

from attacks import (
    on_daemon,
    on_everything,
    on_files,
    on_kernel,
    on_later_nodes,
    on_processes,
    on_resources,
    on_sockets,
)
from attacks.attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *on_processes.ATTACKS,
    *on_files.ATTACKS,
    *on_sockets.ATTACKS,
    *on_kernel.ATTACKS,
    *on_resources.ATTACKS,
    *on_daemon.ATTACKS,
    *on_later_nodes.ATTACKS,
    *on_everything.ATTACKS,
)
