"""Why a step would be executed: the comparison of what is wanted with the step on record, key field by key field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from themis_vcs.analysis.differences import Difference, differences
from themis_vcs.analysis.excerpt import excerpt
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.receipt import grouped
from themis_vcs.model.objects import ComponentRef, Run, Snapshot, Stage, Step, Track, load
from themis_vcs.model.oid import Oid

_CHUNK = 512
_SHOWN = 5
_ABSENT = "absent"
_LOOKED_BACK = 100


class Reason(msgspec.Struct, frozen=True):
    """One field of a derivation key that is not as it was, or another cause. `old` and `new` are in short.

    `kind` is one of "new case", "new sample", "new component", "not run before", "failed before", "input changed",
    "code changed", "options changed", "params changed", "seed changed", "not deterministic", "forced".
    """

    kind: str
    field: str = ""
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A step that would be executed, with all that goes into its key. `options` are those of each component by id."""

    key: str
    case: str
    component: ComponentRef
    fingerprint: bytes
    params: Oid
    inputs: Sequence[tuple[str, Sequence[Oid]]]
    seed: int | None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What a line of runs has of one track, and the cases it was made for.

    `track` is None where the stage has no such track, and `reached` false where no run came to the stage. `options` are
    those of the stage's components by id.
    """

    track: Track | None
    cases: Oid
    options: dict[str, Any]
    reached: bool = True


def record_of(reader: Reader, run: Run, stage: str, track: str) -> Record:
    """What a stored run has of a track; for one that was stopped before the stage, what the nearest before it has."""
    repository = reader.repository
    snapshot = repository.load(run.snapshot, Snapshot)
    for _ in range(_LOOKED_BACK):
        held = next((found for oid in run.stages if (found := repository.load(oid, Stage)).name == stage), None)
        if held is not None:
            snapshot = repository.load(run.snapshot, Snapshot)
            recipes = snapshot.provenance.get("components", {}).get(stage, [])
            options = {recipe["id"]: recipe.get("config", {}) for recipe in recipes}
            known = next((each for each in held.tracks if each.id == track), None)
            return Record(known, snapshot.identity.cases, options)
        if not run.parents or repository.missing(run.parents[:1]):
            break
        run = repository.load(run.parents[0], Run)
    return Record(None, snapshot.identity.cases, {}, reached=False)


def reasons(reader: Reader, record: Record | None, wanted: Sequence[Wanted]) -> list[list[Reason]]:
    """For every wanted step why it would be executed, compared with `record`; None if nothing is on record."""
    if record is None:
        return [[Reason("new case")] for _ in wanted]
    track = record.track
    if track is None and record.reached:
        return [[Reason("new component", each.component.id)] for each in wanted]
    if track is None:
        return [[Reason("not run before", each.key)] for each in wanted]
    found: list[list[Reason]] = []
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        for each, step in zip(chunk, _on_record(reader, track, chunk), strict=True):
            found.append(list(_compare(reader, record, track, each, step)))
    return found


def _on_record(reader: Reader, track: Track, wanted: Sequence[Wanted]) -> list[Step | None]:
    oids = [reader.find(track.steps, each.key) or reader.find(track.failures, each.key) for each in wanted]
    known = dict.fromkeys(oid for oid in oids if oid is not None)
    steps = {oid: load(payload, Step) for oid, payload in reader.repository.read_many(known)}
    return [None if oid is None else steps[oid] for oid in oids]


def _compare(reader: Reader, record: Record, track: Track, wanted: Wanted, step: Step | None) -> Iterator[Reason]:
    if step is None:
        yield _absent(reader, record, track, wanted)
        return
    if step.error is not None:
        yield Reason("failed before", step.error.category, old=f"{step.error.type}: {step.error.message}"[:200])
    changed = [
        *_code(record, track, wanted, step),
        *_params(reader, wanted, step),
        *_inputs(reader, track, wanted, step),
    ]
    if step.seed != wanted.seed:
        changed.append(Reason("seed changed", "seed", _text(step.seed), _text(wanted.seed)))
    yield from changed
    if not changed and step.error is None:
        yield from _asked_again(wanted.component)


def _asked_again(ref: ComponentRef) -> Iterator[Reason]:
    """Why a step is executed of whose key nothing has changed."""
    if ref.deterministic:
        yield Reason("forced")
        return
    drawn = [each.id for each in ref.also if not each.deterministic] or [ref.id]
    yield from (Reason("not deterministic", name) for name in drawn)


def _absent(reader: Reader, record: Record, track: Track, wanted: Wanted) -> Reason:
    if reader.find(record.cases, wanted.case) is None:
        return Reason("new case", wanted.case)
    index = wanted.key.removeprefix(wanted.case).lstrip("/")
    if index and int(index) >= track.fanout:
        return Reason("new sample", index, old=f"{track.fanout} on record")
    return Reason("not run before", wanted.key)


def _code(record: Record, track: Track, wanted: Wanted, step: Step) -> Iterator[Reason]:
    if step.fingerprint == wanted.fingerprint:
        return
    before, after = _members(track.component), _members(wanted.component)
    told = False
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None and old.fingerprint == new.fingerprint:
            continue
        told = True
        changes = differences(record.options.get(name, {}), wanted.options.get(name, {})) if old and new else []
        for change in changes[:_SHOWN]:
            yield _reason("options changed", f"{name}.{change.path}", change)
        if not changes:
            yield Reason("code changed", name, _label(old, new), _label(new, old))
    if not told:
        old_hex, new_hex = step.fingerprint.hex()[:12], wanted.fingerprint.hex()[:12]
        yield Reason("code changed", f"{wanted.component.id} for this case", f"#{old_hex}", f"#{new_hex}")


def _params(reader: Reader, wanted: Wanted, step: Step) -> Iterator[Reason]:
    if step.params != wanted.params:
        for change in differences(reader.value(step.params), reader.value(wanted.params))[:_SHOWN]:
            yield _reason("params changed", change.path, change)


def _inputs(reader: Reader, track: Track, wanted: Wanted, step: Step) -> Iterator[Reason]:
    before = dict(grouped([name for name, _ in track.inputs], step.inputs))
    for name, new in wanted.inputs:
        old = before.get(name, [])
        if len(old) != len(new):
            yield Reason("input changed", name, f"{len(old)} values", f"{len(new)} values")
            continue
        for one, other in zip(old, new, strict=True):
            if one != other:
                yield from _input(reader, name, one, other)


def _input(reader: Reader, name: str, old: Oid, new: Oid) -> Iterator[Reason]:
    before, after = (msgspec.to_builtins(reader.value(oid), builtin_types=(bytes,)) for oid in (old, new))
    for change in differences(before, after)[:_SHOWN]:
        yield _reason("input changed", f"{name}.{change.path}" if change.path else name, change)


def _reason(kind: str, path: str, change: Difference) -> Reason:
    old = _ABSENT if change.kind == "added" else excerpt(change.old)
    new = _ABSENT if change.kind == "removed" else excerpt(change.new)
    return Reason(kind, path, old, new)


def _members(ref: ComponentRef) -> dict[str, ComponentRef]:
    return {each.id: each for each in (ref, *ref.also)}


def _label(ref: ComponentRef | None, other: ComponentRef | None) -> str:
    """The beginning of a component's fingerprint, with its version where that differs from the other one's."""
    if ref is None:
        return _ABSENT
    version = "" if other is None or other.version == ref.version else f"{ref.version} "
    return f"{version}#{ref.fingerprint.hex()[:12]}"


def _text(seed: int | None) -> str:
    return "none" if seed is None else str(seed)
