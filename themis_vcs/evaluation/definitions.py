"""The functions, lambdas and classes in one source text, and which of them a code object was compiled from."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from themis_vcs.errors import FingerprintError

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Scopes that some versions of Python have a code object for and others do not.
_HIDDEN_SCOPE = re.compile(r"<(?:listcomp|genexpr|setcomp|dictcomp|generic parameters of \w+)>\.(?:<locals>\.)?")
_STARTED_NS = time.time_ns()


@dataclass(frozen=True)
class Definition:
    """A function, lambda or class in a text, with the definitions around it, outermost first."""

    qualname: str
    node: ast.AST
    around: tuple[ast.AST, ...]


class Definitions:
    """All definitions of one text. `changed_ns` is when its file was last written, 0 for text in memory."""

    def __init__(self, body: Sequence[ast.stmt], text: bytes, path: str, changed_ns: int) -> None:
        self._text, self._path, self._changed_ns = text, path, changed_ns
        self._by_name: dict[str, list[Definition]] = {}
        for definition in _definitions(body):
            self._by_name.setdefault(definition.qualname, []).append(definition)
        self._shapes: dict[str, list[tuple[Any, ...]]] = {}

    def classes(self, qualname: str) -> list[Definition]:
        """The class statements of this name: more than one where an `if` chooses, none for a class made by a call."""
        return [one for one in self._by_name.get(qualname, ()) if isinstance(one.node, ast.ClassDef)]

    def function(self, code: CodeType) -> Definition:
        """The definition that this code was compiled from. FingerprintError if the text has changed since."""
        name = _HIDDEN_SCOPE.sub("", code.co_qualname)
        found = [one for one in self._by_name.get(name, ()) if isinstance(one.node, _FUNCTIONS)]
        if len(found) > 1:
            found = [one for one in found if _first_line(one.node) == code.co_firstlineno]
        if len(found) > 1:
            found = [one for one in found if _encloses(one.node, code)]
        if len(found) != 1:
            raise self._edited(code)
        self.check(code)
        return found[0]

    def check(self, code: CodeType) -> None:
        """FingerprintError if this code runs though the text says something else by now.

        Only a file that was written during the life of this process is compared: what others do to code when they
        import it (pytest rewrites `assert`) would look like a change.
        """
        if self._changed_ns <= _STARTED_NS:
            return
        if not self._shapes:
            for part in _code_in(compile(self._text, self._path, "exec", dont_inherit=True)):
                self._shapes.setdefault(part.co_qualname, []).append(_shape(part))
        if _shape(code) not in self._shapes.get(code.co_qualname, ()):
            raise self._edited(code)

    def _edited(self, code: CodeType) -> FingerprintError:
        return FingerprintError(
            f"{code.co_qualname} in {self._path} was edited after it was imported",
            hint="start again, so that what runs is what stands in the file",
        )


def _definitions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    stack: list[tuple[ast.AST, str, tuple[ast.AST, ...]]] = [(node, "", ()) for node in reversed(body)]
    while stack:
        node, prefix, around = stack.pop()
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            stack.extend((child, prefix, around) for child in reversed(list(ast.iter_child_nodes(node))))
            continue
        qualname = prefix + getattr(node, "name", "<lambda>")
        yield Definition(qualname, node, around)
        inner = qualname + ("." if isinstance(node, ast.ClassDef) else ".<locals>.")
        inside = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        outside = [child for child in ast.iter_child_nodes(node) if child not in inside]
        stack.extend((child, inner, (*around, node)) for child in reversed(inside))
        stack.extend((child, prefix, around) for child in reversed(outside))


def _first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", [])
    return int(min([node.lineno, *(each.lineno for each in decorators)]))  # type: ignore[attr-defined]


def _encloses(node: ast.AST, code: CodeType) -> bool:
    start = (node.lineno, node.col_offset)  # type: ignore[attr-defined]
    end = (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None or column == end_column:
            continue
        if (line, column) < start or (end_line, end_column) > end:
            return False
    return True


def _code_in(code: CodeType) -> Iterator[CodeType]:
    stack = [code]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(each for each in found.co_consts if isinstance(each, CodeType))


def _shape(code: CodeType) -> tuple[Any, ...]:
    """What two compilations of the same text share, wherever it stands."""
    return (
        code.co_name,
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_posonlyargcount,
        code.co_flags & 0x3FF,  # without those of `__future__`, which a caller of compile() may hand down
        tuple(_shape(each) if isinstance(each, CodeType) else (type(each), each) for each in code.co_consts),
    )
