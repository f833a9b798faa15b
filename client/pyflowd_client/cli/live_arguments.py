"""What `live` takes."""

from pyflowd_client.cli.arguments import seconds
from pyflowd_client.cli.parser import Parser
from pyflowd_client.cli.run_arguments import add_bounds, add_environment, add_inputs

LIVE = """\
Execute a graph, then again whatever changes: what is saved to its file, what inputs are given, what is triggered.
Only what has changed is executed, and what is below it. A daemon is started if none runs.

  pyflowctl live graph.md
  pyflowctl live graph.md --set 'Oscillator.phase=0.5' --isolation fresh
  pyflowctl live --follow RUN                          join a session that is open
  pyflowctl live graph.md --json                       events to stdout, changes from stdin, one per line

On a terminal: arrows or a number choose a node, t triggers it, p pauses and resumes, a executes all, r resets,
q quits. With --json a change is an object with one key, and an "id" beside it if you like:

  {"set_input": {"node": "Oscillator", "pin": "phase", "value": 0.5}, "id": "slider-17"}
  {"trigger": {"node": "Plot"}}   {"every": {"node": "Plot", "seconds": 0.5}}   {"update_graph": {"path": "graph.md"}}
  {"pause": {}}   {"resume": {}}   {"reset": {}}   {"run_all": {}}

The end of the input, q or Ctrl-C close the session; one that was joined stays open.
"""


def fill(live: Parser) -> None:
    """All arguments."""
    live.add_argument("graph", metavar="GRAPH", nargs="?", help="a graph file, FlowSpec Markdown or JSON")
    live.add_argument("--follow", metavar="RUN", help="join the session RUN in place of opening one")
    add_inputs(live, "--set")
    live.add_argument(
        "--isolation",
        choices=["fresh", "resident", "shared"],
        default="resident",
        help="a process for each execution of a node, one that each node keeps (the default), or one for all nodes",
    )
    live.add_argument("--paused", action="store_true", help="execute nothing before it is resumed")
    live.add_argument(
        "--linger",
        metavar="S",
        type=seconds,
        default=60.0,
        help="seconds that the session stays when nobody follows it any more, such as after a crash (default: 60)",
    )
    live.add_argument("--no-watch", action="store_true", help="do not follow the file")
    live.add_argument("--json", action="store_true", help="print one event per line, read one change per line")
    add_environment(live)
    add_bounds(live)
