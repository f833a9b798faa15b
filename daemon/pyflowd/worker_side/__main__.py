"""The first thing a zygote runs: `PYTHON -I .../worker_side CONTROL_FD`. With other arguments see `binding`.

Loads its neighbours as one package under a private name, so that nothing of ours lies on `sys.path` and a
node's `import frames` finds no file of ours. Refuses interpreters that cannot run the rest, in one line.
"""

import sys  # and nothing from __future__: Python 3.6 shall come far enough to be refused

PACKAGE = "_pyflowd_worker"
UNSUITABLE_INTERPRETER = 3


def _load_package() -> None:
    import importlib.util
    import os

    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != folder]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Check the interpreter, then become a zygote."""
    if sys.implementation.name != "cpython" or sys.version_info < (3, 8):
        name, version = sys.implementation.name, ".".join(map(str, sys.version_info[:3]))
        sys.stderr.write("nodes need CPython 3.8 or newer, this is %s %s\n" % (name, version))
        sys.exit(UNSUITABLE_INTERPRETER)
    import importlib

    _load_package()
    if sys.argv[1] == "bind":
        importlib.import_module(PACKAGE + ".binding").main(sys.argv[2:])
    zygote = importlib.import_module(PACKAGE + ".zygote")
    zygote.main(int(sys.argv[1]))


main()
