"""Why a node is executed although results may be kept, in words: told with `explain`."""

from pyflowd.core.kept_results import Parts

FOUND = "is not executed: its result was kept"
OFF_FOR_RUN = "caching is off for this run"
DEBUGGED = "a debugger may open in it"
OFF_FOR_NODE = 'its metadata says "cache": false'
OFF = 'caching is off; `run --cache`, or "cache": true in its metadata, turns it on'
MAY_DO_ALL = 'it may do everything, and its metadata does not say "cache": true'
MAY_USE_NET = 'it may use the network, and its metadata does not say "cache": true'
ENVIRONMENT_CHANGES = "its environment was changed while it waited, so that its result is not kept"


def executed(reason: str) -> str:
    """Why a node is executed."""
    return f"is executed: {reason}"


def not_granted(path: str) -> str:
    """A graph's word alone lets nobody look at a path."""
    return f"its metadata names {path!r}, which nodes were not permitted to read"


def missing(parts: Parts, earlier: Parts | None) -> str:
    """Why there is no result for these parts of a key; `earlier` are those of the newest result of the same node."""
    if earlier is None:
        return "no result of it is kept"
    now, then = dict(parts), dict(earlier)
    changed = [name for name, digest in now.items() if then.get(name) != digest]
    changed += [name for name in then if name not in now]
    if not changed:
        return "its result was kept, and is not any more"
    return f"other than when its newest result was kept: {', '.join(changed)}"
