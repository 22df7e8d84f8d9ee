"""Live objects as canonical data: what a component was configured with, and the code that its parts reach.

An object is its class and its attributes, private ones included; a function is its source, its defaults and what
it closes over. What has no such form (an open client, a lock, an iterator) is an error that names the way to it,
since leaving it out silently could hide a change. What code leads to is the business of `reach`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from types import (
    BuiltinFunctionType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import Any

import msgspec

from themis_vcs.errors import FingerprintError
from themis_vcs.evaluation.classes import (
    attribute_names,
    computed_attributes,
    foreign_functions,
    ignored_attributes,
    members,
    own_functions,
    statements_of,
)
from themis_vcs.evaluation.plain import NotPlain, describe_data
from themis_vcs.evaluation.reach import Reach
from themis_vcs.evaluation.secrets import is_credential_name
from themis_vcs.evaluation.source import THEMIS, Foreign, module_of, public_name, source_of

# Their instances change while they are used, or stand for something outside of the program.
_LIVING = {
    "asyncio",
    "threading",
    "_thread",
    "socket",
    "ssl",
    "multiprocessing",
    "concurrent",
    "subprocess",
} | {
    *("random", "io", "_io", "queue", "_queue", "itertools", "contextvars", "select", "selectors", "sqlite3"),
}
_CONTAINERS: tuple[Any, ...] = (list, tuple, set, frozenset, dict, str, int, float, bytes)
_UNREADABLE = (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError, OSError)


class Describer:
    """Describes the values of one component; `owner` is what its errors call it."""

    def __init__(self, reach: Reach, owner: str) -> None:
        self._reach, self._owner = reach, owner
        self._open: dict[int, int] = {}
        self._types: dict[type, Any] = {}

    def describe(self, value: Any, path: str) -> Any:
        """The value as canonical data. FingerprintError naming `path` and what follows it, if it has none."""
        if id(value) in self._open:
            return ["cycle", self._open[id(value)]]
        self._open[id(value)] = len(self._open)
        try:
            with suppress(NotPlain):
                return describe_data(value, path, self.describe)
            return self._object(value, path)
        except RecursionError:
            raise self._refusal(value, path) from None
        finally:
            del self._open[id(value)]

    def component(self, component: Any) -> Any:
        """The component itself: unlike with its parts, no `fingerprint()` of it is asked."""
        self._open[id(component)] = 0
        is_callable = isinstance(component, type | FunctionType | MethodType | functools.partial)
        return self._object(component, "self") if is_callable else self._instance(component, "self")

    def class_(self, kind: type) -> Any:
        """A class as the key of its code, with what the code does not tell."""
        if kind in self._types:
            return self._types[kind]
        place = module_of(kind)
        if isinstance(place, Foreign):
            return self._foreign_type(kind, place)
        source, statements = statements_of(kind)
        key = f"{kind.__module__}:{kind.__qualname__}"
        self._types[kind] = key
        if source is not None and statements:
            for function in own_functions(kind):
                source.check(function)
            free = {name for function in own_functions(kind) for name in function.__code__.co_freevars}
            key = "|".join(dict.fromkeys(self._reach.definition(source, each, free) for each in statements))
            beyond = self._beyond(kind, statements, key)
        elif source is not None and (found := self._reach.name(source, kind.__qualname__)) is not None:
            key, beyond = found, {}
        else:
            inside = {name: self.describe(value, f"{key}.{name}") for name, value in members(kind)}
            beyond = {"members": inside, "bases": [self.class_(base) for base in kind.__bases__]}
        self._types[kind] = [key, beyond] if beyond else key
        return self._types[kind]

    def _beyond(self, kind: type, statements: list[Any], key: str) -> dict[str, Any]:
        put = {name: self.describe(each, f"{key}.{name}") for name, each in foreign_functions(kind, statements)}
        found: dict[str, Any] = {"put into it": put} if put else {}
        if any(statement.around for statement in statements):
            closed = {each.__name__: self._closure(each, f"{key}.{each.__name__}") for each in own_functions(kind)}
            found["closures"] = {name: cells for name, cells in closed.items() if cells}
            found["attributes"] = dict(computed_attributes(kind, statements))
            found["bases"] = [self.class_(base) for base in kind.__bases__]
        return found

    def _foreign_type(self, kind: type, place: Foreign) -> str:
        if place.kind != THEMIS:
            return self._reach.foreign(place, kind.__qualname__)
        declared = getattr(kind, "component_id", None)
        if not isinstance(declared, str):
            return f"{THEMIS}:{kind.__qualname__}"
        return f"{declared}@{getattr(kind, 'version', '0')}"

    def _object(self, value: Any, path: str) -> Any:
        for kinds, form in _FORMS:
            if isinstance(value, kinds):
                return form(self, value, path)
        return self._instance(value, path)

    def _module(self, value: ModuleType, path: str) -> Any:
        return ["module", *sorted(self._reach.module(public_name(value.__name__)))]

    def _parts(self, value: Any, path: str) -> Any:
        """A callable or a view that is made of others, which `_PARTS` names."""
        kind = next(kind for kind in _PARTS if isinstance(value, kind))
        return [kind.__name__, *(self.describe(getattr(value, part), path) for part in _PARTS[kind])]

    def _builtin(self, value: Any, path: str) -> Any:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            return ["built in", f"{value.__module__}:{value.__qualname__}"]
        return ["method", self.describe(owner, path), value.__name__]

    def _function(self, function: FunctionType, path: str) -> Any:
        place = source_of(function.__code__, function.__globals__)
        if isinstance(place, Foreign):
            text = self._reach.foreign(place, function.__qualname__)
            wrapped = getattr(function, "__wrapped__", None)
            inside = self._closure(function, path) if wrapped is None else self.describe(wrapped, path)
            return ["function", text, inside]
        code = function.__code__
        key = self._reach.definition(place, place.definitions.function(code), code.co_freevars)
        return ["function", key, self._closure(function, path), self._defaults(function, path)]

    def _closure(self, function: FunctionType, path: str) -> dict[str, Any]:
        """What a function closes over. Of a module only what the code uses counts, which is followed in the text."""
        found = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            if name == "__class__" or isinstance(value, ModuleType):
                continue
            found[name] = self.describe(value, f"{path}, which closes over {name}")
        return found

    def _defaults(self, function: FunctionType, path: str) -> list[Any]:
        """The values of default arguments. One that has no plain form is known by its text alone."""
        found = []
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            try:
                found.append(self.describe(value, path))
            except FingerprintError:
                found.append(["unread", type(value).__qualname__])
        return found

    def _instance(self, value: Any, path: str) -> Any:
        kind = type(value)
        place = module_of(kind)
        if isinstance(place, Foreign) and place.kind != THEMIS:
            return self._other(value, path, place)
        declared = []
        if callable(getattr(kind, "fingerprint", None)) and path != "self":
            module = THEMIS if isinstance(place, Foreign) else kind.__module__
            declared = ["declared", f"{module}:{kind.__qualname__}", declared_text(value, self._owner)]
            if not is_derived(kind):
                return declared
        described = [*declared, "object", self.class_(kind), self._attributes(value, self._names(value, place), path)]
        for base in _CONTAINERS:
            if isinstance(value, base):
                described.append(self.describe(base(value), path))
        return described

    def _names(self, value: Any, place: object) -> Iterable[str]:
        """The attributes that count; of an object of themis itself only its public ones, which are its arguments."""
        names = attribute_names(value)
        if isinstance(place, Foreign):
            if dataclasses.is_dataclass(value):
                names = {field.name for field in dataclasses.fields(value)}
            elif not isinstance(value, msgspec.Struct):
                names = {name for name in names if not name.startswith("_")}
        return names - ignored_attributes(type(value))

    def _attributes(self, value: Any, names: Iterable[str], path: str) -> dict[str, Any]:
        return {
            name: self.describe(getattr(value, name), f"{path}.{name}")
            for name in sorted(names)
            if not is_credential_name(name)
        }

    def _other(self, value: Any, path: str, place: Foreign) -> Any:
        """An object of a class that is not the user's: its version and its state, as copying it would take it."""
        kind = type(value)
        text = self._reach.foreign(place, kind.__qualname__)
        if kind.__module__ == "typing":
            return ["typing", repr(value)]
        if callable(value) and hasattr(value, "__wrapped__"):
            return ["wrapper", text, self.describe(value.__wrapped__, path)]
        if kind.__module__.partition(".")[0] in _LIVING or hasattr(kind, "__next__"):
            raise self._refusal(value, path)
        try:
            reduced = value.__reduce_ex__(2)
        except _UNREADABLE as error:
            raise self._refusal(value, path) from error
        if isinstance(reduced, str):
            return ["global", text, reduced]
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if type(state) is dict:
            kept = {name: part for name, part in state.items() if not is_credential_name(str(name))}
            state = {name: self.describe(part, f"{path}.{name}") for name, part in kept.items()}
        else:
            state = self.describe(state, path)
        parts = [self.describe(make, path), self.describe(arguments, path)]
        parts += [self.describe(list(each) if each is not None else None, path) for each in (items, pairs)]
        return ["object", text, *parts, state]

    def _refusal(self, value: Any, path: str) -> FingerprintError:
        kind = type(value)
        attribute = path.split(".")[1].partition("[")[0].partition(",")[0] if path.startswith("self.") else ""
        ignore = f'list it in `fingerprint_ignore = ("{attribute}",)` if results do not depend on it, or '
        return FingerprintError(
            f"{self._owner}: {path} is a {kind.__module__}.{kind.__qualname__}, which has no content to fingerprint",
            hint=f"{ignore if attribute else ''}give the component a `fingerprint()` method",
        )


_PARTS: dict[type, tuple[str, ...]] = {
    MethodType: ("__self__", "__func__"),
    functools.partial: ("func", "args", "keywords"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
}
_FORMS: tuple[tuple[Any, Callable[[Describer, Any, str], Any]], ...] = (
    (type, lambda self, value, path: ["class", self.class_(value)]),
    (ModuleType, Describer._module),
    (FunctionType, Describer._function),
    (BuiltinFunctionType, Describer._builtin),
    (tuple(_PARTS), Describer._parts),
    (Enum, lambda self, value, path: ["enum", self.class_(type(value)), value.name]),
    (MappingProxyType, lambda self, value, path: ["mapping", self.describe(dict(value), path)]),
    (GenericAlias | UnionType, lambda self, value, path: ["typing", repr(value)]),
)


def is_derived(kind: type) -> bool:
    """Whether the user derived the class from one of others, whose `fingerprint()` cannot know the user's code."""
    definer = next((base for base in kind.__mro__ if "fingerprint" in vars(base)), kind)
    return isinstance(module_of(definer), Foreign) and not isinstance(module_of(kind), Foreign)


def declared_text(component: Any, owner: str) -> str | bytes:
    """What a component's own `fingerprint()` returns. FingerprintError if that is neither text nor bytes."""
    declared = component.fingerprint()
    if not isinstance(declared, str | bytes):
        raise FingerprintError(
            f"{owner}: fingerprint() returned a {type(declared).__qualname__}",
            hint="return a text or bytes that change whenever results may change",
        )
    return declared
