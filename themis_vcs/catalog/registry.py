"""From a name to a component: "builtin/x", "package.module:Name", or the object itself.

Names come from what a person wrote, never from a store that was pulled: resolving one imports its module.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.errors import ConfigurationError
from themis_vcs.evaluation.component import remember
from themis_vcs.evaluation.decorators import DECORATORS
from themis_vcs.evaluation.protocols import ROLES, Component

PREFIX = "builtin/"

_BUILTINS: dict[str, dict[str, str]] = {
    "generator": {
        "demo_generator": "generators:DemoGenerator",
        "recorded_generator": "recorded:RecordedGenerator",
        "openai_chat": "openai_chat:OpenAIChatGenerator",
    },
    "selector": {},
    "reducer": {
        "passthrough": "reducers:PassthroughReducer",
        "majority_vote": "reducers:MajorityVote",
    },
    "parser": {
        "passthrough": "parsers:PassthroughParser",
        "text": "parsers:Text",
        "json_identity": "parsers:JsonIdentity",
        "regex": "parsers:Regex",
        "choice_letter": "choice_letter:ChoiceLetter",
        "math_answer": "math_answer:MathAnswer",
    },
    "metric": {
        "exact_match": "metrics:ExactMatch",
        "f1": "metrics:F1",
        "choice_accuracy": "metrics:ChoiceAccuracy",
        "llm_rubric": "rubric:LlmRubric",
    },
    "judge_model": {
        "demo_judge": "judges:DemoJudge",
        "recorded_judge": "recorded:RecordedJudge",
        "openai_chat": "openai_chat:OpenAIChatJudge",
    },
}
_METHODS: dict[str, tuple[str, ...]] = {
    "generator": ("generate",),
    "selector": ("select",),
    "reducer": ("reduce",),
    "parser": ("parse",),
    "metric": ("score", "build_workflow"),
    "judge_model": ("judge",),
}


def names(role: str) -> list[str]:
    """The built-in components of a role, as they are written in a configuration."""
    return sorted(PREFIX + name for name in _BUILTINS[role])


def resolve(role: str, spec: object, config: Mapping[str, Any] | None = None) -> Component:
    """The component that `spec` names, made with the options in `config`.

    A class is called with the options, a function becomes a component as by the role's decorator, an object
    is given back as it is. ConfigurationError lists what is wrong as (option, what): unknown names and
    options with the nearest ones that exist, options of the wrong type, a module that cannot be imported,
    an object without the role's method.
    """
    if not isinstance(spec, str):
        return _checked(role, spec, _finished(role, spec, _shown(spec), config or {}), _shown(spec))
    options = dict(config or {})
    path = f"themis_vcs.catalog.{_path_of(role, spec)}" if spec.startswith(PREFIX) else spec
    found = _load(spec, path)
    component = _checked(role, found, _finished(role, found, spec, options), spec)
    if component is not found and not isinstance(component, Builtin):
        remember(component, spec, options)
    return component


def _path_of(role: str, spec: str) -> str:
    known = _BUILTINS[role]
    name = spec.removeprefix(PREFIX)
    if name in known:
        return known[name]
    elsewhere = [other for other in ROLES if name in _BUILTINS[other]]
    if elsewhere:
        raise _refused(spec, "", f"is a {elsewhere[0]}, not a {role}; there are: {', '.join(names(role)) or 'none'}")
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {PREFIX}{near[0]}?" if near else ""
    raise _refused(spec, "", f"no such {role}{meant or '; there are: ' + (', '.join(names(role)) or 'none')}")


def _load(spec: str, path: str) -> Any:
    module_name, colon, qualname = path.partition(":")
    if not colon or not module_name or not qualname:
        near = difflib.get_close_matches(spec, [name for each in _BUILTINS.values() for name in each], 1)
        meant = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        raise _refused(spec, "", f'is neither "{PREFIX}NAME" nor "package.module:Name"{meant}')
    # Bytecode counts as current if size and second of the source fit: an edit within that second would be executed as
    # the code of before, and recorded under the fingerprint of what the file says now.
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise _refused(spec, "", f"module {module_name} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writes
    found: Any = module
    for part in qualname.split("."):
        known = vars(found) if hasattr(found, "__dict__") else {}
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [name for name in known if not name.startswith("_")], 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise _refused(spec, "", f"{module_name} has no {qualname}{meant}")
        found = getattr(found, part)
    return found


def _finished(role: str, found: Any, spec: str, options: dict[str, Any] | Mapping[str, Any]) -> Any:
    """The component itself, of a class, a function or an object."""
    if inspect.isclass(found):
        return _made(found, spec, dict(options))
    if options:
        raise _refused(spec, next(iter(options)), f"{spec} takes no options: it is not a class")
    if inspect.isfunction(found):
        try:
            return DECORATORS[role](found)
        except TypeError as error:
            raise _refused(spec, "", str(error)) from error
    return found


def _made(kind: type, spec: str, options: dict[str, Any]) -> Any:
    known = _parameters(kind)
    if known is not None:
        problems = [(name, f"unknown option{_meant(name, known)}") for name in options if name not in known]
        if problems:
            raise ConfigurationError(spec, problems)
    try:
        return msgspec.convert(options, kind) if issubclass(kind, msgspec.Struct) else kind(**options)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise _refused(spec, path.strip("`").removeprefix("$").removeprefix("."), reason) from error
    except Exception as error:
        raise _refused(spec, "", f"cannot be made: {type(error).__name__}: {error}") from error


def _parameters(kind: type) -> list[str] | None:
    """The keywords that the constructor takes; None if it takes any, or does not say."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are: {', '.join(known)}" if known else "; it takes none"


def _checked(role: str, found: Any, component: Any, spec: str) -> Component:
    methods = _METHODS[role]
    if any(callable(getattr(component, method, None)) for method in methods):
        return component
    other = [each for each in ROLES if any(callable(getattr(component, name, None)) for name in _METHODS[each])]
    what = f"is a {other[0]}" if other else f"has no method {' or '.join(methods)}"
    raise _refused(spec, "", f"{what}, so it cannot be the {role}")


def _shown(spec: object) -> str:
    named = spec if hasattr(spec, "__qualname__") else type(spec)
    return f"{named.__module__}:{named.__qualname__}"


def _refused(spec: str, option: str, what: str) -> ConfigurationError:
    return ConfigurationError(spec, [(option, what)])
