from __future__ import annotations

import re

import pytest

from tests.support.commandline import COMMAND, Project, environment
from tests.support.terminal import on_terminal

SLOW = """
import asyncio
from themis_vcs import GenerationResult, generator

@generator
async def answer(case, ctx):
    await asyncio.sleep(0.05)
    return GenerationResult(case.input)
"""


@pytest.fixture
def slow(project: Project) -> Project:
    (project.path / "slow.py").write_text(SLOW)
    project.edit("main.toml", "mine:answer", "slow:answer")
    return project


def screen(project: Project, *arguments: str, columns: int = 80, **environ: str) -> tuple[int, str]:
    return on_terminal(
        [COMMAND, *arguments], project.path, {**environment(), "TERM": "xterm", **environ}, columns=columns
    )


@pytest.mark.parametrize("columns", [80, 50])
def test_a_live_line_shows_progress_never_wraps_and_is_taken_away(slow: Project, columns: int) -> None:
    status, written = screen(slow, "run", "main.toml", "--concurrency", "1", columns=columns)
    assert status == 0
    drawn = [line for line in written.split("\r\x1b[K") if line.startswith("generate")]
    assert any(re.fullmatch(r"generate \d+/10  [\d.]+/s  0:0\d left", line) for line in drawn)
    assert all(len(line) < columns for line in drawn)
    assert "generate" not in written.rpartition("\x1b[K")[0].rpartition("\r\x1b[K")[2]
    assert "\x1b[1m10\x1b[0m" in written


def test_a_dumb_terminal_gets_neither_line_nor_colours(slow: Project) -> None:
    status, written = screen(slow, "run", "main.toml", TERM="dumb")
    assert status == 0
    assert "\x1b" not in written


def test_no_color_takes_the_colours_but_not_the_line(slow: Project) -> None:
    _, written = screen(slow, "run", "main.toml", NO_COLOR="1")
    assert set(re.findall(r"\x1b\[[0-9;]*[A-Za-z]", written)) == {"\x1b[K"}


def test_bytes_are_not_written_to_a_terminal(finished: Project) -> None:
    status, written = screen(finished, "cat", "--raw", "main:parse/c7")
    assert status == 2
    assert "this is a terminal" in written


@pytest.mark.parametrize(
    "arguments",
    [("log",), ("diff", "main@{1}", "main"), ("show", "main", "c3"), ("status",), ("ls", "main:generate", "--failed")],
)
def test_long_lines_are_broken_to_fit_into_a_terminal(finished: Project, arguments: tuple[str, ...]) -> None:
    piped = finished.here(*arguments).out
    _, written = screen(finished, *arguments, NO_COLOR="1", columns=60)
    lines = [line for line in written.splitlines() if not line.startswith("store ")]
    assert max(map(len, lines)) <= 60 < max(map(len, piped.splitlines()))


@pytest.mark.parametrize("case", ["hostile", "broken"])
def test_hostile_text_draws_nothing(finished: Project, case: str) -> None:
    _, written = screen(finished, "show", "main", case)
    ours = re.sub(r"\x1b\[(0|1|2|3[1-6])m", "", written)
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\U000e0041"} & set(ours)
