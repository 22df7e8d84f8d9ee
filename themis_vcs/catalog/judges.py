"""The built-in `demo_judge`. Recorded verdicts and real models have modules of their own."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from blake3 import blake3

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.evaluation.judging import JudgeResponse

_DRAW = "themis_vcs 2026-11-23 demo judge v1"


class DemoJudge(Builtin, frozen=True):
    """Gives verdicts that depend on the prompt and the seed alone and mean nothing. For trying out the rest.

    The answer is an object that meets the schema, as far as that is made of "properties" with a "type", an
    "enum", "minimum" and "maximum"; without a schema it has a "score" from 0 to 1 and a "rationale".
    """

    kind: ClassVar[str] = "demo_judge"
    deterministic: ClassVar[bool] = True

    async def judge(
        self, prompt: str, *, seed: int | None = None, schema: dict[str, Any] | None = None
    ) -> JudgeResponse:
        digest = blake3(f"{seed} {prompt}".encode(), derive_key_context=_DRAW).digest(length=8)
        drawn = int.from_bytes(digest, "big") / 2**64
        properties = (schema or {}).get("properties") or {"score": {"type": "number"}, "rationale": {}}
        verdict = {name: _draw(rule if isinstance(rule, dict) else {}, drawn) for name, rule in properties.items()}
        return JudgeResponse(self.component_id, json.dumps(verdict), self.version, effective_seed=seed)


def _draw(rule: dict[str, Any], drawn: float) -> Any:
    choices = rule.get("enum")
    if isinstance(choices, list) and choices:
        return choices[int(drawn * len(choices))]
    low, high = float(rule.get("minimum", 0)), float(rule.get("maximum", 1))
    if rule.get("type") == "integer":
        return int(low) + int(drawn * (int(high) - int(low) + 1))
    if rule.get("type") == "number":
        return round(low + drawn * (high - low), 2)
    return "drawn from a hash of the prompt"
