"""What makes two runs the same: the identity, stage by stage, and the id that is its hash."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from blake3 import blake3

from themis_vcs.errors import Corrupt
from themis_vcs.evaluation.component import describe, is_workflow
from themis_vcs.evaluation.prompt import PromptSpec
from themis_vcs.model.codec import pack
from themis_vcs.model.objects import ComponentRef, Identity, Snapshot
from themis_vcs.model.oid import oid_of
from themis_vcs.pipeline.tracks import Components, Settings

IMPORTED: Final = "imported/"
"""How the target of a component begins that was another tool's: it was played back and cannot be made again."""

_CONTEXT = "themis_vcs 2026-11-23 run id v1"


class RunSnapshot(msgspec.Struct, frozen=True):
    """A compiled experiment: `run_id` in hex, the identity that it is the hash of, and the surroundings."""

    run_id: str
    identity: Identity
    provenance: dict[str, Any]

    @property
    def stored(self) -> Snapshot:
        """The object that a store keeps."""
        return Snapshot(self.identity, self.provenance)


def run_id_of(identity: Identity) -> bytes:
    """BLAKE3 of the identity's canonical bytes, under a context of its own."""
    return blake3(pack(identity), derive_key_context=_CONTEXT).digest()


def stage_identity(stage: str, components: Components, settings: Settings) -> dict[str, Any]:
    """What a stage's results depend on beside the results before it."""
    metrics = [metric for metric in components.metrics if is_workflow(metric) == (stage == "judge")]
    if stage == "generate":
        return {
            "generator": _ref(components.generator, "generator"),
            "samples": settings.samples,
            "policy": settings.policy,
            "prompt_spec": _plain(settings.prompt_spec),
            "seeds": list(settings.seeds),
        }
    if stage == "reduce":
        return {
            "selector": _ref(components.selector, "selector"),
            "reducer": _ref(components.reducer, "reducer"),
            "seed": settings.seed,
        }
    if stage == "parse":
        return {"parser": _ref(components.parser, "parser")}
    if stage == "score" or not metrics:
        return {"metrics": [_ref(metric, "metric") for metric in metrics]}
    return {
        "metrics": [_ref(metric, "metric") for metric in metrics],
        "judge_models": [_ref(model, "judge_model") for model in components.judge_models],
        "judge_config": settings.judge_config,
        "prompt_spec": _plain(settings.judge_prompt_spec),
        "workflow_overrides": settings.workflow_overrides,
        "repeats": settings.repeats,
        "seed": settings.seed,
    }


def rebuild_instructions(components: Components) -> dict[str, list[dict[str, Any]]]:
    """By stage, how each component can be made again; kept with the provenance, since it does not change results."""
    roles = {
        "generate": [("generator", components.generator)],
        "reduce": [("selector", components.selector), ("reducer", components.reducer)],
        "parse": [("parser", components.parser)],
        "score": [("metric", metric) for metric in components.metrics if not is_workflow(metric)],
        "judge": [("metric", metric) for metric in components.metrics if is_workflow(metric)]
        + [("judge_model", model) for model in components.judge_models],
    }
    return {
        stage: [_instructions(component, role) for role, component in members if component is not None]
        for stage, members in roles.items()
    }


def merged_recipes(
    stored: Mapping[str, Any], components: Components, stages: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """How the components of every stage can be made again: of `stages` these, of the others those of a stored run."""
    made = rebuild_instructions(components)
    return {**stored.get("components", {}), **{stage: made[stage] for stage in stages}}


def recipe_name(recipe: Mapping[str, Any], directory: str | None) -> str:
    """The name of the local fact that a person of this store has named a component, in that state and place.

    It is about a recipe and not about a run: a run that is made here of another one has recipes of that one too.
    """
    return f"recipe:{oid_of(pack([directory, dict(recipe)])).hex()}"


def imported_from(stored: Mapping[str, Any], stage: str) -> list[dict[str, Any]]:
    """The recipes of a stage that are another tool's, out of the provenance of a run."""
    recipes = stored.get("components", {}).get(stage, [])
    return [recipe for recipe in recipes if recipe["target"].startswith(IMPORTED)]


def kept_recipes(
    provenance: Mapping[str, Any], stored: Mapping[str, Any], carried: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    """The surroundings of a replay, with what the run before says of the imported tracks that were carried over.

    `carried` has their ids by stage.
    """
    components = dict(provenance["components"])
    for stage, ids in carried.items():
        kept = [recipe for recipe in imported_from(stored, stage) if recipe["id"] in ids]
        components[stage] = [*components.get(stage, []), *kept]
    imported = {"imported": stored["imported"]} if "imported" in stored else {}
    return {**provenance, **imported, "components": components}


def stored_settings(identity: Identity) -> Settings:
    """The settings of a stored run."""
    generate, judge = identity.stages["generate"], identity.stages["judge"]
    seeds = tuple(generate["seeds"])
    return Settings(
        samples=generate["samples"],
        policy=generate["policy"],
        prompt_spec=_prompt(generate["prompt_spec"]),
        judge_prompt_spec=_prompt(judge.get("prompt_spec")),
        judge_config=judge.get("judge_config", {}),
        workflow_overrides=judge.get("workflow_overrides", {}),
        repeats=judge.get("repeats", 1),
        seeds=seeds,
    )


def _ref(component: Any, role: str) -> dict[str, Any] | None:
    if component is None:
        return None
    ref = describe(component, role)
    return {"id": ref.id, "version": ref.version, "fingerprint": ref.fingerprint}


def _instructions(component: Any, role: str) -> dict[str, Any]:
    ref: ComponentRef = describe(component, role)
    return {
        "role": role,
        "id": ref.id,
        "target": ref.target,
        "config": ref.config,
        "fingerprint": ref.fingerprint,
    }


def _plain(spec: PromptSpec | None) -> Any:
    return None if spec is None else msgspec.to_builtins(spec)


def _prompt(data: Any) -> PromptSpec | None:
    try:
        return None if data is None else msgspec.convert(data, PromptSpec)
    except msgspec.ValidationError as error:
        raise Corrupt(f"prompt_spec of a stored run: {error}") from error
