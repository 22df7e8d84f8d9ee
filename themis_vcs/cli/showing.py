"""One case as text: the question, then every stage with what it gave, and of the judge all that was said."""

from __future__ import annotations

from typing import Any

from themis_vcs.analysis.caseview import CaseView
from themis_vcs.analysis.excerpt import essence_of, excerpt
from themis_vcs.analysis.steps import StepView
from themis_vcs.cli.jsontext import to_json
from themis_vcs.cli.output import Output, Part, bold, colored, dim
from themis_vcs.cli.wording import number, short
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import Score


def print_case(output: Output, view: CaseView) -> None:
    """Print a case of a run through all its stages."""
    output.line(bold(view.key), f" of {view.name}", dim(f"  run {short(view.run_id)}"))
    for heading in ("input", "expected_output", "metadata"):
        value = getattr(view.case, heading)
        if value is not None and value != {}:
            output.line()
            output.line(dim(heading.replace("_", " ")))
            print_value(output, value)
    for steps in view.stages.values():
        for at, step in enumerate(steps):
            if not at or not isinstance(step.value, Score):
                output.line()
            _print_step(output, step)


def print_value(output: Output, value: Any, indent: str = "    ") -> None:
    """Print a value: text as it stands, anything else as JSON."""
    output.block(value if isinstance(value, str) else to_json(value), indent)


def _print_step(output: Output, step: StepView) -> None:
    value = step.value
    heading: list[Part] = [colored(f"{step.stage:<8}", "cyan"), "  ", bold(_label(step))]
    if step.outcome == "blocked":
        output.line(*heading, "  ", dim("not run: its input is missing"))
        return
    if step.error is not None:
        output.line(*heading, "  ", colored(f"failed: {step.error.category}", "red"))
        output.block(f"{step.error.type}: {step.error.message}")
        return
    if isinstance(value, Score):
        output.line(*heading, "  ", number(value.value))
        if value.details:
            output.line("    ", excerpt(value.details, output.width - 5))
        return
    if isinstance(value, EvaluationExecution):
        essence = essence_of(value)
        output.line(*heading, "  ", number(essence) if isinstance(essence, float) else str(essence))
        _print_evaluation(output, value)
        return
    output.line(*heading, dim(_measured(step)))
    print_value(output, essence_of(value))


def _print_evaluation(output: Output, value: EvaluationExecution) -> None:
    judgments = iter(value.parsed_judgments)
    failures = {failure.call_id: failure for failure in value.failures}
    for at, call in enumerate(value.judge_calls):
        if at < len(value.rendered_prompts):
            output.line("  ", dim(f"prompt to {call.judge_model_id} ({call.call_id})"))
            output.block(value.rendered_prompts[at].content)
        if at < len(value.judge_responses):
            output.line("  ", dim(f"answer of {call.judge_model_id}"))
            output.block(value.judge_responses[at].raw_response)
        failure = failures.get(call.call_id)
        if failure is not None:
            output.line("  ", dim("verdict"), "  ", colored(f"none: {failure.category}: {failure.reason}", "red"))
        elif (judgment := next(judgments, None)) is not None:
            score = number(judgment.score) if judgment.score is not None else judgment.label
            said = f", score {score}" if score != judgment.label else ""
            output.line("  ", dim("verdict"), "  ", bold(judgment.label), said)
            if judgment.rationale:
                output.block(judgment.rationale)
    if value.aggregation_output is not None and len(value.judge_calls) > 1:
        result = value.aggregation_output
        output.line("  ", dim(f"aggregated by {result.method}"), "  ", excerpt(result.value))


def _label(step: StepView) -> str:
    index = step.key.split("/")[2:]
    return f"{step.track} [{index[0]}]" if index else step.track


def _measured(step: StepView) -> str:
    """What was measured beside an answer, where it was."""
    parts = []
    latency, usage = step.observations.get("latency_ms"), step.observations.get("token_usage")
    if isinstance(latency, int | float):
        parts.append(f"{latency / 1000:.2f} s")
    if isinstance(usage, dict):
        parts.append(", ".join(f"{name} {amount}" for name, amount in usage.items()))
    return "  " + ", ".join(parts) if parts else ""
