from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, environment

SLOW = """
import asyncio
from pathlib import Path
from themis_vcs import GenerationResult, generator

@generator
async def answer(case, ctx):
    if Path("slow").exists() and case.case_id in ("c5", "c6"):
        Path("waiting").touch()
        await asyncio.sleep(60)
    return GenerationResult(str(case.expected_output))
"""


@pytest.fixture
def stuck(project: Project) -> Project:
    (project.path / "slow.py").write_text(SLOW)
    (project.path / "slow").touch()
    project.edit("main.toml", "mine:answer", "slow:answer")
    project.edit("main.toml", 'name = "main"', 'name = "stuck"')
    return project


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_finished_before_an_interruption_is_kept(stuck: Project, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [COMMAND, "run", "main.toml"],
        cwd=stuck.path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((stuck.path / "waiting").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted; what was finished is kept (8 steps in this run)" in err
    (name,) = [each for each in stuck.here("status", "--json").document["names"] if each["name"] == "stuck"]
    assert name["status"] == "interrupted"
    (stuck.path / "slow").unlink()
    stages = stuck("run", "main.toml", "--json").document["stages"]
    assert (stages["generate"]["reused"], stages["generate"]["built"]) == (8, 2)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_closed_pipe_is_no_news(finished: Project, flags: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [COMMAND, "ls", "main:generate/sums", *flags],
        cwd=finished.path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=30) == 141


@pytest.mark.parametrize("command", ["ls", "status", "log"])
def test_a_full_disk_under_the_output_is_an_error(finished: Project, command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, command],
            cwd=finished.path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_without_an_output_it_still_works(finished: Project) -> None:
    assert (
        subprocess.run(f"{COMMAND} ls >&-", shell=True, cwd=finished.path, env=environment(), check=False).returncode
        == 0
    )
