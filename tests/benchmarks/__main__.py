"""Measures what docs/explanation/performance.md promises: scripts/bench runs this.

Prints "row | figure | wanted | ok?" as it goes, or with --json one document at the end. Status 3 if something that is
wanted was not reached; a quick dose is judged by nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import (
    archiving,
    auditing,
    caching,
    comparing,
    full_run,
    handoff,
    moving,
    reporting,
    rerun,
    startup,
    storing,
)
from tests.benchmarks.figure import QUICK, Dose

PARTS = {
    "storing": storing,
    "moving": moving,
    "handoff": handoff,
    "full_run": full_run,
    "caching": caching,
    "rerun": rerun,
    "comparing": comparing,
    "reporting": reporting,
    "auditing": auditing,
    "archiving": archiving,
    "startup": startup,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure themis beside other ways.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a smaller dose, to see that it works")
    parser.add_argument("--json", action="store_true", help="print one document")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    dose = QUICK if chosen.quick else Dose()
    if not chosen.json:
        print(f"# Python {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        print("row | figure | wanted | ok?")
    figures = []
    with tempfile.TemporaryDirectory(prefix="themis-bench-") as scratch:
        for name in chosen.parts or PARTS:
            place = Path(scratch) / name
            place.mkdir()
            for found in PARTS[name].rows(dose, place):
                figure = replace(found, least=None, most=None) if chosen.quick else found
                figures.append(figure)
                if not chosen.json:
                    print(figure, flush=True)
    if chosen.json:
        print(json.dumps([figure.plain() for figure in figures], indent=1, ensure_ascii=False))
    return 3 if any(figure.ok is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
