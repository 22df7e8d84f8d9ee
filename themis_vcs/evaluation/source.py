"""Where code comes from: the parsed source of the user's modules, and which modules are not the user's.

It reads `sys.modules` and source files, and never imports. A module is the user's unless it belongs to Python, to
themis or to an installed distribution. What a name in a module leads to is the business of `reach`.
"""

from __future__ import annotations

import ast
import gc
import linecache
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from themis_vcs.errors import FingerprintError
from themis_vcs.evaluation.bindings import Bindings, bindings_of
from themis_vcs.evaluation.definitions import Definitions
from themis_vcs.evaluation.syntax import Reference

STDLIB: Final = "standard library"
THEMIS: Final = "themis"
INSTALLED: Final = "installed"


@dataclass(frozen=True)
class Foreign:
    """A module that is not the user's; `kind` is STDLIB, THEMIS or INSTALLED."""

    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class Source:
    """One module of the user, or one notebook cell.

    `live` is the loaded module, if it is loaded. A cell and a module without a source have an empty `bindings`: there
    the live values are all that can be known.
    """

    name: str
    path: str
    body: Sequence[ast.stmt]
    live: ModuleType | None = None
    text: bytes = b""
    changed_ns: int = 0
    search: tuple[str, ...] | None = None
    by_value: bool = False
    analysed: dict[tuple[int, ...], tuple[bytes, list[Reference]]] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """What relative imports start from."""
        return self.name if self.search is not None else self.name.rpartition(".")[0]

    @cached_property
    def bindings(self) -> Bindings:
        return bindings_of(() if self.by_value else self.body)

    @cached_property
    def definitions(self) -> Definitions:
        return Definitions(self.body, self.text, self.path, self.changed_ns)

    def check(self, function: FunctionType) -> None:
        """FingerprintError if the function was imported from this file, and the file was edited since."""
        if _same_file(self.path, function.__code__.co_filename):
            self.definitions.check(function.__code__)


_read_before: dict[tuple[str, str], tuple[tuple[int, int, int, bool], Source]] = {}


def locate(name: str) -> Source | Foreign | None:
    """The module of this absolute name; None if there is none."""
    top = name.partition(".")[0]
    if top == __name__.partition(".")[0]:
        return Foreign(name, THEMIS)
    live = _live(name)
    spec = getattr(live, "__spec__", None) if live is not None else _find(name)
    if live is None and spec is None:
        return None
    origin = getattr(live, "__file__", None) or getattr(spec, "origin", None)
    if origin in ("built-in", "frozen") or top in sys.builtin_module_names:
        return Foreign(name, STDLIB)
    search = getattr(live, "__path__", None) or getattr(spec, "submodule_search_locations", None)
    if origin is None:
        return _without_file(name, live, search)
    kind = kind_of(origin)
    if kind is not None:
        return Foreign(name, kind)
    return _read(name, origin, live, spec, None if search is None else tuple(search))


def source_of(code: CodeType, namespace: dict[str, Any]) -> Source | Foreign:
    """Where a function with this code and these globals was written. FingerprintError if that cannot be read."""
    name = public_name(str(namespace.get("__name__", "")))
    found = locate(name) if name else None
    if isinstance(found, Foreign) or (found is not None and _same_file(found.path, code.co_filename)):
        return found
    if (kind := kind_of(code.co_filename)) is not None:
        return Foreign(name, kind)
    return cell(code.co_filename, name, namespace)


def cell(filename: str, name: str, namespace: dict[str, Any] | None = None) -> Source:
    """Code that came from no module's file, such as a notebook's cell. FingerprintError if nobody kept its text."""
    text = "".join(linecache.getlines(filename, namespace)).encode()
    if not text:
        raise FingerprintError(
            f"the source of code in {name or 'no module'} ({filename}) cannot be read",
            hint="give the component a `fingerprint()` method that returns a text to change with its behaviour",
        )
    before = _read_before.get((name, filename))
    if before is None or before[1].text != text or before[1].live is not _live(name):
        found = Source(name, filename, _parse(text, filename), _live(name), text, by_value=True)
        before = _read_before[name, filename] = ((0, 0, 0, True), found)
    return before[1]


def cells(module: ModuleType) -> Iterator[Source]:
    """The notebook cells in memory, newest first, as the source of a module that has no file."""
    for filename in reversed(list(linecache.cache)):
        if filename.startswith("<ipython-input-") or "ipykernel" in filename:
            yield cell(filename, public_name(module.__name__))


def module_of(kind: type) -> Source | Foreign | None:
    """Where a class says that it was defined."""
    return locate(public_name(str(kind.__module__)))


def public_name(name: str) -> str:
    """The name of a module; for the main script the one under which others would import it."""
    if name not in ("__main__", "__mp_main__"):
        return name
    main = sys.modules.get(name)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    path = getattr(main, "__file__", None)
    return name if path is None else os.path.splitext(os.path.basename(path))[0]


def kind_of(path: str) -> str | None:
    """STDLIB or INSTALLED for a file that is not the user's, else None."""
    parts = path.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return INSTALLED
    return STDLIB if path.startswith(_stdlib()) or path.startswith("<frozen ") else None


@lru_cache(maxsize=1)
def _stdlib() -> tuple[str, ...]:
    return tuple(
        os.path.join(found, "") for key in ("stdlib", "platstdlib") if (found := sysconfig.get_path(key)) is not None
    )


def _live(name: str) -> ModuleType | None:
    found = sys.modules.get(name)
    if found is None and name == public_name("__main__"):
        return sys.modules.get("__main__")
    return found


def _find(name: str) -> ModuleSpec | None:
    """The spec of a module that is not loaded, without importing its packages as `importlib.util` would."""
    parent, _, _ = name.rpartition(".")
    path: Sequence[str] | None = None
    if parent:
        package = _live(parent)
        spec = package.__spec__ if package is not None else _find(parent)
        path = getattr(package, "__path__", None) or getattr(spec, "submodule_search_locations", None)
        if path is None:
            return None
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, path) if find is not None else None
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def _without_file(name: str, live: ModuleType | None, search: Sequence[str] | None) -> Source:
    """A namespace package, or a module that was made in memory (the namespace of a notebook)."""
    return Source(name, "", (), live, search=None if search is None else tuple(search), by_value=search is None)


def _read(
    name: str, path: str, live: ModuleType | None, spec: ModuleSpec | None, search: tuple[str, ...] | None
) -> Source:
    try:
        stat = os.stat(path)
    except OSError:
        stamp = (0, 0, 0, live is not None)
    else:
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino, live is not None)
    before = _read_before.get((name, path))
    if before is not None and before[0] == stamp and before[1].live is live:
        return before[1]
    text = _text(name, path, spec)
    found = Source(name, path, _parse(text, path), live, text, stamp[0], search)
    _read_before[name, path] = (stamp, found)
    return found


def _text(name: str, path: str, spec: ModuleSpec | None) -> bytes:
    """The source of a module: its file, or what its loader has (a module in a zip)."""
    if path.endswith(".py") and os.path.isfile(path):
        with open(path, "rb") as file:
            return file.read()
    get_source = getattr(getattr(spec, "loader", None), "get_source", None)
    text = get_source(name) if get_source is not None else None
    if not isinstance(text, str):
        raise FingerprintError(
            f"the source of module {name} ({path}) cannot be read",
            hint="give the component that uses it a `fingerprint()` method",
        )
    return text.encode()


def _parse(text: bytes, path: str) -> list[ast.stmt]:
    with warnings.catch_warnings(), _undisturbed():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text, path).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise FingerprintError(f"{path} cannot be parsed: {error}") from error


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Collect no garbage for as long as the block lasts.

    CPython up to 3.11.8 miscounts if what is collected parses something in its turn, as a traceback does, and raises
    SystemError (python/cpython#106905).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _same_file(path: str, filename: str) -> bool:
    return path == filename or (
        os.path.basename(path) == os.path.basename(filename) and os.path.abspath(path) == os.path.abspath(filename)
    )
