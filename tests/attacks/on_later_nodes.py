"""Attacks on nodes that come later: by what lies ready for them, and by the fork server that they come from."""

from attacks.attack import Attack

ATTACKS = (
    Attack(
        title="Later nodes: modules, built-in functions and paths changed",
        code="import builtins\nbuiltins.attacked = 1\njson.dumps = lambda *_: 'attacked'\n"
        "sys.path.insert(0, os.getcwd())\nsys.modules['attacked'] = sys\nos.environ['attacked'] = '1'\n"
        "sys.meta_path.clear()",
    ),
    Attack(
        title="Later nodes: exit functions, signal handlers and fork hooks left",
        code="import atexit\natexit.register(print, 'attacked')\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "os.register_at_fork(after_in_child=lambda: os._exit(1))",
    ),
    Attack(
        title="Later nodes: memory of the interpreter written",
        code="import innocent\n"
        "at = id('innocent')\n"
        "ctypes.memset(id(innocent.VALUE) + 48, 0x41, 4)\n"
        "ctypes.memset(id(sys.path), 0, 16)\nos._exit(0)",
    ),
    Attack(
        title="Later nodes: mask, directory, priority, processors and limits of who comes next",
        code="os.umask(0)\nos.chdir('/')\nos.nice(19)\nos.sched_setaffinity(0, {0})\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
    ),
    Attack(
        title="Later nodes: the scratch folder left full, and closed to all",
        code="os.makedirs('a/b/c')\nwrite('a/attacked', flags=os.O_CREAT | os.O_WRONLY)\nos.chmod('a', 0)\n"
        "attempt(os.setxattr, '.', 'user.attacked', b'x')\nos.chmod('.', 0)",
    ),
    Attack(
        title="Later nodes: the scratch folder replaced by a link",
        code="here = os.getcwd()\nattempt(os.rename, here, here + '-attacked')\nattempt(os.rmdir, here)\n"
        "attempt(os.symlink, HOME, here)",
    ),
    Attack(
        title="Later nodes: a module of its own in the place of one that they import",
        code="for name in ('innocent.py', 'attacked.py', 'attacked.pth', '__pycache__/innocent.pyc'):\n"
        "    attempt(write, os.path.join(SITE, name), b'VALUE = \\'attacked\\'', os.O_CREAT | os.O_WRONLY)",
        held_from="T1",
    ),
    Attack(
        title="Environments: files of one that is not its own",
        code="for folder, _, names in os.walk(ENVIRONMENTS):\n"
        "    for name in names: attempt(read, os.path.join(folder, name))\n"
        "attempt(read, os.path.join(ENVIRONMENTS, 'named', 'other', 'secret'))",
        held_from="T1",
    ),
)
