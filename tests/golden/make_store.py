"""Makes the golden store of this format version: tests/golden/store-1 and store-1.json, which says what must be in it.

    python -m tests.golden.make_store

A store that an older version wrote is never made again: it is the proof that this one can read it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from blake3 import blake3

from themis_vcs import (
    Case,
    Dataset,
    EvaluationConfig,
    Experiment,
    GenerationConfig,
    GenerationResult,
    Repository,
    StorageConfig,
    generator,
)
from themis_vcs.model.objects import Run, Tag
from themis_vcs.pipeline.stores import LmdbRunStore
from themis_vcs.store.backend import RefUpdate

HERE = Path(__file__).parent
STORE = HERE / "store-1"
FACTS = HERE / "store-1.json"
CASES = 520


@generator(component_id="golden/answer", deterministic=True)
async def answer(case: Case, ctx: Any) -> GenerationResult:
    """Answers wrongly every seventh time, and fails on the last case."""
    number = case.metadata["number"]
    if number == CASES - 1:
        raise ValueError("the golden failure")
    text = case.expected_output if number % 7 else "no idea"
    return GenerationResult(f"  {text} ", candidate_id=f"{case.case_id}/{ctx.candidate_index}", finish_reason="stop")


def experiment(rubric: str) -> Experiment:
    """520 cases with non-ASCII ids and text, one of them failing, judged under a rubric."""
    cases = [
        Case(f"case {n}/é{'%' if n % 2 else ''}", {"question": f"{n} + {n} = ?"}, str(2 * n), {"number": n})
        for n in range(CASES)
    ]
    return Experiment(
        generation=GenerationConfig(generator=answer),
        evaluation=EvaluationConfig(
            parsers=["builtin/text"],
            metrics=["builtin/exact_match", "builtin/llm_rubric"],
            judge_models=["builtin/demo_judge"],
            judge_config={"rubric": rubric},
        ),
        storage=StorageConfig(store="memory"),
        datasets=[Dataset("golden Ω", cases, revision="1")],
        seeds=[1],
        name="golden",
    )


def facts(repository: Repository) -> dict[str, Any]:
    """What reading the store must find."""
    run = repository.load(repository.ref("names/golden") or b"", Run)
    return {
        "refs": {name: oid.hex() for name, oid in repository.refs()},
        "objects": len(oids := list(repository.backend.oids())),
        "objects_blake3": blake3(b"".join(oids)).hexdigest(),
        "derivations": len(list(repository.backend.derivations())),
        "reflog": len(repository.reflog("names/golden")),
        "run_id": run.run_id.hex(),
        "work": dict(run.work),
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch, LmdbRunStore(Path(scratch) / "store") as store:
        for rubric in ("Is it right?", "Is it polite?"):
            experiment(rubric).run(store=store)
        repository = store.repository
        head = repository.ref("names/golden") or b""
        tag = repository.put(Tag("golden", head, "made for the tests", 1_764_000_000_000_000_000, "golden"))
        repository.commit([RefUpdate("tags/golden", tag, None)], message="tag golden")
        FACTS.write_text(json.dumps(facts(repository), indent=1) + "\n")
        if STORE.exists():
            shutil.rmtree(STORE)
        repository.snapshot(STORE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
