"""Decorators that make a component of a plain function.

Each works bare or with arguments, on a sync or an async function, and gives an object that still can be
called like the function, pickled by name and named in a configuration as "package.module:name". The
function may leave out trailing parameters of its role's method, and may return a bare value where the role
has an obvious result for it:

    @generator    (case, ctx)                      anything -> GenerationResult(final_output=...)
    @selector     (candidates, ctx)                a list or tuple of candidates
    @reducer      (candidates, ctx)                anything -> ReducedCandidate(final_output=...), from all of them
    @parser       (candidate, ctx)                 anything -> ParsedOutput(value=...)
    @metric       (parsed, case, ctx)              bool or number -> Score
    @judge_model  (prompt, *, seed, schema, call)  text -> JudgeResponse
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar, overload

from themis_vcs.evaluation.fingerprint import fingerprint
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate, Score

Function = Callable[..., Any]
C = TypeVar("C", bound="FunctionComponent")


class FunctionComponent:
    """A function in the role of a component. The role's method is async if the function is."""

    role = ""
    method = ""
    most = 2

    def __init__(
        self,
        function: Function,
        *,
        component_id: str | None = None,
        version: str = "0",
        deterministic: bool | None = None,
        reads: Collection[str] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.component_id = component_id or f"{function.__module__}:{function.__qualname__}"
        self.version = version
        self.deterministic = deterministic
        self.reads = reads
        self._positional, self._keywords = _shape(self.role, function, self.most, self.optional())
        setattr(self, self.method, self._later if inspect.iscoroutinefunction(function) else self._now)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __reduce__(self) -> str:
        return self.function.__qualname__

    def __repr__(self) -> str:
        return f"<{self.role} {self.component_id}>"

    def fingerprint(self) -> bytes:
        """That of the function: the wrapping adds nothing to what it does."""
        return fingerprint(self.function)

    @classmethod
    def optional(cls) -> frozenset[str]:
        """Keywords that the role offers beside its positional parameters."""
        return frozenset()

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The role's result type made of a bare value; anything else stays as it is."""
        return result

    def _now(self, *args: Any, **keywords: Any) -> Any:
        given = {name: value for name, value in keywords.items() if name in self._keywords}
        return self.wrap(self.function(*args[: self._positional], **given), args, given)

    async def _later(self, *args: Any, **keywords: Any) -> Any:
        given = {name: value for name, value in keywords.items() if name in self._keywords}
        return self.wrap(await self.function(*args[: self._positional], **given), args, given)


class FunctionGenerator(FunctionComponent):
    """A generator."""

    role, method = "generator", "generate"
    generate: Function

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        # a forgotten `return` is no answer
        return result if result is None or isinstance(result, GenerationResult) else GenerationResult(result)


class FunctionSelector(FunctionComponent):
    """A selector."""

    role, method = "selector", "select"
    select: Function

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return list(result) if isinstance(result, tuple) else result


class FunctionReducer(FunctionComponent):
    """A reducer."""

    role, method = "reducer", "reduce"
    reduce: Function

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if isinstance(result, ReducedCandidate):
            return result
        return ReducedCandidate(result, source_candidate_ids=[each.candidate_id for each in args[0]])


class FunctionParser(FunctionComponent):
    """A parser."""

    role, method = "parser", "parse"
    parse: Function

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return result if isinstance(result, ParsedOutput) else ParsedOutput(result)


class FunctionMetric(FunctionComponent):
    """A metric."""

    role, method, most = "metric", "score", 3
    score: Function

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return Score(self.component_id, float(result)) if isinstance(result, bool | int | float) else result


class FunctionJudgeModel(FunctionComponent):
    """A judge model."""

    role, method, most = "judge_model", "judge", 1
    judge: Function

    @classmethod
    def optional(cls) -> frozenset[str]:
        return frozenset({"seed", "schema", "call"})

    def wrap(self, result: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if not isinstance(result, str):
            return result
        return JudgeResponse(self.component_id, result, self.version, effective_seed=keywords.get("seed"))


class Decorator(Generic[C]):
    """The decorator of one role."""

    def __init__(self, kind: type[C]) -> None:
        self._kind = kind

    @overload
    def __call__(self, function: Function) -> C: ...

    @overload
    def __call__(
        self,
        function: None = None,
        *,
        component_id: str | None = None,
        version: str = "0",
        deterministic: bool | None = None,
        reads: Collection[str] | None = None,
    ) -> Callable[[Function], C]: ...

    def __call__(self, function: Function | None = None, **options: Any) -> C | Callable[[Function], C]:
        if function is None:
            return functools.partial(self._kind, **options)
        if not inspect.isroutine(function):
            named = f"; its name is given as @{self._kind.role}(component_id={function!r})" * isinstance(function, str)
            raise TypeError(f"@{self._kind.role}: expected a function, got {type(function).__name__}{named}")
        return self._kind(function, **options)


generator = Decorator(FunctionGenerator)
selector = Decorator(FunctionSelector)
reducer = Decorator(FunctionReducer)
parser = Decorator(FunctionParser)
metric = Decorator(FunctionMetric)
judge_model = Decorator(FunctionJudgeModel)

DECORATORS: dict[str, Decorator[Any]] = {
    "generator": generator,
    "selector": selector,
    "reducer": reducer,
    "parser": parser,
    "metric": metric,
    "judge_model": judge_model,
}


def _shape(role: str, function: Function, most: int, optional: frozenset[str]) -> tuple[int, frozenset[str]]:
    """How many positional arguments the function is given, and which keywords it takes."""
    taken = 0
    keywords: set[str] = set()
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            taken = most
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords.update(optional)
        elif parameter.name in optional and parameter.kind is not parameter.POSITIONAL_ONLY:
            keywords.add(parameter.name)
        elif parameter.kind is not parameter.KEYWORD_ONLY and taken < most:
            taken += 1
        elif parameter.default is parameter.empty:
            raise TypeError(f"@{role} {function.__qualname__}: nothing is passed for parameter {parameter.name!r}")
    if not taken:
        raise TypeError(f"@{role} {function.__qualname__}: the function takes no argument")
    return taken, frozenset(keywords)
