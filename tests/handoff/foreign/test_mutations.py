"""A log with any byte changed, or cut short anywhere, is imported or refused; nothing else happens."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from themis_vcs import InMemoryRunStore
from themis_vcs.errors import DataError, FormatError
from themis_vcs.handoff.foreign.inspect_log import inspect_log
from themis_vcs.handoff.foreign.log import Log
from themis_vcs.handoff.foreign.openai_evals import openai_evals
from themis_vcs.handoff.foreign.promptfoo import promptfoo
from themis_vcs.handoff.foreign.record import Options, record
from themis_vcs.handoff.foreign.themis_eval import themis_eval

GOLDEN = Path(__file__).parents[2] / "golden" / "imports"
THEMIS = GOLDEN / "themis-eval" / "generation.json"
ROUNDS = 60
INSERTED = [b"NaN", b"-1e999", b'"', b"{", b"99999999999999999999999", b"\\ud800"]


def damaged(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    kind = chance.randrange(4)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
    if kind == 2:
        return data[:place] + data[chance.randrange(len(data)) :]
    return data[:place] + chance.choice(INSERTED) + data[place:]


@pytest.mark.parametrize(
    ("file", "reader"),
    [
        ("inspect/graded.eval", lambda path: [inspect_log(path)]),
        ("inspect/epochs.eval", lambda path: [inspect_log(path)]),
        ("inspect/epochs.eval", lambda path: [inspect_log(path, library=True)]),
        ("inspect/graded.json", lambda path: [inspect_log(path)]),
        ("promptfoo/sums.json", promptfoo),
        ("openai-evals/facts.jsonl", lambda path: [openai_evals(path)]),
        ("themis-eval/generation.json", lambda path: [themis_eval([path])]),
        ("themis-eval/evaluation.json", lambda path: [themis_eval([THEMIS, path])]),
    ],
)
def test_a_damaged_log_is_imported_or_refused(tmp_path: Path, file: str, reader: Callable[[Path], list[Log]]) -> None:
    chance = random.Random(file)
    original = (GOLDEN / file).read_bytes()
    path = tmp_path / Path(file).name
    refused = 0
    for _ in range(ROUNDS):
        path.write_bytes(damaged(original, chance))
        store = InMemoryRunStore()
        try:
            for log in reader(path):
                record(store.repository, log, Options())
        except (DataError, FormatError) as error:
            refused += 1
            assert path.name in str(error)
            assert list(store.repository.refs("")) == []
    assert refused > 0
