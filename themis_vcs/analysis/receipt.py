"""What a stored step was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from themis_vcs.analysis.changes import component_label
from themis_vcs.analysis.excerpt import excerpt
from themis_vcs.analysis.lookup import stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.steps import Place, case_steps, step_at
from themis_vcs.model.derivation import STAGES, key_of
from themis_vcs.model.objects import ComponentRef, Step, StepError
from themis_vcs.model.oid import Oid

GENERATE = "generate"


class InputView(msgspec.Struct, frozen=True):
    """One input of a step: the tree that it came from, its oid in hex, and its value in short."""

    name: str
    oid: str
    excerpt: str


class Use(msgspec.Struct, frozen=True):
    """A later step that took a value as its input."""

    stage: str
    track: str
    key: str
    step: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A step with everything that is in its derivation key, what came of it, and who used that. Oids are in hex."""

    stage: str
    track: str
    key: str
    step: str
    derivation: str
    component: str
    with_components: list[str]
    fingerprint: str
    params: Any
    params_oid: str
    inputs: list[InputView]
    seed: int | None
    value_oid: str | None
    excerpt: str | None
    error: StepError | None
    observations: dict[str, Any]
    origin: dict[str, Any]
    used_by: list[Use]


def receipt(reader: Reader, place: Place) -> Receipt | None:
    """The receipt of one step; None if it was never executed, since an input was missing."""
    track = place.track
    found = step_at(reader, track, place.key)
    if found is None:
        return None
    oid, step = found
    return Receipt(
        stage=place.stage,
        track=track.id,
        key=place.key,
        step=oid.hex(),
        derivation=key_of(step).hex(),
        component=label(track.component),
        with_components=[label(each) for each in track.component.also],
        fingerprint=step.fingerprint.hex(),
        params=reader.value(step.params),
        params_oid=step.params.hex(),
        inputs=[
            InputView(name, each.hex(), excerpt(reader.value(each)))
            for name, oids in grouped([name for name, _ in track.inputs], step.inputs)
            for each in oids
        ],
        seed=step.seed,
        value_oid=step.value.hex() if step.value is not None else None,
        excerpt=excerpt(reader.value(step.value)) if step.value is not None else None,
        error=step.error,
        observations=step.observations,
        origin=step.origin,
        used_by=list(_uses(reader, place, step)),
    )


def label(ref: ComponentRef) -> str:
    """A component in one line."""
    return component_label(ref.id, ref.version, ref.fingerprint)


def grouped(names: Sequence[str], oids: Sequence[Oid]) -> list[tuple[str, list[Oid]]]:
    """The inputs of a step by the tree that they came from: one of each, and of generate whatever is left."""
    samples = len(oids) - len(names) + 1
    groups, at = [], 0
    for name in names:
        width = samples if name == GENERATE else 1
        groups.append((name, list(oids[at : at + width])))
        at += width
    return groups


def _uses(reader: Reader, place: Place, step: Step) -> Iterator[Use]:
    if step.value is None:
        return
    later = STAGES[STAGES.index(place.stage) + 1 :]
    for name, held in stages_of(reader.repository, place.run).items():
        for track in held.tracks if name in later else []:
            if place.stage not in (source for source, _ in track.inputs):
                continue
            for view in case_steps(reader, name, track, place.case):
                if view.step is not None:
                    user = reader.repository.load(bytes.fromhex(view.step), Step)
                    if step.value in user.inputs:
                        yield Use(name, track.id, view.key, view.step)
