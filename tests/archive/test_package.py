"""An installed package, without the repository, has what an archive needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json
from themis_vcs.archive import enclosed
print(json.dumps({name: path.read_text() for name, path in enclosed.specification()}))
"""


def test_a_wheel_has_the_pages_of_the_format_and_the_reader(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "installed")
    program = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    here = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == here.stdout
    for name in ("data/format/archive.md", "data/format/stage-bundle.schema.json", "data/read_archive.py"):
        assert f'"{name}"' in done.stdout
