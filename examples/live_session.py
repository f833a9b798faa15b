"""Drive a live session from Python: an input that moves, and values that follow it.

    python examples/live_session.py            # two seconds of a moving wave
    python examples/live_session.py 10 60      # ten seconds, 60 changes per second

Each change executes only what it concerns. A change that comes before the last one has been computed takes its place:
so a slow graph falls behind by one change, never by a queue of them.
"""

import math
import statistics
import sys
import time
from pathlib import Path

from pyflowd_client import Live, connect, events

GRAPH = Path(__file__).with_name("moving_wave.md")


def move(live: Live, duration_s: float, rate_hz: float) -> list[float]:
    """Turn the phase once every two seconds; the latencies, from a change to its picture, in seconds."""
    latencies: list[float] = []
    begun = time.perf_counter()
    for number in range(int(duration_s * rate_hz)):
        due = begun + number / rate_hz
        time.sleep(max(0.0, due - time.perf_counter()))
        changed = time.perf_counter()
        live.set("Wave", "phase", math.pi * (changed - begun))
        live.settle()
        latencies.append(time.perf_counter() - changed)
        print(f"\r{live.values['Picture']['line']}", end="", flush=True)
    print()
    return latencies


def watch(live: Live, change: str) -> None:
    """Tell the events that one change leads to."""
    for event in live:
        if isinstance(event, events.NodeFinished):
            print(f"  {event.title}: {event.state} after {event.duration_s * 1000:.2f} ms")
        elif isinstance(event, events.LiveSettled) and event.change == change:
            return


def main(duration_s: float = 2.0, rate_hz: float = 30.0) -> None:
    """Open a session, move its input, change its code, and leave."""
    with connect() as daemon, daemon.live(GRAPH) as live:
        live.settle()
        latencies = move(live, duration_s, rate_hz)
        print(f"{len(latencies)} changes, {statistics.median(latencies) * 1000:.1f} ms each (median)")
        print("another beat:")
        watch(live, live.set("Wave", "beat", 0.4))
        print("another character; the wave itself is not computed again:")
        document = GRAPH.read_text(encoding="utf-8").replace('"_.,-~=+*#"', '" .:oO@"')
        live.update_document(document)
        live.settle()
        print(live.values["Picture"]["line"])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
