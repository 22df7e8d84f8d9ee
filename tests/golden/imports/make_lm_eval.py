"""Makes the golden logs of lm-eval anew: `python make_lm_eval.py`, with lm-eval 0.4.13 and a torch for the CPU.

Three tasks over local data: generated answers read by two filters and asked twice, multiple choice, and perplexity. The
model is a table: what it says depends on its prompt alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import lm_eval
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

HERE = Path(__file__).parent / "lm-eval"
SUMS = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: %(data)s/sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
repeats: 2
generation_kwargs: {until: ["\\n\\n"], do_sample: false}
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: "The answer is (\\\\-?[0-9]+)"}, {function: take_first}]
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(-?[0-9]+)"}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 2.0}
"""
CHOICES = """
task: choices
dataset_path: json
dataset_kwargs: {data_files: {test: %(data)s/choices.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
PAGES = """
task: pages
dataset_path: json
dataset_kwargs: {data_files: {test: %(data)s/pages.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{page}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
metadata: {version: 1.0}
"""


class Table(LM):
    """A model that answers by a hash of its prompt."""

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(-self._part("".join(each.args)) * 10, self._part(each.args[1]) < 0.5) for each in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        return [-100 * self._part(each.args[0]) for each in requests]

    def generate_until(self, requests, disable_tqdm=False):
        return [self._answer(each.args[0], each.doc) for each in requests]

    def _answer(self, prompt, doc):
        part = self._part(prompt)
        said = doc["answer"] if part < 0.6 else str(int(1000 * part))
        return f"Thinking…\nThe answer is {said}" if part < 0.4 or part > 0.8 else f"I say {said}\u2028"

    def _part(self, text):
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def main() -> None:
    """Run the tasks and copy what lm-eval wrote."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write(data / "sums.jsonl", [{"question": f"{a} + {a * a}", "answer": str(a + a * a)} for a in range(1, 13)])
        write(
            data / "choices.jsonl",
            [
                {
                    "question": f"Which is number {n}?",
                    "choices": ["no", f"word {n}", "ö" * n],
                    "answer": n % 3,
                    "subject": "ab"[n % 2],
                }
                for n in range(1, 8)
            ],
        )
        write(data / "pages.jsonl", [{"page": "some words on a page " * n} for n in range(1, 4)])
        for name, text in (("sums", SUMS), ("choices", CHOICES), ("pages", PAGES)):
            (data / f"{name}.yaml").write_text(text % {"data": folder})
        tracker = EvaluationTracker(output_path=str(data / "out"))
        done = lm_eval.simple_evaluate(
            Table(),
            model_args="pretrained=tests/table",
            tasks=["sums", "choices", "pages"],
            task_manager=TaskManager(include_path=folder, include_defaults=False),
            log_samples=True,
            evaluation_tracker=tracker,
            bootstrap_iters=10,
        )
        samples = done.pop("samples")
        tracker.save_results_aggregated(results=done, samples=samples)
        for name in done["configs"]:
            tracker.save_results_samples(task_name=name, samples=samples[name])
        shutil.rmtree(HERE, ignore_errors=True)
        shutil.copytree(data / "out", HERE)


def write(path: Path, rows: list[dict]) -> None:
    """Write rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


main()
