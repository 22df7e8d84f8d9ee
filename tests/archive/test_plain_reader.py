"""A stranger reads an archive with Python's standard library and the program in it, and gets what the store holds."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.archive.conftest import Shelved
from tests.support.archives import held_by
from themis_vcs.analysis.lookup import locate
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.report import report
from themis_vcs.model.tree import case_key

ISOLATED = [sys.executable, "-I", "-S"]
"""Python that sees neither our package nor any other, nor the working directory."""
ASK = """
import pickle, runpy, sys
module = runpy.run_path(sys.argv[1])
answers = {"values": list(module["values"](sys.argv[2])), "means": module["means"](sys.argv[2])}
foreign = [name for name in sys.modules if name.split(".")[0] in ("themis_vcs", "msgspec", "msgpack", "blake3")]
pickle.dump({**answers, "foreign": foreign}, sys.stdout.buffer)
"""


@pytest.fixture
def program(shelved: Shelved) -> Path:
    """The reader as it lies in the archive."""
    return shelved.folder / "data/read_archive.py"


def ask(program: Path, path: Path) -> Any:
    done = subprocess.run([*ISOLATED, "-c", ASK, program, path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def same(one: Any, other: Any) -> bool:
    """Equal data of equal types: 1, 1.0 and True are three, and NaN is itself."""
    return pickle.dumps(json.loads(json.dumps(one, default=repr))) == pickle.dumps(
        json.loads(json.dumps(other, default=repr))
    )


def test_every_value_of_every_stage_is_what_the_store_says(path: Path, program: Path, shelved: Shelved) -> None:
    answers = ask(program, path)
    assert answers["foreign"] == []
    compared = 0
    for label, oid in shelved.made.runs.items():
        read = [each for each in answers["values"] if each["run"] == label]
        held = held_by(shelved.repository, oid)
        assert len(read) == len(held)
        for each, (stage, track, component, key, value, data, message) in zip(read, held, strict=True):
            where = (each["stage"], each["track"], each["component"])
            assert where == (stage, track, component)
            assert case_key(each["dataset"], each["case"], each["index"]) == key
            assert each["hash"] == (None if value is None else value.hex())
            assert each["error"] == message
            assert same(each["value"], data), (key, each["value"], data)
            compared += 1
    assert compared > 50
    assert {each["index"] for each in answers["values"]} == {None, 0, 1}
    stages = {each["stage"] for each in answers["values"]}
    assert stages == {"generate", "reduce", "parse", "score", "judge"}


def test_odd_data_comes_back_with_its_types(path: Path, program: Path) -> None:
    found = next(each for each in ask(program, path)["values"] if each["stage"] == "generate" and each["value"])
    odd = found["value"]["artifacts"]
    assert odd["raw"] == b"\x00\xff"
    assert (odd["$float"], odd["$bytes"], odd["$$"]) == ("NaN", "00", 1)
    assert odd["numbers"] == [math.inf, -math.inf, 1, 1.0, -0.0]
    assert [type(each) for each in odd["numbers"]] == [float, float, int, float, float]


def test_the_means_are_those_of_the_report(path: Path, program: Path, shelved: Shelved) -> None:
    means = ask(program, path)["means"]
    assert len(means) == 4
    for label, oid in shelved.made.runs.items():
        head = report(Reader(shelved.repository), locate(shelved.repository, oid.hex()))
        assert {each.metric: (each.mean, each.n) for each in head.metrics} == {
            metric: found for (run, metric), found in means.items() if run == label
        }


def test_it_checks_the_manifests(path: Path, program: Path, shelved: Shelved, tmp_path: Path) -> None:
    done = subprocess.run([*ISOLATED, program, path, "--check"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_it_is_as_short_as_it_says(program: Path) -> None:
    code = [line for line in program.read_text().splitlines() if line.strip()]
    assert len(code) <= 110
