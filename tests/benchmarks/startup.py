"""How long the command line takes to begin, beside a Python that imports click; all from compiled files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figure import Dose, Figure, in_turns, ratio

_WANTED = 2.5


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield the times over that of Python with click, each the median of starts in turns."""
    directory.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment.pop("THEMIS_DIR", None)
    themis = str(Path(sys.executable).with_name("themis"))

    def call(*command: str) -> None:
        subprocess.run(command, check=True, cwd=directory, env=environment, stdout=subprocess.DEVNULL)

    call(themis, "init")
    commands = {
        "click": lambda: call(sys.executable, "-c", "import click"),
        "themis --help": lambda: call(themis, "--help"),
        "themis status": lambda: call(themis, "status"),
    }
    for command in commands.values():
        command()
    seconds = in_turns(commands, dose.starts)
    for name in ("themis --help", "themis status"):
        yield Figure(f"{name} over python -c 'import click'", ratio(seconds[name], seconds["click"]), most=_WANTED)
