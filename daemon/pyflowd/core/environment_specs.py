"""What an environment shall be, under the name that the core knows it by."""

from pyflowd.graph.environment_specs import DEFAULT, EnvironmentSpec

__all__ = ["DEFAULT", "EnvironmentSpec"]
