"""Which steps of a track are needed: the comparison of what is wanted with what is on record. Nothing is executed here.

The cost follows the change: an equal track is found by one key, a changed input by the difference of two trees,
and only without a track to start from are all cases looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from themis_vcs.model import tree
from themis_vcs.model.derivation import derivation_key, track_key
from themis_vcs.model.objects import ComponentRef, Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import case_of
from themis_vcs.pipeline.inputs import CASES, DATASETS, Groups, inputs_of
from themis_vcs.pipeline.workspace import Workspace


class Work(msgspec.Struct, frozen=True):
    """One step that may have to be executed. `inputs` has the oids of every input of the track, in its order."""

    key: str
    case: str
    index: int
    seed: int | None
    fingerprint: bytes
    inputs: tuple[tuple[Oid, ...], ...]
    derivation: bytes

    @property
    def oids(self) -> list[Oid]:
        """The inputs as the receipt lists them."""
        return [oid for group in self.inputs for oid in group]


@dataclass(frozen=True, kw_only=True)
class TrackSpec:
    """A component of a stage, bound to what it reads.

    `inputs` are names of trees: "cases", "datasets" or an earlier stage. `fanout` is the number of steps per case.
    `call` receives the values of the inputs in groups and returns what the component returned. `view` maps the oid of
    a case to the oid of what the component may see of it. `per_step`, where a component has it, gives the fingerprint
    of one step; `whole` then covers all of them, and is None if the track cannot be recognised as a whole.
    """

    stage: str
    id: str
    ref: ComponentRef
    fingerprint: bytes
    whole: bytes | None
    params: Oid
    seeds: tuple[int, ...]
    fanout: int
    inputs: tuple[str, ...]
    widths: dict[str, int]
    seed: Callable[[str, int], int | None]
    call: Callable[[Work, tuple[tuple[Any, ...], ...], list[dict[str, Any]]], Any]
    in_thread: bool
    view: Callable[[Oid], Oid] | None = None
    per_step: Callable[[str, int, Oid], bytes] | None = None
    indexed: bool = False
    providers: tuple[str, ...] = ()

    def keys(self, roots: dict[str, Oid]) -> list[bytes]:
        """The name of this track over these inputs, and of this track over whatever inputs; none if it has no name."""
        if self.whole is None:
            return []
        over = [(name, roots[name]) for name in self.inputs]
        return [
            track_key(self.stage, self.id, self.whole, self.params, self.fanout, self.seeds, inputs)
            for inputs in (over, [])
        ]


Filter = Callable[[str], bool]
"""Says of a case key whether a case is meant."""


@dataclass
class TrackPlan:
    """What a track is brought up to date from: `base`, and the cases to look at; `complete` if there are none.

    `items` has, in the order of their keys, the steps to look at, about `expected` of them, and as text the keys of
    those that cannot be: their case is gone, or an input of it is missing. Steps of the cases that `force` covers are
    executed although they are on record; only the steps of the cases that `only` covers are executed at all.
    """

    spec: TrackSpec
    roots: dict[str, Oid]
    base: Track | None
    complete: bool = False
    expected: int = 0
    items: Iterator[Work | str] = field(default_factory=lambda: iter(()))
    force: Filter | None = None
    only: Filter | None = None


def stored_track(workspace: Workspace, key: bytes) -> Track | None:
    """The track that is on record under a key."""
    found = workspace.repository.track(key)
    if found is None:
        return None
    tracks = workspace.repository.load(found[:32], Stage).tracks
    return next((track for track in tracks if track.id.encode() == found[32:]), None)


def everything(case: str) -> bool:
    """The filter that covers every case."""
    return bool(case)


def plan_track(
    workspace: Workspace,
    spec: TrackSpec,
    roots: dict[str, Oid],
    *,
    force: Filter | None = None,
    only: Filter | None = None,
    retry_failed: bool = True,
) -> TrackPlan:
    """Compare a track with what is on record."""
    keys = spec.keys(roots)
    base = stored_track(workspace, keys[0]) if keys and force is None else None
    if base is not None and (base.failures == tree.EMPTY[0] or not retry_failed):
        return TrackPlan(spec, roots, base, complete=True)
    if base is None and keys and force is not everything:
        base = stored_track(workspace, keys[1])
    changed = None if base is None else _changed_cases(workspace, base, roots, retry_failed, force)
    cases = workspace.size(roots[CASES]) if changed is None else len(changed)
    return TrackPlan(
        spec,
        roots,
        base,
        expected=cases * spec.fanout,
        items=_items(spec, inputs_of(workspace, roots, spec.inputs, spec.widths, changed)),
        force=force,
        only=only,
    )


def _items(spec: TrackSpec, cases: Iterable[tuple[str, Groups | None]]) -> Iterator[Work | str]:
    for case, inputs in cases:
        yield from _work(spec, case, inputs) if inputs is not None else _keys(spec, case)


def _changed_cases(
    workspace: Workspace, base: Track, roots: dict[str, Oid], retry_failed: bool, force: Filter | None
) -> set[str]:
    before = dict(base.inputs)
    changed: set[str] = set()
    for name in before:
        root = roots[name]
        keys = [change.key for change in workspace.diff(before.get(name, tree.EMPTY[0]), root)]
        if name == DATASETS:
            changed.update(key for dataset in keys for key, _ in workspace.scan(roots[CASES], dataset + "/"))
        else:
            changed.update(map(case_of, keys))
    if retry_failed:
        changed.update(case_of(key) for key, _ in workspace.scan(base.failures))
    if force is not None:
        changed.update(key for key, _ in workspace.scan(roots[CASES]) if force(key))
    return changed


def _work(spec: TrackSpec, case: str, inputs: Groups) -> Iterator[Work]:
    if spec.view is not None:
        view = spec.view
        inputs = tuple(
            tuple(map(view, group)) if name == CASES else group for name, group in zip(spec.inputs, inputs, strict=True)
        )
    flat = [oid for group in inputs for oid in group]
    for index in range(spec.fanout):
        key = f"{case}/{index}" if spec.indexed else case
        seed = spec.seed(case, index)
        fingerprint = spec.per_step(case, index, inputs[0][0]) if spec.per_step else spec.fingerprint
        derivation = derivation_key(spec.stage, fingerprint, spec.params, flat, key, seed)
        yield Work(key, case, index, seed, fingerprint, inputs, derivation)


def _keys(spec: TrackSpec, case: str) -> list[str]:
    return [f"{case}/{index}" for index in range(spec.fanout)] if spec.indexed else [case]
