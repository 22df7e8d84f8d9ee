"""The reference pages of components and datasets: their examples run, and nothing that is built in is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from themis_vcs.catalog.registry import names, resolve
from themis_vcs.evaluation.protocols import ROLES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
COMPONENTS = (REFERENCE / "components.md").read_text("utf-8")
NEEDED = {"recorded_generator": {"path": ""}, "recorded_judge": {"path": ""}, "regex": {"pattern": ""}}


@pytest.mark.parametrize("page", ["components.md", "datasets.md"])
def test_the_examples_in_python_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"case_id": f"q{number}", "input": "?", "expected_output": "4"} for number in (1, 2)]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "exam.csv").write_text(
        "number,question,first,second,key,subject\n1,Largest planet?,Mars,Jupiter,second,astronomy\n"
    )
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (REFERENCE / page).read_text("utf-8"), re.DOTALL)
    namespace: dict[str, object] = {"__name__": "documentation"}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)
    assert blocks


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in ROLES for name in names(role)])
def test_every_builtin_is_described_with_its_options(role: str, name: str) -> None:
    assert f"**`{name}`**" in COMPONENTS
    kind = name.removeprefix("builtin/")
    if kind != "openai_chat":
        component = resolve(role, name, NEEDED.get(kind))
        for field in msgspec.structs.fields(component):
            assert re.search(rf"`{field.name}`", COMPONENTS), field.name


def test_the_examples_of_options_are_accepted() -> None:
    tables = re.findall(r'\{ use = "(builtin/\w+)", (.*?) \}\]?$', COMPONENTS, re.MULTILINE)
    assert {name for name, _ in tables} >= {"builtin/regex", "builtin/exact_match", "builtin/llm_rubric"}
    for name, options in tables:
        role = next(role for role in ROLES if name in names(role))
        resolve(role, name, _options(options))


def _options(text: str) -> dict[str, object]:
    found: dict[str, object] = msgspec.toml.decode(f"options = {{ {text} }}")["options"]
    return found
