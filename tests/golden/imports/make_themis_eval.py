"""Writes bundles of themis-eval as its version 4 dumps them: `python make_themis_eval.py`. No package of it is at hand.

Two datasets, two candidates a case, a judge of two calls; case c3 has no answer, c2 no judgment.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "themis-eval"
MODEL = {"component_id": "generator/table", "version": "1.0", "fingerprint": "table-1"}
JUDGE = {"judge_model_id": "judge/a", "judge_model_version": "1", "judge_model_fingerprint": "a-1"}
CASES = {"sums": ["c1", "c2"], "words": ["c3", "c4"]}
VALUES = {"c1": 1.0, "c4": 0.25}


def main() -> None:
    """Write both bundles."""
    HERE.mkdir(exist_ok=True)
    datasets = [{"dataset_id": name, "cases": [case(each) for each in ids], "revision": "r1", "metadata": {}}
                for name, ids in CASES.items()]  # fmt: skip
    identity: dict[str, Any] = {
        "dataset_refs": [{"dataset_id": name, "revision": "r1", "fingerprint": f"{name}-1"} for name in CASES],
        "generator_ref": MODEL,
        "reducer_ref": None,
        "parser_refs": [],
        "metric_refs": [{"component_id": "metric/graded", "version": "1.0", "fingerprint": "graded-1"}],
        "candidate_policy": {"num_samples": 2},
        "judge_config": {},
        "workflow_overrides": {},
        "seeds": [7],
    }
    run_id = hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    snapshot = {
        "identity": identity,
        "provenance": {"themis_version": "4.1.0", "python_version": "3.12.3", "platform": "Linux"},
        "component_refs": {"generator": MODEL, "reducer": None, "parsers": [], "metrics": identity["metric_refs"]},
        "datasets": datasets,
        "metric_kinds": ["llm"],
        "run_id": run_id,
    }
    answers = [answer(each, index) for index in (0, 1) for each in ("c4", "c1", "c2")]
    for name, records in (("generation", answers), ("evaluation", [judgment(each) for each in VALUES])):
        bundle = {"schema_version": "1", "run_id": run_id, "snapshot": snapshot, "records": records}
        (HERE / f"{name}.json").write_text(json.dumps(bundle, indent=2, ensure_ascii=False) + "\n")


def case(name: str) -> dict[str, Any]:
    """A case of a snapshot."""
    return {"case_id": name, "input": {"question": f"{name}?"}, "expected_output": name, "metadata": {"of": name[0]}}


def answer(name: str, index: int) -> dict[str, Any]:
    """A record of a generation bundle."""
    step = {"step_name": "ask", "step_type": "call", "input": {}, "output": {}, "metadata": {}, "timestamp": None}
    result = {
        "candidate_id": f"{name}-{index}",
        "final_output": f"“{name}” {index}",
        "trace": [step],
        "conversation": [{"role": "user", "content": f"{name}?"}],
        "artifacts": None,
        "token_usage": {"prompt_tokens": 3, "completion_tokens": 2},
        "latency_ms": 12.5,
    }
    return {"case_id": name, "candidate_id": f"{name}-{index}", "candidate_index": index, "seed": 7, "result": result}


def judgment(name: str) -> dict[str, Any]:
    """A record of an evaluation bundle."""
    value = VALUES[name]
    calls = [{"call_id": f"call-{n}", "judge_model_id": "judge/a", "dimension_id": None, "repeat_index": n,
              "candidate_indices": [0], "effective_seed": n, "metadata": {}} for n in (0, 1)]  # fmt: skip
    execution = {
        "execution_id": f"{name}-graded",
        "subject_kind": "candidate_set",
        "judge_calls": calls,
        "rendered_prompts": [{"prompt_id": f"p{n}", "content": f"Grade {name}", "metadata": {}} for n in (0, 1)],
        "judge_responses": [
            {
                **JUDGE,
                "effective_seed": n,
                "raw_response": f"score {value}",
                "token_usage": {"total": 9},
                "latency_ms": 8.0,
                "provider_request_id": None,
                "retry_history": [],
                "conversation_trace": None,
            }
            for n in (0, 1)
        ],
        "parsed_judgments": [{"label": "graded", "score": value, "rationale": None, "details": {}} for _ in calls],
        "scores": [{"metric_id": "graded", "value": value, "details": {}} for _ in calls],
        "aggregation_output": {"method": "mean", "value": value, "details": {}},
        "trace": {"trace_id": f"{name}-trace", "steps": []},
    }
    return {"case_id": name, "metric_id": "graded", "candidate_id": f"{name}-0", "execution": execution}


main()
