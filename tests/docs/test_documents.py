"""Every command and every program in the README and the documents is executed, in the order in which a reader would.

A block is preceded by what it is: `<!-- file: NAME -->` is written to NAME, `<!-- run -->` is executed line by line
(`<!-- run: exit N -->` must end with N), `<!-- test -->` is a Python program, `<!-- text -->` is only looked at.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- (?P<what>[a-z]+)(?:: (?P<of>[^>]*?))? -->\n)?```(?P<kind>[a-z]*)\n(?P<text>.*?)```", re.S)
EXECUTED = ("console", "python", "toml")
ELSEWHERE = {
    "docs/reference/components.md": "tests/catalog/test_documentation.py",
    "docs/reference/datasets.md": "tests/catalog/test_documentation.py",
    "docs/reference/cli.md": "tests/cli/test_reference.py",
}
"""Pages whose examples another test executes."""


def blocks(path: Path) -> Iterator[re.Match[str]]:
    return BLOCK.finditer(path.read_text())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("THEMIS_", "XDG_", "SSH_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "HOME": str(tmp_path / "home"), "PATH": path, "COLUMNS": "80"}


def execute(command: list[str] | str, directory: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if any(b["what"] for b in blocks(path))], ids=name)
def test_a_document_does_what_it_says(path: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for block in blocks(path):
        if block["what"] == "file":
            (work / block["of"]).parent.mkdir(parents=True, exist_ok=True)
            (work / block["of"]).write_text(block["text"])
        elif block["what"] == "run":
            expected = int(block["of"].removeprefix("exit ")) if block["of"] else 0
            for line in block["text"].splitlines():
                if line.startswith("$ "):
                    status, output = execute(line.removeprefix("$ "), work, environment)
                    assert status == expected, f"{line}\n{output}"
        elif block["what"] == "test":
            (work / "program.py").write_text(block["text"])
            status, output = execute([sys.executable, "program.py"], work, environment)
            assert status == 0, f"{block['text']}\n{output}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_block_is_left_unexecuted(path: Path) -> None:
    unmarked = [
        block["text"].splitlines()[0] if block["text"] else ""
        for block in blocks(path)
        if block["kind"] in EXECUTED and block["what"] is None and name(path) not in ELSEWHERE
    ]
    assert unmarked == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []
