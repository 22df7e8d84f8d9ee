"""The performer of an audit: makes components again under the rules of trust, and calls them on plain data.

What a component does is contained: whatever it raises is an outcome, and what it returns is handed back as bytes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Final

from themis_vcs.analysis.differences import differences
from themis_vcs.audit.finding import Imported
from themis_vcs.audit.performing import NOT_ASKED, NOT_REPEATABLE, TIMEOUT, Call, Outcome, Ready
from themis_vcs.errors import EncodingError, ThemisError
from themis_vcs.evaluation.component import describe, is_deterministic, is_workflow
from themis_vcs.evaluation.secrets import redact
from themis_vcs.evaluation.values import value_of
from themis_vcs.model.codec import encode
from themis_vcs.model.objects import Snapshot, Value
from themis_vcs.model.oid import Oid
from themis_vcs.performer.judgment import judging
from themis_vcs.performer.parts import Part, generating, parsing, reducing, scoring, settled
from themis_vcs.performer.worker import NoAnswer, Worker
from themis_vcs.pipeline.recipes import remade
from themis_vcs.store.view import View

_BUILTIN: Final = "builtin/"
_IMPORTED: Final = "imported/"
_PLAYERS: Final = frozenset({"builtin/recorded_generator", "builtin/recorded_judge"})
_LINES: Final = 20
_WIDTH: Final = 120
_CLOSING_SECONDS: Final = 10.0

Recipe = dict[str, Any]


class Unavailable(Exception):
    """A component cannot be had here; says why, and the `excuse` that `Ready` has for it."""

    def __init__(self, why: str, excuse: str = "") -> None:
        super().__init__(why)
        self.excuse = excuse


class StoredPerformer:
    """Calls the components that the provenance of a run describes.

    `imports` says whether modules may be imported for it at all; without, only what is built in is looked at.
    """

    def __init__(
        self,
        view: View,
        snapshot: Oid,
        *,
        imports: bool,
        trust_code: bool = False,
        timeout: float = 600.0,
    ) -> None:
        self._view, self._imports, self._trust_code, self._timeout = view, imports, trust_code, timeout
        self._snapshot = snapshot
        self._made_here: list[Any] = []
        self._imported: dict[str, str] = {}
        self._parts: dict[tuple[str, str], Part] = {}
        self._worker = Worker()

    @property
    def imported(self) -> list[Imported]:
        """The code of others that was imported to make components, and where it lies."""
        return [Imported(_harmless(target), _harmless(file)) for target, file in sorted(self._imported.items())]

    def prepare(self, stage: str, track: dict[str, Any], *, named: bool) -> Ready:
        """As `audit.performing.Performer` says."""
        try:
            part, ready = self._part(stage, track, named)
        except Unavailable as reason:
            return Ready(obstacle=_harmless(str(reason)), excuse=reason.excuse)
        self._parts[(stage, track["id"])] = part
        return ready

    def fingerprint(self, recipe: Recipe) -> bytes | str:
        """As `audit.performing.Performer` says."""
        try:
            component = self._made(recipe)
            return describe(component, recipe["role"]).fingerprint
        except Unavailable as reason:
            return _harmless(str(reason))
        except Exception as error:  # noqa: BLE001
            return _said(error)

    def perform(self, call: Call) -> Outcome:
        """As `audit.performing.Performer` says."""
        part = self._parts[(call.stage, call.track)]
        try:
            kind, data, _ = value_of(self._worker.call(lambda: part(call), self._timeout))
            return Outcome(encode("value", Value(kind, data)))
        except NoAnswer as error:
            return Outcome(None, TIMEOUT, str(error))
        except EncodingError as error:
            return Outcome(None, "invalid_output", _said(error))
        except Exception as error:  # noqa: BLE001
            category = getattr(error, "category", None)
            named = _harmless(category)[:_WIDTH] if isinstance(category, str) else "component_failure"
            return Outcome(None, named, _said(error))

    def differences(self, then: Any, now: Any) -> list[str]:
        """As `audit.performing.Performer` says."""
        found = differences(then, now)
        lines = [
            f"{each.path:.{_WIDTH}}: {_shown(each.old)} -> {_shown(each.new, each.old)}" for each in found[:_LINES]
        ]
        return [*lines, *([f"and {len(found) - _LINES:,} more"] if len(found) > _LINES else [])]

    def close(self) -> None:
        """Let the components close what they opened, and the thread in which they were called end."""
        for component in self._made_here:
            closing = getattr(component, "aclose", None)
            if closing is not None:
                with contextlib.suppress(Exception):
                    self._worker.call(partial(_closed, closing), _CLOSING_SECONDS)
        self._worker.close()

    @cached_property
    def _provenance(self) -> Mapping[str, Any]:
        """What the run says of how it was made. It is read when somebody asks, after it was found intact."""
        return self._view.load(self._snapshot, Snapshot).provenance

    def _part(self, stage: str, track: dict[str, Any], named: bool) -> tuple[Part, Ready]:
        if stage == "judge":
            return self._judge(track, named)
        role = {"generate": "generator", "reduce": "reducer", "parse": "parser", "score": "metric"}[stage]
        recipe = self._recipe(stage, role, track["component"])
        if recipe["target"] in _PLAYERS:
            why = "it plays answers back that were recorded, which proves nothing of the model"
            raise Unavailable(why, NOT_REPEATABLE)
        component = self._same(recipe)
        also = [self._same(self._recipe(stage, "selector", each)) for each in track["component"].get("also", [])]
        # What the component says, and not what the track says that it says: that is no part of the run id.
        exact = is_deterministic(component, role) and all(is_deterministic(each, "selector") for each in also)
        if not exact and not named:
            why = f"it may answer otherwise each time; --component {track['id']} --sample N asks it again"
            raise Unavailable(why, NOT_ASKED)
        if stage == "reduce":
            return reducing(component, also[0] if also else None), Ready(exact=exact)
        if stage == "score" and is_workflow(component):
            raise Unavailable("it is a metric that asks judge models, and was not when the run was made")
        makers = {"generate": generating, "parse": parsing, "score": scoring}
        return makers[stage](component), Ready(exact=exact)

    def _judge(self, track: dict[str, Any], named: bool) -> tuple[Part, Ready]:
        """Judge models are asked if they give the same each time, or are named; else their stored answers are taken."""
        metric = self._same(self._recipe("judge", "metric", track["component"]))
        also = track["component"].get("also", [])
        versions = {each["id"]: str(each.get("version", "0")) for each in also}
        repeatable = is_deterministic(metric, "metric")
        try:
            models = self._judges(also)
        except Unavailable:
            if named:
                raise
            models = None
        exact = repeatable and models is not None and all(is_deterministic(m, "judge_model") for m in models.values())
        if models is not None and (exact or named):
            return judging(metric, versions, models), Ready(exact=exact)
        if not repeatable:
            raise Unavailable("it may judge otherwise each time; --component and --sample N ask it again", NOT_ASKED)
        return judging(metric, versions, None), Ready(answers_stored=True)

    def _judges(self, also: list[dict[str, Any]]) -> dict[str, Any]:
        """The judge models by id; Unavailable if one of them cannot be asked here."""
        recipes = [self._recipe("judge", "judge_model", each) for each in also]
        if any(recipe["target"] in _PLAYERS for recipe in recipes):
            why = "its judge plays answers back that were recorded, which proves nothing of the model"
            raise Unavailable(why, NOT_REPEATABLE)
        return {recipe["id"]: self._same(recipe) for recipe in recipes}

    def _recipe(self, stage: str, role: str, component: dict[str, Any]) -> Recipe:
        """How the run says that a component is made, in the very state that its results have."""
        recipes = self._provenance.get("components")
        listed = recipes.get(stage) if isinstance(recipes, dict) else None
        for recipe in listed if type(listed) is list else ():
            if type(recipe) is dict and (recipe.get("role"), recipe.get("id")) == (role, component["id"]):
                if str(recipe.get("target")).startswith(_IMPORTED):
                    raise Unavailable("another tool made it, and it was imported as it was", NOT_REPEATABLE)
                if recipe.get("fingerprint") == component["fingerprint"]:
                    return recipe
        raise Unavailable(f"the run does not say how this state of {component['id']!r:.80} is made")

    def _same(self, recipe: Recipe) -> Any:
        component = self._made(recipe)
        try:
            found = describe(component, recipe["role"]).fingerprint
        except Exception as error:
            raise Unavailable(_said(error)) from error
        if found != recipe["fingerprint"]:
            raise Unavailable("its code or configuration is not what it was")
        return component

    def _made(self, recipe: Recipe) -> Any:
        target, config = recipe.get("target"), recipe.get("config")
        if type(target) is not str or type(config) is not dict or type(recipe.get("role")) is not str:
            raise Unavailable("what the run says of how it is made cannot be read")
        if target.startswith(_IMPORTED):
            raise Unavailable("another tool made it", NOT_REPEATABLE)
        if not self._imports and not target.startswith(_BUILTIN):
            raise Unavailable("its code is looked at with --reexecute only")
        directory = self._provenance.get("directory")
        try:
            component = remade(
                self._view, recipe, directory if type(directory) is str else None, trust_code=self._trust_code
            )
        except ThemisError as error:
            raise Unavailable(error.message + (f" ({error.hint})" if error.hint else "")) from error
        except (Exception, SystemExit) as error:  # a module may do anything when it is imported
            raise Unavailable(_said(error)) from error
        self._made_here.append(component)
        if not target.startswith(_BUILTIN):
            module = sys.modules.get(target.partition(":")[0])
            self._imported[target] = str(getattr(module, "__file__", None) or "no file")
        return component


async def _closed(closing: Callable[[], Any]) -> None:
    await settled(closing())


def _said(error: BaseException) -> str:
    return _harmless(f"{type(error).__name__}: {error}")


def _harmless(text: str) -> str:
    """Text that can be encoded, of bounded length and without secrets."""
    return redact(text.encode("utf-8", "replace").decode()[:1_000])


def _shown(value: Any, beside: Any = None) -> str:
    """A leaf in some characters; of long texts the part where they begin to differ."""
    text = f"{value!r}"
    if isinstance(value, str) and isinstance(beside, str):
        at = next((n for n, (a, b) in enumerate(zip(value, beside, strict=False)) if a != b), 0)
        if at > _WIDTH // 2:
            text = f"…{value[at - 20 :]!r}"
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
