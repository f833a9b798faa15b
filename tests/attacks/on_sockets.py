"""Attacks over sockets: other programs that listen, the network, families of sockets that have nothing to do here."""

from attacks.attack import Attack

READ_OPEN = {"read": ("{OPEN}",)}
NEW = "attempt(lambda: (socket.socket({family}, {kind}, {protocol}), won()))"
PAIR = "for kind in (2, 3):\n    one, _ = attempt(socket.socketpair, socket.AF_UNIX, kind) or (None, None)\n"
SEND = (
    "    if one: attempt(one.sendto, b'attacked', {address}), attempt(one.connect, {address}), attempt(one.send, b'x')"
)
CONNECT = (
    "for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n    for address in {addresses}:\n"
    "        one = attempt(socket.socket, {family}, kind)\n"
    "        if one: attempt(one.connect, address), attempt(one.send, b'attacked')"
)
# Enough of ZeroMQ's protocol to be a client of the daemon.
SESSION = """
def session():
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(3)
    peer.connect(DAEMON_SOCKET)
    peer.sendall(b"\\xff" + bytes(8) + b"\\x7f\\x03\\x00NULL".ljust(23, b"\\0") + bytes(32))
    peer.recv(64, socket.MSG_WAITALL)
    ready = b"\\x05READY\\x0bSocket-Type\\0\\0\\0\\x06DEALER\\x08Identity\\0\\0\\0\\0"
    peer.sendall(bytes([4, len(ready)]) + ready)
    hello = json.dumps({"request": "hello", "id": 1, "oldest_protocol": 1, "protocol": 1, "client": "x"}).encode()
    peer.sendall(bytes([0, len(hello)]) + hello)
    heard = b""
    while b"welcome" not in heard:
        more = peer.recv(4096)
        if not more: return
        heard += more
    won()
attempt(session)
"""
DATAGRAMS_OF_PAIRS = "A socket of another program's in a folder: a datagram sent by one of a pair"

ATTACKS = (
    Attack(
        title="The network: TCP to another program",
        code=CONNECT.format(addresses="[('127.0.0.1', PORTS[0])]", family="socket.AF_INET").replace(
            "socket.SOCK_DGRAM", "1"
        ),
        held_from="T1",
    ),
    Attack(
        title="The network: UDP to another program",
        code="one = attempt(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)\n"
        "if one: attempt(one.sendto, b'attacked', ('127.0.0.1', PORTS[1]))",
        held_from="T1",
    ),
    Attack(
        title="The network: a port opened for others",
        code="one = attempt(socket.socket)\nif one: attempt(lambda: (one.bind(('127.0.0.1', 0)), one.listen(), won()))",
        held_from="T1",
    ),
    Attack(
        title="The network: interfaces and connections read in /proc",
        code="attempt(read, '/proc/net/unix', 1_000_000)\nprint(open('/proc/net/unix').read())",
        held_from="T2",
    ),
    *(
        Attack(
            title=f"The network: {name}",
            code=NEW.format(family=family, kind=kind, protocol=protocol),
            held_from=tier,
            absent_below=tier,
        )
        for name, family, kind, protocol, tier in (
            ("a netlink socket", "socket.AF_NETLINK", 3, 0, "T1"),
            ("a raw socket", "socket.AF_INET", 3, 1, "T0"),
            ("a packet socket", "socket.AF_PACKET", 3, 0, "T0"),
            ("a socket to the hypervisor (vsock)", "40", 1, 0, "T1"),
            ("a socket to the kernel's cryptography (AF_ALG)", "38", 5, 0, "T1"),
        )
    ),
    Attack(
        title="An abstract socket of another program's: connected to",
        code=CONNECT.format(addresses="ABSTRACT", family="socket.AF_UNIX"),
        held_from="T1",
    ),
    Attack(
        title="An abstract socket of another program's: a datagram sent by one of a pair",
        code=PAIR + SEND.format(address="ABSTRACT[1]"),
        held_from="T1",
    ),
    Attack(
        title="A socket of another program's in a folder: connected to",
        code=CONNECT.format(addresses="SOCKETS", family="socket.AF_UNIX"),
        held_from="T1",
    ),
    Attack(
        title="A socket of another program's in a folder that may be read: connected to",
        code=CONNECT.format(addresses="SOCKETS", family="socket.AF_UNIX"),
        held_from="T1",
        permissions=READ_OPEN,
    ),
    Attack(title=DATAGRAMS_OF_PAIRS, code=PAIR + SEND.format(address="SOCKETS[1]"), held_from="T1"),
    Attack(
        title="A socket of another program's in a folder that may be read: a datagram sent by one of a pair",
        code=PAIR + SEND.format(address="SOCKETS[1]"),
        held_from="T1",
        permissions=READ_OPEN,
    ),
    Attack(
        title="The daemon: a session of its own, with other clients' runs",
        code=SESSION,
    ),
    Attack(
        title="The daemon: a session, where the folder it is in was granted",
        code=SESSION,
        permissions={"read": ("{FOLDER}",)},
    ),
    Attack(
        title="The daemon: a session, where the network was granted",
        code=SESSION,
        permissions={"net": True},
    ),
)
