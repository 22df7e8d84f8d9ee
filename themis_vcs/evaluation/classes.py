"""What the text of a class does not tell about the class that is in use.

For a class statement at the top of a module that is nothing, unless somebody put other functions into the class.
A class made inside a function closes over values; one made by a call of `type` has no text at all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

from themis_vcs.evaluation.bindings import bindings_of, is_literal
from themis_vcs.evaluation.definitions import Definition
from themis_vcs.evaluation.plain import NotPlain, plain
from themis_vcs.evaluation.source import Source, cells, module_of, source_of


def statements_of(kind: type) -> tuple[Source | None, list[Definition]]:
    """The module of a user's class, and the class statements in it; none for a class made by a call."""
    source = module_of(kind)
    if not isinstance(source, Source):
        return None, []
    found = source.definitions.classes(kind.__qualname__)
    if found or not source.by_value or source.live is None:
        return source, found
    for function in own_functions(kind):
        cell = source_of(function.__code__, function.__globals__)
        if isinstance(cell, Source):
            return cell, cell.definitions.classes(kind.__qualname__)
    for cell in cells(source.live):
        if found := cell.definitions.classes(kind.__qualname__):
            return cell, found
    return source, []


def own_functions(kind: type | FunctionType) -> Iterator[FunctionType]:
    """The functions written in the body of the class, without what decorators made of them; of one, itself."""
    if isinstance(kind, FunctionType):
        yield kind
        return
    prefix = kind.__qualname__ + "."
    for _, function in _functions(kind):
        if function.__code__.co_qualname.startswith(prefix):
            yield function


def foreign_functions(kind: type, statements: Sequence[Definition]) -> Iterator[tuple[str, FunctionType]]:
    """(name, function) of what was put into the class from outside, such as by `Metric.score = other`."""
    prefix = kind.__qualname__ + "."
    bound: dict[str, list[ast.stmt]] = {}
    for statement in statements:
        for name, bindings in bindings_of(_body(statement)).names.items():
            bound.setdefault(name, []).extend(each.node for each in bindings)
    for name, function in _functions(kind):
        if function.__code__.co_qualname.startswith(prefix):
            continue
        written = bound.get(name, [])
        generated = name.startswith("__") and not written
        if not generated and all(isinstance(each, _FUNCTION) and not each.decorator_list for each in written):
            yield name, function


def computed_attributes(kind: type, statements: Sequence[Definition]) -> Iterator[tuple[str, Any]]:
    """(name, plain value) of attributes that the body of a class inside a function computes."""
    for statement in statements:
        for name, bindings in bindings_of(_body(statement)).names.items():
            if name not in vars(kind) or all(is_literal(each.node, name) for each in bindings):
                continue
            try:
                yield name, plain(vars(kind)[name])
            except NotPlain:
                continue


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """(name, value) of what stands in a class that has no text, without what Python itself put there."""
    for name, value in sorted(vars(kind).items()):
        written = isinstance(value, FunctionType | staticmethod | classmethod | property)
        if written or not (name.startswith("__") or hasattr(type(value), "__get__")):
            yield name, value


def ignored_attributes(kind: type) -> frozenset[str]:
    """What `fingerprint_ignore` names in the class and its bases, and values that are computed once on demand."""
    found = {"__dict__", "__weakref__"}
    for base in kind.__mro__:
        declared = vars(base).get("fingerprint_ignore", ())
        found.update([declared] if isinstance(declared, str) else declared)
        found.update(name for name, value in vars(base).items() if type(value).__name__ == "cached_property")
    return frozenset(found)


def attribute_names(value: Any) -> set[str]:
    """The names of all attributes that an object holds itself, in its `__dict__` or in slots."""
    names = set(getattr(value, "__dict__", ()))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            mangled = slot.startswith("__") and not slot.endswith("__")
            names.add(f"_{base.__name__.lstrip('_')}{slot}" if mangled else slot)
    names.update(getattr(value, "__struct_fields__", ()))
    return {name for name in names if hasattr(value, name)}


_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def _body(statement: Definition) -> list[ast.stmt]:
    return statement.node.body if isinstance(statement.node, ast.ClassDef) else []


def _functions(kind: type) -> Iterator[tuple[str, FunctionType]]:
    for name, value in sorted(vars(kind).items()):
        found = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        found = found.fget if isinstance(found, property) else found
        if isinstance(found, FunctionType):
            yield name, found
