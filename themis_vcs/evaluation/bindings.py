"""Which statements of a module give a name its value.

Pure, over a module's syntax tree. A name may be given by several statements: two definitions under an `if`, or
an assignment and then `PROMPTS["judge"] = …` and `NAMES.append(…)`. Imports are kept apart: they are followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from themis_vcs.evaluation.syntax import Import, bound_names, chain_of, imports, own_nodes


class Binding(NamedTuple):
    """One statement that gives a name its value; `guards` are the conditions of the `if`s around it."""

    node: ast.stmt
    guards: tuple[ast.expr, ...] = ()
    imported: Import | None = None

    @property
    def at_run_time(self) -> bool:
        """False under `if TYPE_CHECKING`, which never runs."""
        return not any(chain[-1] == "TYPE_CHECKING" for guard in self.guards if (chain := chain_of(guard)))


class Bindings(NamedTuple):
    """All names of a module. `stars` are those of `from m import *`, `rebound` what a `global` declares."""

    names: dict[str, list[Binding]]
    stars: list[Import]
    rebound: frozenset[str]


def bindings_of(body: Iterable[ast.stmt]) -> Bindings:
    """The bindings of a module with this body, each name's in the order of the text."""
    body = list(body)
    names: dict[str, list[Binding]] = {}
    stars = []
    for node, guards in _statements(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, imported in imports(node).items():
                if name == "*":
                    stars.append(imported)
                else:
                    names.setdefault(name, []).append(Binding(node, guards, imported))
        else:
            for name in {**bound_names([node]), **dict.fromkeys(_changed(node))}:
                names.setdefault(name, []).append(Binding(node, guards))
    rebound = frozenset(
        name for node in body for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names
    )
    return Bindings(names, stars, rebound)


def is_literal(statement: ast.stmt, name: str) -> bool:
    """Whether a statement sets or changes `name` by what is written in it alone; `X = list()` counts."""
    names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return _is_empty_container(statement) or all(
        node.id == name or not isinstance(node.ctx, ast.Load) for node in names
    )


def _is_empty_container(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    return (
        isinstance(value, ast.Call)
        and not value.args
        and not value.keywords
        and chain_of(value.func) in (("list",), ("dict",), ("set",))
    )


def _statements(body: Iterable[ast.stmt]) -> Iterator[tuple[ast.stmt, tuple[ast.expr, ...]]]:
    """The statements of the module, with those under `if` and `try` taken one by one."""
    stack: list[tuple[ast.stmt, tuple[ast.expr, ...]]] = [(node, ()) for node in reversed(list(body))]
    while stack:
        node, guards = stack.pop()
        if isinstance(node, ast.If):
            otherwise = (*guards, ast.UnaryOp(ast.Not(), node.test))
            inner = [(part, (*guards, node.test)) for part in node.body]
            stack.extend(reversed(inner + [(part, otherwise) for part in node.orelse]))
        elif isinstance(node, ast.Try | ast.TryStar):
            handled = [part for handler in node.handlers for part in handler.body]
            parts = [*node.body, *handled, *node.orelse, *node.finalbody]
            stack.extend((part, guards) for part in reversed(parts))
        else:
            yield node, guards


def _changed(statement: ast.stmt) -> Iterator[str]:
    """The names whose value a statement changes in place: `X.a = 1`, `X["a"] = 1`, `X.append(1)`."""
    for node in own_nodes([statement]):
        target: ast.AST | None = None
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            target = node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            target = node.value.func if isinstance(node.value.func, ast.Attribute) else None
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            yield target.id
