"""What one Python made, another executes again bit for bit, and with another hash seed; fingerprints are the same.

THEMIS_PYTHONS names other interpreters in whose environment themis is installed, separated by ":". `scripts/pythons`
makes those environments and sets it; without it the interpreter of the tests is the only one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commandline import environment

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "smollm2"
PYTHONS = list(dict.fromkeys([sys.executable, *filter(None, os.environ.get("THEMIS_PYTHONS", "").split(":"))]))
SEEDS = ("1", "2")
STEPS = 200 * 4  # all but the recorded answers: reduced, parsed, scored, judged

COMPONENTS = '''
import functools
import re
from dataclasses import dataclass, field
from enum import Enum

from themis_vcs import ParsedOutput, Score, metric, parser

NAMES = {"b": 2, "a": 1}
CHOICES = {"x", "y", "z"}
PATTERN = re.compile(r"(\\\\d+)", re.I)


class Mode(Enum):
    LOUD = 1


def helper(text, *, width=3, mode=Mode.LOUD):
    match text.split():
        case [one, *_] if len(one) > width:
            return f"{one!r:>{width}} {text=}" f"{sum(n for n in range(3))}"
        case []:
            return ""
    try:
        return "".join(each.upper() for each in text if each in CHOICES)
    except* ValueError as group:
        raise group


@parser
def parse(candidate, ctx):
    """A docstring
    of two lines."""
    def inner(x, /, y=[1, 2, {"k": (3, None)}]):
        nonlocal_value = lambda z: z + x
        return nonlocal_value(1)

    return ParsedOutput(helper(candidate.final_output) or inner(1) or [n for n in NAMES if (m := n)])


@dataclass
class Metric:
    weights: dict = field(default_factory=lambda: {"é": 1.5, "b": -0.0})
    names: frozenset = frozenset({"p", "q", "r", "s"})
    call: object = functools.partial(helper, width=5)

    async def score(self, parsed, case, ctx):
        async with ctx as a, ctx as b:
            return Score("m", 1.0 if parsed.value in self.names else 0.0)


@metric
def equal(parsed, case):
    return parsed.value == case.expected_output
'''
PRINTING = """
import mine
from themis_vcs.evaluation.fingerprint import fingerprint
print([fingerprint(each).hex() for each in (mine.parse, mine.Metric(), mine.equal)])
"""


def themis(python: str, directory: Path, *arguments: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(python).with_name("themis")), *arguments],
        cwd=directory,
        env={**environment(), "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the demo, in the store that it was made in."""
    directory = tmp_path_factory.mktemp("demo") / "smollm2"
    shutil.copytree(EXAMPLE, directory)
    for arguments in (("init",), ("run", "experiment.toml")):
        done = themis(sys.executable, directory, *arguments)
        assert done.returncode == 0, done.stderr
    return directory


def of(python: str) -> str:
    return "this" if python == sys.executable else Path(python).parents[1].name


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("python", PYTHONS, ids=of)
def test_the_demo_comes_out_bit_for_bit(demo: Path, python: str, seed: str) -> None:
    done = themis(python, demo, "audit", "smollm2", "--reexecute", "--json", seed=seed)
    document: dict[str, Any] = json.loads(done.stdout)
    found = [each for each in document["findings"] if each["level"] == "re-execution" or "component" in each["code"]]
    assert {each["code"] for each in found} == {"not-reexecuted", "answers-taken"}, found
    verdict = document["verdicts"][-1]
    assert verdict["why"].startswith(f"{STEPS} of {STEPS} steps that were executed again gave the same, bit for bit")


@pytest.mark.parametrize("python", PYTHONS, ids=of)
def test_what_one_python_made_another_does_not_make_again(demo: Path, python: str) -> None:
    done = themis(python, demo, "run", "experiment.toml", "--dry-run", "--json", seed="3")
    document = json.loads(done.stdout)
    assert {stage: counts["built"] for stage, counts in document["stages"].items()} == dict.fromkeys(
        ("generate", "reduce", "parse", "score", "judge"), 0
    )
    assert document["pending"] == []


def test_fingerprints_are_the_same_in_every_python(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COMPONENTS)
    printed = {
        (of(python), seed): subprocess.run(
            [python, "-c", PRINTING],
            cwd=tmp_path,
            env={**environment(), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for python in PYTHONS
        for seed in SEEDS
    }
    assert len(set(printed.values())) == 1, printed
