"""The graph daemon: runs PyFlowGraph node graphs, every node in its own process."""

__version__ = "0.1.0"
