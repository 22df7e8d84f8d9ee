"""The command as a person meets it: run as a process or in this one, on a project of a few cases."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from themis_vcs.cli.app import app
from themis_vcs.cli.failure import exit_status
from themis_vcs.cli.output import Output
from themis_vcs.cli.session import Session

COMMAND = str(Path(sys.executable).with_name("themis"))

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b32m\u202e\U000e0041[/bold]\nerror: not ours\tend"
"""What a model may write: terminal controls, bidi overrides, markup, a line that looks like an error of ours."""

COMPONENTS = """
from themis_vcs import GenerationResult, ParsedOutput, generator, parser

HOSTILE = {hostile!r}

@generator(deterministic=True)
def answer(case, ctx):
    if case.case_id == "broken":
        raise RuntimeError("the model is down: " + HOSTILE)
    text = HOSTILE if case.case_id == "hostile" else str(case.expected_output)
    return GenerationResult(text, latency_ms=1500.0, token_usage={{"output": 7}})

@parser
def tidy(candidate, ctx):
    return ParsedOutput(candidate.final_output.strip())
"""

EXPERIMENT = """
name = "main"

[generation]
generator = "mine:answer"

[evaluation]
parsers = ["mine:tidy"]
metrics = ["builtin/exact_match", "builtin/f1", { use = "builtin/llm_rubric", rubric = "Is it right?" }]
judge_models = ["builtin/demo_judge"]

[[datasets]]
path = "sums.jsonl"
"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Project:
    """A directory with an experiment, and the command run in it."""

    path: Path

    def __call__(self, *arguments: str, **environ: str) -> Outcome:
        """Run the command as a process of its own."""
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.path,
            env={**environment(), **environ},
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def here(self, *arguments: str) -> Outcome:
        """Run a command that reads in this process; `--store` stands for the working directory."""
        return call("--store", str(self.path / ".themis"), *arguments)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in a file of the project."""
        file = self.path / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


def call(*arguments: str) -> Outcome:
    """Run the command in this process."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    output = Output(stdout=streams[0], stderr=streams[1], environ={})
    before = sys.argv
    sys.argv = ["themis", *arguments]
    try:
        session = Session(output)
        status = exit_status(
            lambda: app.main(list(arguments), standalone_mode=False, obj=session, prog_name="themis"), output
        )
    finally:
        sys.argv = before
    written = [stream.buffer.getvalue().decode() for stream in streams]  # type: ignore[attr-defined]
    return Outcome(status, *written)


def environment() -> dict[str, str]:
    """The environment without what would change how the command behaves."""
    # Keys and whom to trust are a person's: a test has those that it makes.
    unwanted = {
        "SSH_AUTH_SOCK",
        "THEMIS_KEY",
        "THEMIS_TRUST",
        "THEMIS_DIR",
        "THEMIS_USER",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "PYTHONDONTWRITEBYTECODE",
    }
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "XDG_CONFIG_HOME": "/nonexistent"}


def make_project(path: Path, cases: int = 8) -> Project:
    """An experiment over `cases` sums, one case whose answer is hostile and one whose generator raises."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "mine.py").write_text(COMPONENTS.format(hostile=HOSTILE))
    (path / "main.toml").write_text(EXPERIMENT)
    ids = [*(f"c{number}" for number in range(cases)), "hostile", "broken"]
    with (path / "sums.jsonl").open("w") as file:
        for number, case_id in enumerate(ids):
            case = {"case_id": case_id, "input": f"{number}+{number}", "expected_output": str(2 * number)}
            file.write(json.dumps(case) + "\n")
    return Project(path)
