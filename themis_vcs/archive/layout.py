"""What the files of an archive are called, and which runs it is of: what writing and verifying have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from themis_vcs.errors import DataError
from themis_vcs.model.objects import Object, Run, Tag
from themis_vcs.model.oid import Oid

Progress = Callable[[str], object]
"""Is told what is being written or looked at."""
VERSION: Final = 1
PAYLOAD: Final = "data/"
BUNDLE: Final = PAYLOAD + "runs.bundle"
CRATE: Final = PAYLOAD + "ro-crate-metadata.json"
README: Final = PAYLOAD + "README.txt"
CITATION: Final = PAYLOAD + "CITATION.cff"
READER: Final = PAYLOAD + "read_archive.py"
FORMAT: Final = PAYLOAD + "format/"
RUNS: Final = PAYLOAD + "runs/"
STAGES: Final = "stages.jsonl"
LICENCES: Final = "https://spdx.org/licenses/"
MAX_FILES: Final = 100_000
MAX_NAME: Final = 255
MAX_HELD: Final = 64 << 20
"""Largest file that is held whole: the tag files, and the metadata of the crate."""
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*(?<!\.)/)*[A-Za-z0-9_][A-Za-z0-9_.-]*(?<!\.)", re.ASCII)


def is_name(text: str) -> bool:
    """Say whether a file of an archive may be called so (ARCHIVE-1)."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def runs_of(refs: Mapping[str, Oid], load: Callable[[Oid], Object]) -> dict[str, Oid]:
    """Return the runs that names and tags are at, by label (ARCHIVE-7). DataError for one that is at something else."""
    found: dict[Oid, str] = {}
    for ref in sorted(each for each in refs if each.startswith(("names/", "tags/"))):
        oid = refs[ref]
        obj = load(oid)
        while isinstance(obj, Tag):
            oid = obj.target
            obj = load(oid)
        if not isinstance(obj, Run):
            kind = type(obj).__name__.lower()
            raise DataError(f"{ref} is at a {kind}, not at a run", hint="an archive is of runs, and of tags of runs")
        found.setdefault(oid, f"{ref.rpartition('/')[2]}-{oid.hex()[:12]}")
    return {label: oid for oid, label in found.items()}


def stages_file(label: str) -> str:
    """Return the name of the JSON Lines of a run."""
    return f"{RUNS}{label}/{STAGES}"
