"""Attacks of nodes that were granted everything: what is never the node's, though the user may do it."""

from typing import Any

from attacks.attack import Attack
from attacks.on_sockets import SESSION

# In T0 nothing keeps nodes from each other, whatever they were granted.
GRANTED: dict[str, Any] = {"permissions": {"all": True}, "absent_below": "T1"}

ATTACKS = (
    Attack(
        title="Everything granted: other nodes, the fork server and the daemon killed, or their memory opened",
        code="for pid in (*NODE, *ZYGOTE, *DAEMON, *PROGRAM):\n"
        "    attempt(os.kill, pid, 19)\n"
        "    attempt(lambda: (os.open(f'/proc/{pid}/mem', os.O_RDWR), won()))",
        **GRANTED,
    ),
    Attack(
        title="Everything granted: namespaces, mounts, another root",
        code="attempt(lambda: (call('unshare', 0x10000000), won()))\n"
        "attempt(lambda: (call('mount', b'tmpfs', b'.', b'tmpfs', 0, None), won()))\n"
        "attempt(lambda: (os.chroot('.'), won()))",
        **GRANTED,
    ),
    Attack(title="Everything granted: the daemon: a session of its own", code=SESSION, **GRANTED),
    Attack(
        title="Everything granted: the daemon's state, lock and socket: read, written, removed",
        code="at = DAEMON_SOCKET\n"
        "attempt(read, at + '.state/secret')\n"
        "for path in ('.state/secret', '.lock', '.state/tiers'): attempt(write, at + path)\n"
        "for path in ('.state/secret', '.lock', ''): attempt(os.unlink, at + path)",
        held_from="T2",
        **GRANTED,
    ),
)
