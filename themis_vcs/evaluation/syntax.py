"""Python source as data: canonical bytes of a syntax tree, and the names that it takes from outside.

Pure functions over `ast` nodes. It does not know files, modules or live objects: `source` finds the trees,
`reach` follows the names. The bytes leave out what code cannot act on (positions, comments, layout, quotes, the
`u` prefix) and what differs between the versions of Python that themis supports: absent and empty fields, and
how a version cuts an f-string into constants. Nothing here recurses, since a long sum is a deep tree.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


class Import(NamedTuple):
    """What a name stands for that an import statement bound: `from <level dots><module> import <name>`."""

    module: str
    name: str | None = None
    level: int = 0


class Reference(NamedTuple):
    """A dotted chain such as `helpers.clean`; `imported` is set when a local import gave its first name."""

    chain: tuple[str, ...]
    imported: Import | None = None


# In an environment a name is a local variable (None) or a local import.
Environment: TypeAlias = Mapping[str, Import | None]


class _Mark(bytes):
    """Structure in the output, as opposed to a constant of the program that is a `bytes`."""


def canonical(nodes: Iterable[ast.AST]) -> bytes:
    """One spelling per program: the same bytes on every Python from 3.11 on, whatever the layout."""
    out = bytearray()
    stack: list[object] = [list(nodes)]
    while stack:
        item = stack.pop()
        if type(item) is _Mark:
            out += item
        elif isinstance(item, ast.AST):
            out += b"(" + type(item).__name__.encode()
            stack.append(_Mark(b")"))
            for name, value in _fields(item):
                stack.append(value)
                stack.append(_Mark(b" " + name.encode() + b"="))
        elif isinstance(item, list):
            out += b"["
            stack.append(_Mark(b"]"))
            stack.extend(reversed(item))
        else:
            out += _scalar(item)
    return bytes(out)


def _fields(node: ast.AST) -> list[tuple[str, object]]:
    """The fields that say something, last name first (they go on a stack)."""
    found = []
    for name in sorted(node._fields, reverse=True):
        value = getattr(node, name, None)
        if name in _IGNORED_FIELDS or (isinstance(value, list) and not value):
            continue
        if value is None and not isinstance(node, ast.Constant):
            continue
        if isinstance(node, ast.JoinedStr):
            value = _joined(node.values)
        found.append((name, value))
    return found


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring constants joined and empty ones dropped."""
    parts: list[ast.expr] = []
    for value in values:
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            parts.append(value)
        elif parts and isinstance(last := parts[-1], ast.Constant) and isinstance(last.value, str):
            parts[-1] = ast.Constant(last.value + value.value)
        elif value.value:
            parts.append(value)
    return parts


def _scalar(value: object) -> bytes:
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, int) and not isinstance(value, bool):
        data = f"{value:x}".encode()  # decimal text of a large int is quadratic and limited
    else:
        data = repr(value).encode()
    return b"%s:%d:%s" % (type(value).__name__.encode(), len(data), data)


def chain_of(node: ast.AST) -> tuple[str, ...] | None:
    """("a", "b", "c") for the expression `a.b.c`, None for any other."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    names.append(node.id)
    return tuple(reversed(names))


def own_nodes(roots: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes that run in the scope of the roots: not the bodies of functions and classes in it.

    Of a comprehension only the named expressions come, since those bind outside of it.
    """
    stack = list(roots)
    while stack:
        node = stack.pop()
        if isinstance(node, _COMPREHENSIONS):
            stack.extend(part for part in ast.walk(node) if isinstance(part, ast.NamedExpr))
            continue
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))


def bound_names(roots: Iterable[ast.AST]) -> dict[str, Import | None]:
    """Every name that the scope of the roots binds, with what an import made it stand for."""
    bound: dict[str, Import | None] = {}
    elsewhere: set[str] = set()
    for node in own_nodes(roots):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound.update(imports(node))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        else:
            name = _bound_by(node)
            if name is not None:
                bound.setdefault(name, None)
    return {name: imported for name, imported in bound.items() if name not in elsewhere}


def _bound_by(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.ExceptHandler(name=found) | ast.MatchAs(name=found) | ast.MatchStar(name=found):
            return found
        case ast.MatchMapping(rest=found):
            return found
    return None


def imports(node: ast.Import | ast.ImportFrom) -> dict[str, Import]:
    """Name → what it stands for, for one import statement; a star is under "*"."""
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name: Import(node.module or "", alias.name, node.level) for alias in node.names}
    return {
        alias.asname or alias.name.partition(".")[0]: Import(
            alias.name if alias.asname else alias.name.partition(".")[0]
        )
        for alias in node.names
    }


def function_locals(node: Function) -> dict[str, Import | None]:
    """Parameters and every other name that belongs to the function's own scope."""
    arguments = node.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parameters += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    return {**bound_names(body), **{parameter.arg: None for parameter in parameters}}


def references(roots: Iterable[ast.AST], environment: Environment | None = None) -> set[Reference]:
    """The chains that the roots take from around them, by Python's scoping.

    `environment` holds names that surround the roots and are not the module's. Names bound in a class body do
    not hide those of the module here, since the body may read the module's name before it binds its own.
    """
    found: set[Reference] = set()
    stack: list[tuple[ast.AST, Environment]] = [(root, environment or {}) for root in roots]
    while stack:
        node, known = stack.pop()
        chain = chain_of(node)
        if chain is not None:
            reference = _reference(node, chain, known)
            if reference is not None:
                found.add(reference)
        elif isinstance(node, _FUNCTIONS):
            inner: Environment = {**known, **_type_parameters(node), **function_locals(node)}
            body = [node.body] if isinstance(node, ast.Lambda) else node.body
            stack.extend((part, inner) for part in body)
            stack.extend((part, {**known, **_type_parameters(node)}) for part in _outside(node))
        elif isinstance(node, _COMPREHENSIONS):
            targets = bound_names(generator.target for generator in node.generators)
            first = node.generators[0].iter
            stack.append((first, known))
            inner = {**known, **targets}
            stack.extend((part, inner) for part in _comprehension_parts(node) if part is not first)
        else:
            inner = {**known, **_type_parameters(node)} if isinstance(node, ast.ClassDef) else known
            stack.extend((child, inner) for child in ast.iter_child_nodes(node))
    return found


def _reference(node: ast.AST, chain: tuple[str, ...], known: Environment) -> Reference | None:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return None
    if chain[0] not in known:
        return Reference(chain)
    imported = known[chain[0]]
    return None if imported is None else Reference(chain, imported)


def _type_parameters(node: ast.AST) -> dict[str, Import | None]:
    return {parameter.name: None for parameter in getattr(node, "type_params", ())}


def _outside(node: Function) -> Iterator[ast.AST]:
    """The parts of a function that run where it is defined: decorators, defaults, annotations."""
    if not isinstance(node, ast.Lambda):
        yield from node.decorator_list
        if node.returns is not None:
            yield node.returns
    yield node.args


def _comprehension_parts(node: Comprehension) -> Iterator[ast.AST]:
    yield from (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
    for generator in node.generators:
        yield generator.iter
        yield generator.target
        yield from generator.ifs
