"""What the built-in components answer to fixed inputs, by kind and version.

Their fingerprints say "kind, version, options", so an answer that changes under an unchanged version would be
reused although it is stale. After a version was raised, `python -m tests.support.behaviour` records the answers.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from themis_vcs.catalog.registry import names, resolve
from themis_vcs.evaluation.contexts import (
    EvalScoreContext,
    GenerateContext,
    JudgeModelInfo,
    ParseContext,
    ReduceContext,
    ScoreContext,
)
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.evaluation.judging import JudgeCall, JudgeResponse
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate
from themis_vcs.evaluation.subjects import CandidateSetSubject

RECORDED = Path(__file__).parents[1] / "catalog" / "behaviour.json"
ROLES = ("generator", "reducer", "parser", "metric", "judge_model")

TEXTS = [
    "B",
    "(c) Rome",
    "The answer is **D**.",
    "I think A or B",
    "A cat",
    "so 2 + 3 = 5",
    "#### 1,234.50",
    "\\boxed{\\frac{1}{3}}",
    "The answer is $-4.20, not 7",
    '{"a": [1, {"b": null}]}',
    "```json\n[1, 2]\n```",
    "  Mixed CASE, the text! ",
    "",
]
ANSWERS: list[tuple[Any, Any]] = [
    ("4", 4),
    ("1,000", "1000"),
    ("The cat", "cat"),
    ("the cat sat", ["a cat", "dog"]),
    ("Rome", "B"),
    ("b", 1),
    ({"a": 1}, {"a": 1}),
    (None, "x"),
    ("x", None),
]
QUESTION = {"question": "Capital of Italy?", "choices": ["Paris", "Rome"]}
VERDICTS = [
    '{"score": 0.5}',
    "none",
    '{"score": 2}',
    'So {"score": 1, "rationale": "r"}',
    '{"score": 0} {"score": 1}',
]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "regex": [{"pattern": r"(\w)\s"}, {"pattern": r"\d+", "find": "last"}],
    "text": [{}, {"lowercase": True}],
    "majority_vote": [{}, {"by": "math_answer"}],
    "exact_match": [
        {},
        {"ignore_case": True, "ignore_punctuation": True, "ignore_whitespace": True},
        {"numbers": True},
    ],
    "llm_rubric": [
        {"rubric": "r"},
        {"rubric": "r", "labels": {"no": 0, "yes": 1}, "include_expected": True},
        {"rubric": "r", "scale": [1, 5], "integer": True, "rationale": False},
    ],
}
FILES = {
    "recorded_generator": {
        "case_id": "c",
        "sample": 1,
        "output": "o",
        "finish_reason": "stop",
        "latency_ms": 1.0,
    },
    "recorded_judge": {"case_id": "c", "dimension": "quality", "output": "v", "token_usage": {"out": 1}},
}


def observe(role: str, kind: str) -> list[Any]:
    """The answers of one component, with each of its OPTIONS, as plain data."""
    ask = {
        "generator": _generated,
        "reducer": _reduced,
        "parser": _parsed,
        "metric": _judged if kind == "llm_rubric" else _scored,
        "judge_model": _answered,
    }[role]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.jsonl"
        path.write_text(json.dumps(FILES.get(kind, {})))
        options = [{"path": str(path)}] if kind in FILES else OPTIONS.get(kind, [{}])
        found = [ask(resolve(role, f"builtin/{kind}", each)) for each in options]
        return json.loads(msgspec.json.encode(found).replace(str(path).encode(), b"r.jsonl"))  # type: ignore[no-any-return]


def observe_all() -> dict[str, list[Any]]:
    """The answers of all built-in components, by "role kind@version"."""
    found = {}
    for role in ROLES:
        for kind in (name.removeprefix("builtin/") for name in names(role)):
            if kind != "openai_chat":
                made = resolve(role, f"builtin/{kind}", {"path": ""} if kind in FILES else OPTIONS.get(kind, [{}])[0])
                found[f"{role} {kind}@{made.version}"] = observe(role, kind)
    return found


def _outcome(call: Any) -> Any:
    try:
        result = call()
        return asyncio.run(result) if inspect.iscoroutine(result) else result
    except ComponentFailure as error:
        return f"{error.category}: {error}"


def _generated(component: Any) -> list[Any]:
    cases = [Case("c", "in", "out"), Case("c", "in")]
    return [_outcome(lambda case=case: component.generate(case, GenerateContext("d", "c", 1, 7))) for case in cases]


def _reduced(component: Any) -> list[Any]:
    groups = [["5"], ["a 4", "b 5", "c 5.0", "no"], [1, 1.0, 1]]
    found = []
    for group in groups:
        candidates = [GenerationResult(output, str(number)) for number, output in enumerate(group)]
        found.append(_outcome(lambda all_of=candidates: component.reduce(all_of, ReduceContext("d", "c"))))
    return found


def _parsed(component: Any) -> list[Any]:
    ctx = ParseContext("d", "c")
    return [_outcome(lambda text=text: component.parse(ReducedCandidate(text), ctx)) for text in TEXTS]


def _scored(component: Any) -> list[Any]:
    found = []
    for answer, expected in ANSWERS:
        case, parsed = Case("c", QUESTION, expected), ParsedOutput(answer)
        found.append(component.score(parsed, case, ScoreContext("d", case, parsed)))
    return found


def _judged(component: Any) -> list[Any]:
    case, parsed = Case("c", QUESTION, "Rome"), ParsedOutput("B")
    ctx = EvalScoreContext("d", case, parsed, judge_models=[JudgeModelInfo("j")], judge_seed=1)
    subject = CandidateSetSubject([ReducedCandidate("It is B.")])
    workflow = component.build_workflow(subject, ctx)
    (call,) = workflow.judge_calls()
    found: list[Any] = [call, workflow.render_prompt(call, subject, ctx)]
    judgments, scores = [], []
    for verdict in [*VERDICTS, '{"label": "yes"}', '{"score": 3}']:
        judgment = _outcome(lambda raw=verdict: workflow.parse_judgment(call, JudgeResponse("j", raw), ctx))
        found.append(judgment)
        if not isinstance(judgment, str):
            judgments.append(judgment)
            scores.append(workflow.score_judgment(call, judgment, ctx))
    return [*found, workflow.aggregate(judgments, scores, ctx)]


def _answered(component: Any) -> list[Any]:
    schema = {"properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}, "rationale": {}}}
    call = JudgeCall("x", "j", "quality", metadata={"case_id": "c", "dataset_id": "d"})
    extra = {"call": call} if "call" in inspect.signature(component.judge).parameters else {"schema": schema}
    return [_outcome(lambda seed=seed: component.judge("p", seed=seed, **extra)) for seed in (None, 1, 2)]


if __name__ == "__main__":
    rows = [f"{json.dumps(name)}: {json.dumps(found, ensure_ascii=False)}" for name, found in observe_all().items()]
    RECORDED.write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")
