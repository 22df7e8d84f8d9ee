"""Makes the Inspect logs beside this file: `python make_inspect.py`, with inspect-ai installed; no network."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from inspect_ai import Epochs, Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, get_model
from inspect_ai.scorer import choice, includes, match, model_graded_qa
from inspect_ai.solver import Generate, Solver, TaskState, generate, multiple_choice, solver, use_tools
from inspect_ai.tool import Tool, tool

HERE = Path(__file__).parent / "inspect"


@tool
def add() -> Tool:
    async def execute(x: int, y: int) -> int:
        """Add two numbers.

        Args:
            x: first number
            y: second number
        """
        return x + y

    return execute


@solver
def breaks(on: str) -> Solver:
    async def solve(state: TaskState, ask: Generate) -> TaskState:
        if state.sample_id == on:
            raise RuntimeError("the tool is down")
        return state

    return solve


def replies(*texts: str) -> list[ModelOutput]:
    return [ModelOutput.from_content("mockllm/model", text) for text in texts]


def grader(*grades: str):
    outputs = replies(*(f"It fits.\n\nGRADE: {grade}" for grade in grades))
    return get_model("mockllm/grader", custom_outputs=outputs)


def run(name: str, task: Task, outputs: list[ModelOutput], log_format: str = "eval", **options) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = get_model("mockllm/model", custom_outputs=outputs)
        (log,) = evaluate(
            task,
            model=model,
            log_dir=folder,
            log_format=log_format,
            display="none",
            max_samples=1,
            max_connections=1,
            **options,
        )
        shutil.copyfile(log.location.removeprefix("file://"), HERE / f"{name}.{log_format}")
        print(name, log.status, log.results and [(s.name, s.metrics) for s in log.results.scores])


QUESTIONS = [
    Sample(id="sky", input="What colour is the sky?", target="blue", metadata={"topic": "nature"}),
    Sample(id=2, input="What is 6 times 7?", target=["42", "forty-two"]),
    Sample(id="long", input="Say it again. " * 60, target="again"),
]


def main() -> None:
    HERE.mkdir(exist_ok=True)
    graded = [match(location="any"), includes(), model_graded_qa(model=grader("C", "I", "P"), partial_credit=True)]
    for form in ("eval", "json"):
        graded[2] = model_graded_qa(model=grader("C", "I", "P"), partial_credit=True)
        run(
            "graded",
            Task(dataset=QUESTIONS, solver=generate(), scorer=graded, name="questions"),
            replies("It is blue.", "It is 41.", "again " * 40),
            form,
        )
    twice = Epochs(2, ["mean", "max"])
    run(
        "epochs",
        Task(dataset=QUESTIONS[:2], solver=generate(), scorer=[includes()], epochs=twice, name="epochs"),
        replies("blue", "42", "red", "41"),
    )
    letters = [
        Sample(id=f"c{number}", input="Which is a fruit?", choices=["stone", "apple", "chair"], target="B")
        for number in range(3)
    ]
    run(
        "choice",
        Task(dataset=letters, solver=multiple_choice(), scorer=choice(), name="letters"),
        replies("ANSWER: B", "ANSWER: C", "nothing"),
    )
    calls = [
        ModelOutput.for_tool_call("mockllm/model", "add", {"x": 1, "y": 2}),
        *replies("The sum is 3."),
    ]
    run(
        "tools",
        Task(
            dataset=[Sample(id="sum", input="1 + 2?", target="3")],
            solver=[use_tools(add()), generate()],
            scorer=match(location="any"),
            name="tools",
        ),
        calls,
    )
    run(
        "errored",
        Task(dataset=QUESTIONS, solver=[breaks("sky"), generate()], scorer=includes(), name="errored"),
        replies("42", "again"),
        fail_on_error=False,
    )


if __name__ == "__main__":
    main()
