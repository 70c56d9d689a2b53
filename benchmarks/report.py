"""Time to write the procurement report of ten options, as a ratio to its limit.

    python benchmarks/report.py [--runs 3] [--lang en]

Goal: a report of some 12 pages within 10 s on two cores, imports and decision done before. The
limit was set for such a machine with nothing else to do; ``load`` is what else it did.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 10.0


def main() -> None:
    """Print pages, bytes, and wall and processor time of each run against the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lang", choices=["en", "zh"], default="en")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import matplotlib.figure  # noqa: F401, PLC0415  what is imported while it is written
    import pikepdf  # noqa: PLC0415
    import weasyprint  # noqa: F401, PLC0415

    from powerlab.analysis.cost.decide import decide  # noqa: PLC0415
    from powerlab.report.procurement import write_procurement  # noqa: PLC0415
    from tests.report.procurement.factory import evidence, ten_options  # noqa: PLC0415

    plan = ten_options()
    decision, behind = decide(plan), evidence(plan)
    walls = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.pdf"
        for _ in range(asked.runs):
            wall, cpu = time.perf_counter(), time.process_time()
            write_procurement(plan, decision, behind, path, asked.lang)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            walls.append(wall)
            print(
                f"wall {wall:5.1f} s  processor {cpu:5.1f} s  {wall / LIMIT_S:.2f} of the limit  "
                f"(load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)"
            )
        with pikepdf.open(path) as document:
            pages = len(document.pages)
        size = path.stat().st_size
    ratio = statistics.median(walls) / LIMIT_S
    print(f"{pages} pages, {size / 1024:.0f} KiB, median {ratio:.2f} of the limit of {LIMIT_S:g} s")


if __name__ == "__main__":
    main()
