"""Sizes and directions that the project promises itself (docs/explanation/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import themis_vcs

PACKAGE = Path(themis_vcs.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
REASONED: dict[str, str] = {}
"""Files over 350 lines, each with the reason why it is one file."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def nodes(kind: type[ast.stmt] | tuple[type[ast.stmt], ...]) -> Iterator[tuple[str, ast.stmt]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {getattr(node, 'name', '')}", node


def test_files_are_short() -> None:
    sizes = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: size for name, size in sizes.items() if size > 500} == {}
    assert {name: size for name, size in sizes.items() if size > 350 and name not in REASONED} == {}


def test_functions_are_short() -> None:
    sizes = {name: length(node) for name, node in nodes((ast.FunctionDef, ast.AsyncFunctionDef))}
    assert {name: size for name, size in sizes.items() if size > 60} == {}
    long = [name for name, size in sizes.items() if size > 40]
    assert len(long) < 0.05 * len(sizes), long


def test_classes_are_small() -> None:
    for name, node in nodes(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        public = [each for each in node.body if isinstance(each, Function) and not each.name.startswith("_")]
        assert length(node) <= 250, name
        protocol = any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
        assert len(public) <= (20 if protocol else 15), name


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "misc", "base", "manager"])
def test_no_module_is_named_for_nothing(word: str) -> None:
    assert [path for path in FILES if path.stem == word] == []


def test_imports_go_downwards() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_public_names_are_those_that_type_checkers_see() -> None:
    declared = {
        alias.asname
        for statement in ast.parse((PACKAGE / "__init__.py").read_text()).body
        if isinstance(statement, ast.If)
        for each in statement.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert declared == set(themis_vcs.__all__)
    for name in themis_vcs.__all__:
        assert getattr(themis_vcs, name) is not None


def test_nothing_runs_code_from_data() -> None:
    calls = {
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    }
    imports = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name.split(".")[0] in ("pickle", "marshal", "shelve", "dill")
    }
    assert calls == set()
    assert imports == set()
