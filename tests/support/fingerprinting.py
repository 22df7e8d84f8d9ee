"""Fingerprints of components in source files that a test writes, each computed in a process of its own.

A server process imports themis once and forks for every question, so that a question costs milliseconds and still
starts without any of the user's modules.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Answer:
    """What came back: `fingerprint` (hex) and the lines of `explain`, or the `error` and its `hint`."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.error: str | None = answer.get("error")
        self.hint: str | None = answer.get("hint")
        self.explained: list[str] = answer.get("explained", [])
        self._fingerprint: str | None = answer.get("fingerprint")

    @property
    def fingerprint(self) -> str:
        assert self._fingerprint is not None, self.error
        return self._fingerprint

    def code(self) -> set[str]:
        """The names of the definitions that were reached."""
        assert self.error is None, self.error
        return {line.split(" ")[1] for line in self.explained if line.startswith("code ")}


class Fingerprinter:
    """Asks the server. Files are given as {path: text}; texts are dedented."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder, self._count = process, folder, 0

    def __call__(self, files: Mapping[str, str], component: str, *, before: str = "") -> Answer:
        """The answer for the expression `component`, evaluated after the statements `before`."""
        return self.at(self.write(files), component, before=before)

    def write(self, files: Mapping[str, str]) -> Path:
        """Put the files into a new folder."""
        self._count += 1
        root = self._folder / f"v{self._count}"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return root

    def at(self, root: Path, component: str, *, before: str = "") -> Answer:
        """Like a call, for files that are there already."""
        question = {"root": str(root), "component": component, "before": textwrap.dedent(before)}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return Answer(json.loads(self._process.stdout.readline()))


@contextmanager
def fingerprinter(folder: Path, hash_seed: str = "random") -> Iterator[Fingerprinter]:
    """A server for as long as the block lasts. `hash_seed` is Python's, for the order of its sets."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "tests.support.fingerprinting"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=root
    ) as process:
        yield Fingerprinter(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def _answer(question: dict[str, str]) -> dict[str, Any]:
    from themis_vcs.errors import FingerprintError
    from themis_vcs.evaluation.fingerprint import explain, fingerprint

    os.chdir("/")
    sys.path.insert(0, question["root"])
    names: dict[str, Any] = {"ROOT": question["root"], "__name__": "typed_in"}
    exec(question["before"], names)
    try:
        component = eval(question["component"], names)
        return {"fingerprint": fingerprint(component).hex(), "explained": explain(component)}
    except FingerprintError as error:
        return {"error": error.message, "hint": error.hint}


def _serve() -> None:
    from themis_vcs.evaluation import fingerprint  # noqa: F401 - so that the forks have it

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            print(json.dumps(_answer(json.loads(line))), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(json.dumps({"error": "the process died"}), flush=True)


if __name__ == "__main__":
    _serve()
