"""Runs pip in a virtual environment without executing anything that is installed in it.

    VENV/bin/python -I -S run_pip.py PIP VENV|- wheels|any ARGUMENTS

`-S` keeps `.pth` files from being executed; what that leaves undone is done here: pip shall see which environment it
works on, and what is installed there, but import nothing from it. PIP is the folder or the wheel that pip lies in.
With `-` instead of an environment pip works on none. "wheels" means that nothing is built, wherever it comes from:
pip's own `--only-binary` does not hold for paths and URLs.

Standard library only, CPython 3.8 and newer.
"""

import os
import runpy
import sys
from importlib.machinery import PathFinder

LIBRARY = list(sys.path)


class Imports:
    """Finds pip where it lies, and all else in the standard library only."""

    place = ""

    @classmethod
    def find_spec(cls, name, path=None, target=None):  # type: ignore[no-untyped-def]
        """As `PathFinder`, but for `sys.path`, which pip reads to find out what is installed."""
        if path is None:
            path = [cls.place] if name == "pip" else LIBRARY
        return PathFinder.find_spec(name, path, target)

    invalidate_caches = PathFinder.invalidate_caches
    find_distributions = getattr(PathFinder, "find_distributions", None)


def enter(folder: str) -> None:
    """Makes this process one of the virtual environment, as the module `site` would, but for its code."""
    sys.prefix = sys.exec_prefix = folder
    site = os.path.join(folder, "lib", "python{}.{}".format(*sys.version_info), "site-packages")
    if sys.hexversion >= 0x030B0000:
        sys.path.append(site)
        return
    import pip._vendor.pkg_resources as packages  # which would import what a package says is a namespace of its

    packages.declare_namespace = packages.fixup_namespace_packages = lambda *_: None
    sys.path.append(site)
    packages.working_set.add_entry(site)  # type: ignore[attr-defined]


def forbid_builds() -> None:
    """Everything that is built goes through this method, and so nothing is. A pip that lacks it cannot be used."""
    from pip._internal.distributions.sdist import SourceDistribution
    from pip._internal.exceptions import InstallationError

    def refuse(self, *_, **__):  # type: ignore[no-untyped-def]
        raise InstallationError(f"{self.req} is not a wheel, and building from source is disabled")

    SourceDistribution.prepare_distribution_metadata  # noqa: B018
    SourceDistribution.prepare_distribution_metadata = refuse  # type: ignore[method-assign]


def main() -> None:
    """See above."""
    Imports.place, folder, kind = sys.argv[1:4]
    sys.meta_path[sys.meta_path.index(PathFinder)] = Imports
    if folder != "-":
        enter(folder)
    if kind == "wheels":
        forbid_builds()
    sys.argv = ["pip", *sys.argv[4:]]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
