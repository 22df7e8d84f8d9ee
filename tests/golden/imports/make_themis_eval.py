"""Writes the bundles in themis-eval/ again: `python make_themis_eval.py`, where themis-eval (4.0.2) is installed.

Two datasets, two answers a case, two judges; the generator fails at c3. It asks for Python 3.12 for two `type`
statements in themis/core/base.py: with those spelled for 3.11 (TypeAliasType of typing_extensions) it runs there too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "themis-eval"

COMPONENTS = """
from themis.core.models import GenerationResult, Message
from themis.core.workflows import JudgeResponse


class Table:
    component_id, version = "generator/table", "1.0"

    def fingerprint(self):
        return "table-1"

    async def generate(self, case, ctx):
        if case.case_id == "c3":
            raise RuntimeError("no such row")
        said = f"“{case.case_id}”" if case.case_id != "c4" else "four"
        return GenerationResult(
            candidate_id=f"{case.case_id}-{ctx.seed}",
            final_output=said,
            conversation=[Message(role="user", content=case.input), Message(role="assistant", content=said)],
            token_usage={"prompt_tokens": 3, "completion_tokens": 2},
            latency_ms=12.5,
        )


class Judge:
    version = "1"

    def __init__(self, component_id, word):
        self.component_id, self.word = component_id, word

    def fingerprint(self):
        return self.component_id

    async def judge(self, prompt, *, seed=None):
        return JudgeResponse(
            judge_model_id=self.component_id,
            judge_model_version=self.version,
            judge_model_fingerprint=self.fingerprint(),
            raw_response="pass" if self.word in prompt else "fail",
            token_usage={"prompt_tokens": 20, "completion_tokens": 1},
            latency_ms=1.0,
        )


GENERATOR = Table()
LENIENT = Judge("judge/lenient", "Candidate")
STRICT = Judge("judge/strict", "“")
"""

CONFIG = """
generation:
  generator: components:GENERATOR
  candidate_policy: {num_samples: 2}
  reducer: builtin/majority_vote
evaluation:
  parsers: [builtin/text]
  metrics: [builtin/exact_match, builtin/panel_of_judges]
  judge_models: ["components:LENIENT", "components:STRICT"]
storage: {store: sqlite, parameters: {path: runs.sqlite}}
runtime: {generation_retry_attempts: 1}
seeds: [7, 8]
datasets:
  - dataset_id: sums
    revision: r1
    cases:
      - {case_id: c1, input: "c1?", expected_output: "“c1”", metadata: {of: c}}
      - {case_id: c2, input: "c2?", expected_output: "two"}
  - dataset_id: words
    revision: r1
    cases:
      - {case_id: c3, input: "c3?", expected_output: "“c3”"}
      - {case_id: c4, input: "c4?", expected_output: "four"}
"""


def main() -> None:
    """Run the experiment and export both bundles, by its own command line."""
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "components.py").write_text(COMPONENTS)
        (Path(folder) / "config.yaml").write_text(CONFIG)
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONUTF8": "1"}

        def themis(*arguments: str) -> bytes:
            command = [sys.executable, "-m", "themis.cli", *arguments, "--config", "config.yaml"]
            return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE).stdout

        print(themis("run").decode())
        for name in ("generation", "evaluation"):
            (HERE / f"{name}.json").write_bytes(themis("export", name))


if __name__ == "__main__":
    main()
