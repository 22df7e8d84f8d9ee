"""The reference page of components: nothing that is built in is missing, and its examples of options are accepted."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from themis_vcs.catalog.registry import names, resolve
from themis_vcs.evaluation.protocols import ROLES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
COMPONENTS = (REFERENCE / "components.md").read_text("utf-8")
NEEDED: dict[str, dict[str, str]] = {
    "recorded_generator": {"path": ""},
    "recorded_judge": {"path": ""},
    "regex": {"pattern": ""},
    "openai_chat": {"base_url": "http://localhost/v1", "model": "m"},
}


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in ROLES for name in names(role)])
def test_every_builtin_is_described_with_its_options(role: str, name: str) -> None:
    assert f"**`{name}`**" in COMPONENTS
    component = resolve(role, name, NEEDED.get(name.removeprefix("builtin/")))
    for field in msgspec.structs.fields(component):
        assert f"`{field.name}`" in COMPONENTS, field.name


def test_the_examples_of_options_are_accepted() -> None:
    tables = re.findall(r'\{ use = "(builtin/\w+)", (.*?) \}\]?$', COMPONENTS, re.MULTILINE)
    assert {name for name, _ in tables} >= {"builtin/regex", "builtin/exact_match", "builtin/llm_rubric"}
    for name, options in tables:
        role = next(role for role in ROLES if name in names(role))
        resolve(role, name, _options(options))


def _options(text: str) -> dict[str, object]:
    found: dict[str, object] = msgspec.toml.decode(f"options = {{ {text} }}")["options"]
    return found
