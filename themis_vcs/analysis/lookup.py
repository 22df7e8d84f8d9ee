"""From what a person types to the run, the stage and the case that it means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from themis_vcs.analysis.reading import Reader
from themis_vcs.errors import NotFound, UsageError
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Run, Snapshot, Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.model.revision import Revision, parse
from themis_vcs.model.tree.casekey import quote
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run

_LOOKED_AT = 5_000
_SHOWN = 10
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Located:
    """A run with its oid and snapshot, and the `stage` and `case` of it that were asked for, as they were typed."""

    oid: Oid
    run: Run
    snapshot: Snapshot
    stage: str | None = None
    case: str | None = None


def locate(repository: Repository, text: str) -> Located:
    """The run that a revision names, and the part of it. NotFound if it names something else than a run."""
    revision = parse(text)
    oid, run = resolve_run(repository, str(Revision(revision.base, revision.reflog, revision.ancestors)))
    return Located(oid, run, repository.load(run.snapshot, Snapshot), revision.stage, revision.case)


def locate_run(repository: Repository, text: str) -> Located:
    """As `locate`, where a run as a whole is meant. UsageError if a part of one is named."""
    found = locate(repository, text)
    if found.stage is not None:
        whole = text.partition(":")[0]
        raise UsageError(f"{text[:200]} is a part of a run, and a whole one is meant", hint=f"write {whole[:200]}")
    return found


def stages_of(repository: Repository, run: Run) -> dict[str, Stage]:
    """The stages of a run by name, in order."""
    stages = (repository.load(oid, Stage) for oid in run.stages)
    return {stage.name: stage for stage in stages}


def stage_of(repository: Repository, run: Run, name: str) -> Stage:
    """One stage of a run. UsageError if there is no stage of that name, NotFound if the run did not get there."""
    stages = stages_of(repository, run)
    if name in stages:
        return stages[name]
    if name not in STAGES:
        near = difflib.get_close_matches(name, STAGES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the stages are {', '.join(STAGES)}"
        raise UsageError(f"unknown stage {name!r}", hint=hint)
    raise NotFound(
        f"run {run.run_id.hex()[:12]} has no {name} stage",
        hint=f"it has: {', '.join(stages) or 'none'}; `themis resume` finishes it",
    )


def tracks_of(stage: Stage, wanted: str | None = None) -> list[Track]:
    """The tracks of a stage, or the one of this component id. NotFound names those that there are."""
    found = [track for track in stage.tracks if wanted is None or track.id == wanted]
    if wanted is not None and not found:
        known = ", ".join(track.id for track in stage.tracks) or "none"
        raise NotFound(f"no component {wanted} in the {stage.name} stage", hint=f"there are: {known}")
    return found


def find_case(reader: Reader, identity: Identity, text: str) -> tuple[str, int | None]:
    """The key of a case of a run, and the index of a sample or draw if `text` ends in one.

    `text` is a key as listings print it, DATASET/CASE with the ids as they are, or a case id that only one dataset has.
    """
    head, _, tail = text.rpartition("/")
    spelled = [(text, None)] if not head or not _INDEX.fullmatch(tail) else [(text, None), (head, int(tail))]
    for name, index in spelled:
        found = [key for key in _spellings(reader, identity, name) if reader.find(identity.cases, key) is not None]
        if len(found) > 1:
            raise UsageError(f"case {name!r} is in several datasets", hint=f"say which: {', '.join(found)}")
        if found:
            return found[0], index
    raise NotFound(f"no case {text[:200]!r} in this run", hint=_nearest(reader, identity.cases, text))


def find_part(reader: Reader, identity: Identity, text: str) -> tuple[str, bool]:
    """What part of a run's cases a text names: the beginning of their keys, and whether it is the key of a single one.

    It is a dataset, or a case as `find_case` takes it; "" names all. NotFound names the datasets that there are.
    """
    datasets = datasets_of(reader, identity)
    if not text or text in datasets:
        return (f"{text}/" if text else ""), False
    try:
        return find_case(reader, identity, text)[0], True
    except NotFound as error:
        first, slash, _ = text.partition("/")
        near = difflib.get_close_matches(first, datasets, n=1)
        if quote(first) in datasets or (not near and "did you mean" in str(error.hint)):
            raise
        meant = f"did you mean {near[0]}? " if near else ""
        what = "dataset" if slash or near else "dataset or case"
        known = ", ".join(datasets[:_SHOWN]) + (", …" if len(datasets) > _SHOWN else "")
        raise NotFound(f"no {what} {first[:200]!r} in this run", hint=f"{meant}the datasets are: {known}") from error


def datasets_of(reader: Reader, identity: Identity) -> list[str]:
    """The quoted ids of the datasets of a run, in order."""
    return [key for key, _ in reader.scan(identity.datasets)]


def _spellings(reader: Reader, identity: Identity, text: str) -> Iterable[str]:
    """The keys that a text may stand for: itself, if it is one, or else the id of a case in any dataset."""
    if reader.find(identity.cases, text) is not None:
        return [text]
    first, slash, rest = text.partition("/")
    datasets = datasets_of(reader, identity)
    whole = [f"{dataset}/{quote(text)}" for dataset in datasets]
    return dict.fromkeys([*whole, *([f"{quote(first)}/{quote(rest)}"] if slash else [])])


def _nearest(reader: Reader, cases: Oid, text: str) -> str:
    keys = [key for key, _ in islice(reader.scan(cases), _LOOKED_AT)]
    near = difflib.get_close_matches(text, keys, n=2, cutoff=0.7)
    near = near or difflib.get_close_matches(text, [key.partition("/")[2] for key in keys], n=2, cutoff=0.7)
    return f"did you mean {' or '.join(near)}?" if near else "`themis ls REV:generate/DATASET` lists the cases"
