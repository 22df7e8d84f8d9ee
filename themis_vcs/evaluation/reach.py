"""The code that a piece of code reaches: names followed from definition to definition through the user's modules.

Names are resolved in the text, not in memory, so that the answer is the same whether a module is loaded or not.
Where a module is certainly loaded (it was imported at the top, not inside a function), its live values add what
the text cannot tell: what a computed constant has become, and what was replaced since.

Code of others counts by the version of its distribution, Python's own and that of themis not at all, except for
the `version` of a component of themis that is built upon.
"""

from __future__ import annotations

import ast
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from blake3 import blake3

from themis_vcs.errors import FingerprintError
from themis_vcs.evaluation.bindings import Binding, is_literal
from themis_vcs.evaluation.classes import own_functions
from themis_vcs.evaluation.definitions import Definition
from themis_vcs.evaluation.distributions import distributions_of
from themis_vcs.evaluation.plain import NotPlain, is_scalar, plain
from themis_vcs.evaluation.secrets import is_credential_name
from themis_vcs.evaluation.source import INSTALLED, THEMIS, Foreign, Source, locate, public_name
from themis_vcs.evaluation.syntax import (
    Environment,
    Import,
    Reference,
    canonical,
    chain_of,
    function_locals,
    references,
)

Chain = tuple[str, ...]


class _Task(NamedTuple):
    key: str
    source: Source
    nodes: list[ast.AST]
    environment: Environment
    eager: bool


class Reach:
    """Collects what is reached. `code` maps "module:name" to [digest, {chain in the code: what it leads to}].

    `live` holds (key, value) of values that have yet to be described by who can describe objects; what they reach
    is added in turn. Definitions found from a module's top level are followed before those that only an import
    inside a function leads to, so that it does not depend on the order whether live values count.
    """

    def __init__(self) -> None:
        self.code: dict[str, list[Any]] = {}
        self.distributions: dict[str, str] = {}
        self.live: deque[tuple[str, Any]] = deque()
        self._eager: deque[_Task] = deque()
        self._lazy: deque[_Task] = deque()
        self._known: dict[str, bool] = {}
        self._inner: dict[str, list[ast.AST]] = {}
        self._live_keys: set[str] = set()
        self._places: dict[str, Source | Foreign | None] = {}

    def follow(self) -> bool:
        """Follow the next definition; False if there is none left. To be called until `live` is empty, too."""
        if self._eager:
            self._visit(self._eager.popleft())
        elif self._lazy and not self.live:
            self._visit(self._lazy.popleft())
        else:
            return False
        return True

    def definition(self, source: Source, definition: Definition, free: Iterable[str] = ()) -> str:
        """Reach a function or a class that is at hand, and return its key.

        `free` are names that it takes from the functions around it; their values are described elsewhere.
        """
        bindings = source.bindings.names.get(definition.qualname, [])
        if any(binding.node is definition.node for binding in bindings):
            return self._bound(source, definition.qualname, bindings, True)
        environment: dict[str, Import | None] = {}
        for around in definition.around:
            if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                environment.update(function_locals(around))
        environment = {**dict.fromkeys(free), **environment}
        key = self._numbered(f"{source.name}:{definition.qualname}", definition.node)
        self._queue(_Task(key, source, [definition.node], environment, True))
        return key

    def name(self, source: Source, name: str) -> str | None:
        """Reach what a module's top level binds to this name, and return its key; None if it binds nothing."""
        own = [each for each in source.bindings.names.get(name, []) if each.imported is None]
        return self._bound(source, name, own, True) if own else None

    def module(self, name: str, chain: Chain = ()) -> set[str]:
        """Reach a module as a whole, or what a chain of attributes of it leads to."""
        return self._module(name, chain, True, frozenset())

    def foreign(self, place: Foreign, name: str) -> str:
        """The text that stands for something in a module that is not the user's."""
        if place.kind == INSTALLED:
            self.distributions.update(distributions_of(place.name.partition(".")[0]))
        text = f"{place.name}:{name}" if name else place.name
        if place.kind == THEMIS:
            found = getattr(sys.modules.get(place.name), name, None)
            version = getattr(found, "version", None)
            if isinstance(version, str) and isinstance(getattr(found, "component_id", None), str):
                return f"{text}@{version}"
        return text

    def _queue(self, task: _Task) -> None:
        if self._known.get(task.key, False) or (task.key in self._known and not task.eager):
            return
        self._known[task.key] = task.eager
        (self._eager if task.eager else self._lazy).append(task)

    def _numbered(self, key: str, node: ast.AST) -> str:
        """The key, numbered if another definition of the same qualified name (two lambdas) has it."""
        nodes = self._inner.setdefault(key, [])
        if not any(each is node for each in nodes):
            nodes.append(node)
        index = next(index for index, each in enumerate(nodes) if each is node)
        return f"{key}#{index + 1}" if index else key

    def _visit(self, task: _Task) -> None:
        if task.key in self.code:
            return
        digest, chains = _analysed(task)
        links = {}
        for reference in chains:
            targets = self._resolve(task.source, reference, task.eager)
            if targets:
                links[".".join(reference.chain)] = sorted(targets)
        self.code[task.key] = [digest, links]

    def _resolve(self, source: Source, reference: Reference, eager: bool) -> set[str]:
        if reference.imported is not None:
            return self._import(source, reference.imported, reference.chain[1:], False, frozenset())
        if reference.chain == ("globals",) and "globals" not in source.bindings.names:
            return {self._whole(source, eager)}
        return self._name(source, reference.chain, eager, frozenset())

    def _name(self, source: Source, chain: Chain, eager: bool, seen: frozenset[str]) -> set[str]:
        """What a name in a module leads to; nothing for the built-in ones and for those that nobody binds."""
        name, key = chain[0], f"{source.name}:{chain[0]}"
        if key in seen:
            return set()
        seen |= {key}
        bindings = source.bindings.names.get(name)
        if bindings:
            targets: set[str] = set()
            for each in bindings:
                if each.imported is not None:
                    top = eager and each.at_run_time
                    targets |= self._import(source, each.imported, chain[1:], top, seen)
            own = [each for each in bindings if each.imported is None]
            if own:
                targets.add(self._bound(source, name, own, eager))
            return targets
        for star in source.bindings.stars:
            found = self._import(source, star._replace(name=None), chain, eager, seen)
            if found:
                return found
        if name not in source.bindings.rebound and (eager or source.by_value):
            return self._in_memory(source, chain)
        return set()

    def _in_memory(self, source: Source, chain: Chain) -> set[str]:
        """A name that only the loaded module knows."""
        found = vars(source.live).get(chain[0], _ABSENT) if source.live is not None else _ABSENT
        if found is _ABSENT or chain[0].startswith("__"):
            return set()
        if isinstance(found, type(sys)):
            return self._module(public_name(found.__name__), chain[1:], True, frozenset())
        return {self._live_value(f"{source.name}:{chain[0]}", found)}

    def _import(self, source: Source, imported: Import, rest: Chain, eager: bool, seen: frozenset[str]) -> set[str]:
        module = imported.module
        if imported.level:
            base = source.package.split(".")
            base = base[: len(base) - imported.level + 1]
            module = ".".join([*base, module] if module else base)
        chain = rest if imported.name is None else (imported.name, *rest)
        return self._module(module, chain, eager, seen)

    def _module(self, name: str, chain: Chain, eager: bool, seen: frozenset[str]) -> set[str]:
        place = self._place(name)
        if place is None:
            return {f"{name} is missing"}
        if isinstance(place, Foreign):
            return {self.foreign(place, chain[0] if chain else "")}
        if not chain:
            return {self._whole(place, eager)}
        found = self._name(place, chain, eager, seen)
        if not found and place.search is not None and self._place(f"{name}.{chain[0]}") is not None:
            return self._module(f"{name}.{chain[0]}", chain[1:], eager, seen)
        if not found and "__getattr__" in place.bindings.names:
            return self._name(place, ("__getattr__",), eager, seen)
        return found

    def _place(self, name: str) -> Source | Foreign | None:
        if name not in self._places:
            self._places[name] = locate(name)
        return self._places[name]

    def _whole(self, source: Source, eager: bool) -> str:
        key = f"{source.name}:*"
        self._queue(_Task(key, source, list(source.body), {}, eager))
        return key

    def _bound(self, source: Source, name: str, bindings: Sequence[Binding], eager: bool) -> str:
        """Reach the statements that bind a module's name, and what its live value adds to them."""
        key = f"{source.name}:{name}"
        if not self._known.get(key, False):
            own = [each for each in bindings if each.imported is None]
            nodes = [part for each in own for part in (*each.guards, each.node)]
            self._queue(_Task(key, source, nodes, {}, eager))
            value = vars(source.live).get(name, _ABSENT) if eager and source.live is not None else _ABSENT
            for function in own_functions(value) if isinstance(value, type | FunctionType) else ():
                source.check(function)
            if value is not _ABSENT and _says_more(value, name, own, source):
                self._live_value(f"{key} in memory", value)
        return key

    def _live_value(self, key: str, value: Any) -> str:
        if key not in self._live_keys:
            self._live_keys.add(key)
            self.live.append((key, value))
        return key


_ABSENT: Any = object()


def _says_more(value: Any, name: str, bindings: Sequence[Binding], source: Source) -> bool:
    """Whether a live value tells what the statements that bind it do not.

    A computed constant does, if it is plain data (`PROMPT = path.read_text()`), and so does a constant or a
    function that was replaced. What a `global` statement may rebind does not: that is a counter or a cache.
    """
    last = bindings[-1].node
    if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return not last.decorator_list and _is_replaced(value, last.name, source)
    if isinstance(last, ast.ClassDef) or name in source.bindings.rebound or is_credential_name(name):
        return False
    if all(is_literal(each.node, name) for each in bindings):
        literal = _scalar(last) if len(bindings) == 1 else _ABSENT
        return literal is not _ABSENT and is_scalar(value) and (type(value), value) != (type(literal), literal)
    try:
        plain(value)
    except (NotPlain, RecursionError):
        return False
    return True


def _is_replaced(value: Any, name: str, source: Source) -> bool:
    return isinstance(value, FunctionType) and (
        value.__code__.co_name != name or value.__globals__ is not vars(source.live)
    )


def _scalar(statement: ast.stmt) -> Any:
    """The scalar that an assignment binds, or _ABSENT."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    try:
        found = ast.literal_eval(value) if value is not None else _ABSENT
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _ABSENT
    return found if is_scalar(found) else _ABSENT


def _analysed(task: _Task) -> tuple[bytes, list[Reference]]:
    """The digest of a task's code and the chains in it; remembered with the source, if nothing is around it."""
    key = tuple(map(id, task.nodes))
    if task.environment or key not in task.source.analysed:
        found = references(task.nodes, task.environment)
        found |= {Reference((module,), Import(module)) for module in _imported_by_call(task)}
        ordered = sorted(found, key=lambda each: (each.chain, each.imported or ()))
        result = (blake3(canonical(task.nodes)).digest(), ordered)
        if task.environment:
            return result
        task.source.analysed[key] = result
    return task.source.analysed[key]


def _imported_by_call(task: _Task) -> Iterable[str]:
    """Modules that the code imports by `import_module("name")`. FingerprintError where the name is computed."""
    for root in task.nodes:
        for node in ast.walk(root):
            chain = chain_of(node.func) if isinstance(node, ast.Call) else None
            if chain is None or chain[-1] not in ("import_module", "__import__"):
                continue
            argument = node.args[0] if isinstance(node, ast.Call) and node.args else None
            name = argument.value if isinstance(argument, ast.Constant) else None
            if not isinstance(name, str) or name.startswith("."):
                raise FingerprintError(
                    f"{task.key} imports a module whose name is computed, so its code cannot be followed",
                    hint="give the component a `fingerprint()` method that returns a text to change with it",
                )
            yield name
