"""The whole kit with a default selection, then RESULTS.md: `python benchmarks/run_all.py`, or `make bench`.

A part that fails is named and left out of the results; the exit status is then 1.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("benchmarks")
RESULTS = FOLDER / "results"


def parts(rounds: int) -> dict[str, list[str]]:
    """The scripts and their options. Each writes results/NAME.json."""
    return {
        "limits": ["--rounds", str(rounds)],
        "bench": ["--rounds", str(rounds)],
        "cold": ["--times", str(5 * rounds)],
        "sandbox": ["--rounds", str(rounds)],
        "learning": ["--rounds", str(rounds)],
        "environments": ["--rounds", str(rounds)],
        "live": ["--rounds", str(rounds)],
        "idle": ["--seconds", "10"],
        "large": ["--times", str(rounds)],
    }


def run(script: str, *options: str) -> bool:
    """Run a script of this folder by a relative path, so that the recorded command is one to repeat."""
    print(f"== {script}", file=sys.stderr, flush=True)
    return (
        subprocess.run([sys.executable, str(FOLDER / f"{script}.py"), *options], cwd=ROOT, check=False).returncode == 0
    )


def main() -> int:
    """Run every part, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    failed = []
    for script, arguments in parts(options.rounds).items():
        result = RESULTS / ("peers.json" if script == "bench" else f"{script}.json")
        (ROOT / result).unlink(missing_ok=True)
        if not run(script, *arguments, "--json", str(result)):
            failed.append(script)
    if not run("report", str(RESULTS)):
        failed.append("report")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
