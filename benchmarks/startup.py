"""Start-up time of the command line on a warm cache, as a ratio to a bare interpreter.

    python benchmarks/startup.py [--runs 15]

Goals: ``powerlab --help`` and ``powerlab instruments list`` under 250 ms, ``import powerlab``
under 100 ms.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import powerlab": ["-c", "import powerlab"],
    "powerlab --help": ["-m", "powerlab.cli", "--help"],
    "powerlab instruments list": ["-m", "powerlab.cli", "instruments", "list"],
}


def seconds(arguments: list[str]) -> float:
    """Get the wall time of one run of the interpreter."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    """Print median, spread and the ratio to a bare interpreter of each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    bare = None
    for name, arguments in COMMANDS.items():
        seconds(arguments)
        taken = [seconds(arguments) for _ in range(runs)]
        median = statistics.median(taken)
        bare = bare or median
        print(
            f"{name:28s} median {median * 1e3:6.0f} ms  "
            f"(min {min(taken) * 1e3:.0f}, max {max(taken) * 1e3:.0f})  "
            f"{median / bare:.1f} x bare interpreter"
        )


if __name__ == "__main__":
    main()
