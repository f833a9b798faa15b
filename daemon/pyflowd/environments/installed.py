"""What is installed in a virtual environment, read from its files."""

from importlib.metadata import distributions
from pathlib import Path

from pyflowd.environments.failures import normal_name


def installed_in(folder: Path) -> dict[str, str]:
    """Versions by name, sorted by name."""
    found = {}
    for packages in folder.glob("lib/python3*/site-packages"):
        for item in distributions(path=[str(packages)]):
            name = item.metadata["Name"]
            if name:
                found[name] = item.version
    return dict(sorted(found.items(), key=lambda pair: normal_name(pair[0])))
