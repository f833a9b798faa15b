"""What `node` takes: most of what `run` takes, but for what is about several nodes."""

import argparse

from pyflowd_client.cli.arguments import CollectInputs, pin_input
from pyflowd_client.cli.run_arguments import add_environment, add_graph, add_manner


def fill(node: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_graph(node)
    node.add_argument("node", metavar="NODE", help="the node's id, or its title if no other node has it")
    node.add_argument(
        "--input",
        metavar="PIN=JSON",
        dest="inputs",
        type=pin_input,
        action=CollectInputs,
        default={},
        help="a value for an input of the node. Repeatable",
    )
    add_environment(node)
    add_manner(node)
    node.set_defaults(command="runs:node", partial=False, targets=(), start_from=())
