"""Attacks on files: the user's, the environment's, the daemon's, another node's, the system's."""

from attacks.attack import Attack

SECRET_FILE = "HOME + '/secret'"
READ_OPEN = {"read": ("{OPEN}",)}
WRITE_OPEN = {"write": ("{OPEN}",)}
CHANGES = (
    "attempt(os.chmod, {path}, 0)\nattempt(os.utime, {path}, (1, 1))\n"
    "attempt(os.setxattr, {path}, 'user.attacked', b'x')"
)

ATTACKS = (
    Attack(title="A file of the user's: read", code=f"attempt(read, {SECRET_FILE})", held_from="T1"),
    Attack(
        title="A file of the user's: read by way of a link in the scratch folder",
        code=f"os.symlink({SECRET_FILE}, 'way')\nattempt(read, 'way')",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: read by way of a hard link in the scratch folder",
        code=f"attempt(os.link, {SECRET_FILE}, 'way')\nattempt(read, 'way')",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: moved into the scratch folder",
        code=f"attempt(os.rename, {SECRET_FILE}, 'taken')\nattempt(read, 'taken')",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: read by way of /proc",
        code="for root in ('self/root', 'thread-self/root', '1/root', '1/cwd', 'self/task/1/root'):\n"
        "    attempt(read, f'/proc/{root}{HOME}/secret')",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: mapped into memory",
        code=f"attempt(lambda: mmap.mmap(os.open({SECRET_FILE}, os.O_RDONLY), 0, prot=mmap.PROT_READ)[:99])",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: executed",
        code="attempt(lambda: subprocess.run(['/bin/sh', '-c', f'. {HOME}/secret; {HOME}/secret'], "
        "capture_output=True, text=True).stderr)\n",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: written over, added to, cut off",
        code=f"attempt(write, {SECRET_FILE})\nattempt(write, {SECRET_FILE}, b'x', os.O_WRONLY | os.O_APPEND)\n"
        f"attempt(os.truncate, {SECRET_FILE}, 0)",
        held_from="T1",
    ),
    Attack(
        title="A file of the user's: written over by one moved there",
        code=f"write('evil', flags=os.O_CREAT | os.O_WRONLY)\nattempt(os.rename, 'evil', {SECRET_FILE})",
        held_from="T1",
    ),
    Attack(title="A file of the user's: removed", code=f"attempt(os.unlink, {SECRET_FILE})", held_from="T1"),
    Attack(
        title="A file of the user's: mode, times and attributes changed",
        code=CHANGES.format(path=SECRET_FILE),
        held_from="T2",
    ),
    Attack(
        title="A file of the user's: size and times seen",
        code=f"attempt(os.stat, {SECRET_FILE}) and won()",
        held_from="T2",
    ),
    Attack(
        title="A file of the user's: extended attributes read",
        code=f"attempt(os.getxattr, {SECRET_FILE}, 'user.secret')",
        held_from="T2",
    ),
    Attack(
        title="A link of the user's: where it leads",
        code="attempt(os.readlink, HOME + '/link')",
        held_from="T2",
    ),
    Attack(title="A folder of the user's: listed", code="attempt(os.listdir, HOME)", held_from="T1"),
    Attack(
        title="A folder of the user's: watched for what happens in it (inotify)",
        code="attempt(lambda: (call('inotify_add_watch', call('inotify_init'), HOME.encode(), 0xFFF), won()))",
        held_from="T2",
    ),
    Attack(
        title="A folder of the user's: a file, folder, link, pipe and socket made in it",
        code="at = HOME + '/attacked'\n"
        "def bind(at): socket.socket(socket.AF_UNIX).bind(at)\n"
        "def link(at): os.symlink('x', at)\n"
        "def create(at): write(at, flags=os.O_CREAT | os.O_WRONLY)\n"
        "for make in (os.mkdir, os.mkfifo, link, create, bind):\n"
        "    attempt(make, at)\n    at += 'x'",
        held_from="T1",
    ),
    Attack(
        title="A folder of the user's: moved elsewhere",
        code="attempt(os.rename, HOME, os.path.dirname(HOME) + '/attacked')",
        held_from="T1",
    ),
    Attack(
        title="Granted to be read, a folder: written",
        code="attempt(write, OPEN + '/data')\nattempt(write, OPEN + '/attacked', flags=os.O_CREAT | os.O_WRONLY)\n"
        "attempt(os.unlink, OPEN + '/data')\nattempt(os.link, OPEN + '/data', OPEN + '/attacked')",
        held_from="T1",
        permissions=READ_OPEN,
    ),
    Attack(
        title="Granted to be read, a folder: modes, times and attributes changed",
        code=CHANGES.format(path="OPEN + '/data'"),
        held_from="T2",
        permissions=READ_OPEN,
    ),
    Attack(
        title="Granted to be read, a folder: left by a link in it, and by ..",
        code="for way in ('/link/secret', '/../secret', '/link/../secret'): attempt(read, OPEN + way)",
        held_from="T1",
        permissions=READ_OPEN,
    ),
    Attack(
        title="Granted to be written, a folder: itself removed or moved, what is beside it written",
        code="attempt(os.rename, OPEN, OPEN + '-attacked')\n"
        "attempt(write, OPEN + '/../attacked', flags=os.O_CREAT | os.O_WRONLY)\n"
        "attempt(write, OPEN + '/link/secret')\nattempt(os.rename, OPEN + '/../secret', OPEN + '/data')",
        held_from="T1",
        permissions=WRITE_OPEN,
    ),
    Attack(
        title="The environment: code for its next start (.pth in site-packages)",
        code="attempt(write, SITE + '/attacked.pth', b'import this', os.O_CREAT | os.O_WRONLY)",
        held_from="T1",
    ),
    Attack(
        title="The environment: a module written over",
        code="attempt(write, SITE + '/innocent.py', b'VALUE = \"attacked\"')",
        held_from="T1",
    ),
    Attack(
        title="The environment: a cache of compiled code poisoned",
        code="import importlib.util, marshal\n"
        "source = SITE + '/innocent.py'\nseen = os.stat(source)\n"
        "code = marshal.dumps(compile('VALUE = \"attacked\"', source, 'exec'))\n"
        "head = importlib.util.MAGIC_NUMBER + struct.pack('<3I', 0, int(seen.st_mtime), seen.st_size)\n"
        "at = importlib.util.cache_from_source(source)\n"
        "attempt(os.mkdir, os.path.dirname(at))\nattempt(os.unlink, at)\n"
        "attempt(write, at, head + code, os.O_CREAT | os.O_WRONLY)",
        held_from="T1",
    ),
    Attack(
        title="The environment: modes and times changed",
        code=CHANGES.format(path="SITE + '/innocent.py'"),
        held_from="T2",
    ),
    Attack(
        title="Shared folders and the daemon's own code: a file left there",
        code="for folder in SHARED:\n"
        "    if not os.path.realpath(folder).startswith(os.path.dirname(os.getcwd()) + '/'):\n"
        "        attempt(write, folder + '/attacked', flags=os.O_CREAT | os.O_WRONLY)",
        held_from="T1",
    ),
    Attack(
        title="Beside its scratch folder: a file left for other nodes",
        code="above = os.getcwd()\n"
        "while above != '/':\n"
        "    above = os.path.dirname(above)\n"
        "    attempt(write, above + '/attacked', flags=os.O_CREAT | os.O_WRONLY)",
        held_from="T1",
    ),
    Attack(
        title="Another node's scratch folder: read, listed, written",
        code="attempt(os.listdir, NODE_SCRATCH)\nattempt(read, NODE_SCRATCH + '/kept')\n"
        "attempt(write, NODE_SCRATCH + '/kept')\n"
        "attempt(write, NODE_SCRATCH + '/attacked', flags=os.O_CREAT | os.O_WRONLY)\n"
        "attempt(os.unlink, NODE_SCRATCH + '/kept')",
        held_from="T1",
    ),
    Attack(
        title="Another node's scratch folder: modes and times changed",
        code=CHANGES.format(path="NODE_SCRATCH + '/kept'"),
        held_from="T3",
    ),
    Attack(
        title="The daemon's state, log, lock and socket: read, written, removed",
        code="at = DAEMON_SOCKET\n"
        "attempt(read, at + '.state/secret')\n"
        "for path in ('.state/secret', '/../daemon.log', '.lock', '.state/tiers'):\n"
        "    attempt(write, os.path.normpath(at + path) if '..' in path else at + path)\n"
        "for path in ('.state/secret', '.lock', ''): attempt(os.unlink, at + path)",
        held_from="T1",
    ),
    Attack(
        title="The same, where the folder they are in was granted",
        code="at = DAEMON_SOCKET\n"
        "attempt(read, at + '.state/secret')\n"
        "for path in ('.state/secret', '.lock', '.state/tiers'): attempt(write, at + path)\n"
        "for path in ('.state/secret', '.lock', ''): attempt(os.unlink, at + path)",
        held_from="T1",
        permissions={"write": ("{FOLDER}",)},
    ),
    Attack(
        title="The system: passwords read",
        code="attempt(lambda: (read('/etc/shadow', 1), won()))",
        held_from="T1",
        absent_below="T1",
    ),
    Attack(
        title="The system: a setting of the kernel's written (sysctl)",
        code="at = '/proc/sys/vm/stat_interval'\nattempt(lambda: (write(at, read(at)), won()))",
        held_from="T1",
        absent_below="T1",
    ),
    Attack(
        title="The system: a control group made",
        code="attempt(os.mkdir, '/sys/fs/cgroup/attacked')",
        held_from="T1",
        absent_below="T1",
    ),
    Attack(
        title="The system: disks, memory, terminals and the kernel's log opened",
        code="for name in ('mem', 'kmsg', 'sda', 'vda', 'tty', 'ptmx', 'console', 'kvm', 'fuse', 'net/tun'):\n"
        "    attempt(lambda: (os.open('/dev/' + name, os.O_RDWR | os.O_NONBLOCK), won()))\n"
        "attempt(lambda: (os.open('/proc/kcore', os.O_RDONLY), won()))",
        held_from="T1",
        absent_below="T1",
    ),
    Attack(
        title="The system: a device made",
        code="for kind in (stat.S_IFBLK, stat.S_IFCHR):\n"
        "    attempt(lambda: (os.mknod('disk', kind | 0o600, os.makedev(1, 1)), won()))",
    ),
    Attack(
        title="Descriptors: something else than its outputs and its channel",
        code="for number in os.listdir('/proc/self/fd'):\n"
        "    target = attempt(os.readlink, '/proc/self/fd/' + number)\n"
        "    if target and not target.startswith(('pipe:', 'socket:', '/dev/null', '/proc/')): won()",
    ),
    Attack(
        title="Descriptors: above one of them, by ..",
        code="for number in range(3, 1024): attempt(lambda: (os.open('../' * 9, os.O_RDONLY, dir_fd=number), won()))",
    ),
)
