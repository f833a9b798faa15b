"""The rows of the table: name -> factory of a `Peer`. A factory imports nothing that may be missing."""

from collections.abc import Callable

from peers import interpreters, pools, processes, pyflowd_daemon, systems
from peers.base import Peer

PEERS: dict[str, Callable[[], Peer]] = {
    **pyflowd_daemon.PEERS,
    **interpreters.PEERS,
    **pools.PEERS,
    **processes.PEERS,
    **systems.PEERS,
}
