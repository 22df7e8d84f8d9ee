"""Which steps of a track are needed: the comparison of what is wanted with what is on record. Nothing is executed here.

The cost follows the change: an equal track is found by one key, a changed input by the difference of two trees,
and only without a track to start from are all cases looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from themis_vcs.model import tree
from themis_vcs.model.derivation import derivation_key, track_key
from themis_vcs.model.objects import ComponentRef, Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline.workspace import Workspace

CASES, DATASETS = "cases", "datasets"


@dataclass(frozen=True, slots=True)
class Work:
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
    call: Callable[[Work, tuple[tuple[Any, ...], ...]], Any]
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
    """What is kept of `base`, what is dropped from it, and the steps to look at; `complete` if there are none.

    Steps of the cases that `force` covers are executed although they are on record; only the steps of the cases that
    `only` covers are executed at all.
    """

    spec: TrackSpec
    roots: dict[str, Oid]
    base: Track | None
    complete: bool = False
    dropped: list[str] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    force: Filter | None = None
    only: Filter | None = None


def stored_track(workspace: Workspace, key: bytes | None) -> Track | None:
    """The track that is on record under a key."""
    found = workspace.repository.track(key) if key is not None else None
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
    exact, *newest = spec.keys(roots) or [None]
    base = stored_track(workspace, exact) if force is None else None
    if base is not None and (base.failures == tree.EMPTY[0] or not retry_failed):
        return TrackPlan(spec, roots, base, complete=True)
    if base is None and newest and force is not everything:
        base = stored_track(workspace, newest[0])
    plan = TrackPlan(spec, roots, base, force=force, only=only)
    changed = None if base is None else _changed_cases(workspace, base, roots, retry_failed, force)
    for case, inputs in _cases(workspace, spec, roots, changed):
        if inputs:
            plan.work.extend(_work(spec, case, inputs))
        else:
            plan.dropped.extend(_keys(spec, case))
    return plan


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


def _cases(
    workspace: Workspace, spec: TrackSpec, roots: dict[str, Oid], changed: set[str] | None
) -> Iterator[tuple[str, tuple[tuple[Oid, ...], ...] | None]]:
    """The cases to look at with their inputs: None where one is missing upstream or the case is gone."""
    if changed is None:
        wanted: Iterable[str] = [key for key, _ in workspace.scan(roots[CASES])]
    else:
        wanted = sorted(changed)
    whole = changed is None or len(changed) * 8 > tree.size(roots[CASES], workspace.node)
    read = {
        name: _reader(workspace, spec, name, roots[name], whole)
        for name in dict.fromkeys((CASES, *spec.inputs))
    }
    for case in wanted:
        groups = tuple(read[name](case) for name in spec.inputs)
        widths = (spec.widths.get(name, 1) for name in spec.inputs)
        complete = all(len(group) == width for group, width in zip(groups, widths, strict=True))
        yield case, groups if complete and read[CASES](case) else None


def _reader(
    workspace: Workspace, spec: TrackSpec, name: str, root: Oid, whole: bool
) -> Callable[[str], tuple[Oid, ...]]:
    width = spec.widths.get(name)
    if name == DATASETS:
        infos = dict(workspace.scan(root))
        return lambda case: (infos[case.split("/", 1)[0]],)
    if whole:
        table: dict[str, tuple[Oid, ...]] = {}
        for key, oid in workspace.scan(root):
            case = key if width is None else case_of(key)
            table[case] = (*table.get(case, ()), oid)
        return lambda case: table.get(case, ())
    if width is None:
        return lambda case: _present(workspace.find(root, case))
    return lambda case: _present(*(workspace.find(root, f"{case}/{index}") for index in range(width)))


def _present(*oids: Oid | None) -> tuple[Oid, ...]:
    return tuple(oid for oid in oids if oid is not None)


def _work(spec: TrackSpec, case: str, inputs: tuple[tuple[Oid, ...], ...]) -> Iterator[Work]:
    if spec.view is not None:
        view = spec.view
        inputs = tuple(
            tuple(map(view, group)) if name == CASES else group
            for name, group in zip(spec.inputs, inputs, strict=True)
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


def case_of(key: str) -> str:
    """The case that a step's key belongs to: the key without the index of a sample or a draw."""
    return key if key.count("/") == 1 else key.rpartition("/")[0]
