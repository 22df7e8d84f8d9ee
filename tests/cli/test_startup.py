from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.commandline import Project, environment

HEAVY = [
    "asyncio",
    "rich",
    "httpx2",
    "uvicorn",
    "httptools",
    "jsonschema",
    "yaml",
    "numpy",
    "scipy",
    "ssl",
    "themis_vcs.pipeline",
    "themis_vcs.catalog",
]

PROBE = """
import atexit, json, os, sys
def tell():
    with open(os.environ["PROBE"], "w") as file:
        json.dump(sorted(sys.modules), file)
os._exit = lambda status, leave=os._exit: (tell(), leave(status))
atexit.register(tell)
from themis_vcs.cli.app import main
main()
"""


def modules(project: Project, *arguments: str) -> set[str]:
    """What is imported after a command, in the process that carried it out."""
    probe = project.path / f"modules-{'-'.join(arguments)}".replace("/", "_")
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=project.path,
        env={**environment(), "PROBE": str(probe)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(probe.read_text()))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("replay", "--help"),
        ("compare", "--help"),
        ("status",),
        ("log",),
        ("show", "main", "c7"),
        ("ls", "main:parse/sums"),
        ("diff", "main@{1}", "main"),
        ("explain", "main:parse/c7"),
        ("stats",),
        ("serve", "--help"),
        ("serve", "token", "list"),
    ],
)
def test_what_only_reads_imports_nothing_heavy(project: Project, arguments: tuple[str, ...]) -> None:
    assert not modules(project, *arguments) & set(HEAVY)


def test_help_imports_neither_the_store_nor_a_command(project: Project) -> None:
    imported = modules(project, "--help")
    assert not imported & {"lmdb", "msgspec", "zstandard", "themis_vcs.store"}
    assert not any(name.startswith("themis_vcs.cli.commands.") for name in imported)
