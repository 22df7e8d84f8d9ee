"""From a revision as a person types it to the object that it means.

The grammar is in `model.revision`. A name is looked for as a full ref, in `names/`, in `tags/`, in `remotes/`, as the
beginning of a run id, and as the beginning of an object id, in this order.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from themis_vcs.errors import Corrupt, NotFound, ObjectNotFound, RevisionNotFound, UsageError
from themis_vcs.model import tree
from themis_vcs.model.objects import Object, Run, Stage, Tag, Track, TreeNode, Value
from themis_vcs.model.oid import Oid, is_prefix
from themis_vcs.model.revision import Revision, parse
from themis_vcs.store.tombstones import called, story, told
from themis_vcs.store.view import View

NAMES: Final = "names/"
TAGS: Final = "tags/"
REMOTES: Final = "remotes/"
RUNS: Final = "runs/"
_HEAD: Final = "/head"
_SHORT: Final = 12


@dataclass(frozen=True)
class Held:
    """What a stage holds under a key: the step of one of its tracks, and its value unless it failed."""

    track: Track
    key: str
    value: Oid | None
    step: Oid | None


def resolve(view: View, text: str, *, peel: bool = True) -> Oid:
    """Return the object that a revision means; with `peel`, a tag means what it was given to.

    `REV:STAGE` is a stage object, `REV:STAGE/KEY` the one value that the stage holds there. RevisionNotFound says what
    is near, or what fits equally well; UsageError for a text that is no revision.
    """
    revision = parse(text)
    if revision.case is not None:
        return _only(held(view, text), text)
    if revision.stage is not None:
        return stage_of(view, revision)
    return _object(view, revision, peel=peel)


def resolve_run(view: View, text: str) -> tuple[Oid, Run]:
    """Return the run that a revision names, and its oid. NotFound if it names something else."""
    oid = resolve(view, text)
    return oid, _run(view, oid, text)


def held(view: View, text: str) -> list[Held]:
    """Return what `REV:STAGE/KEY` holds: the entries whose key is KEY or lies under it, track by track."""
    revision = parse(text)
    if revision.stage is None or revision.case is None:
        raise UsageError(f"{text!r} does not name a case", hint="write REV:STAGE/DATASET/CASE")
    stage = view.load(stage_of(view, revision), Stage)
    load = partial(view.load, kind=TreeNode)
    found = [each for track in stage.tracks for each in _held_by(track, revision.case, load)]
    if not found:
        raise RevisionNotFound(
            f"{text}: the stage holds nothing under {revision.case!r}",
            hint="`themis ls REV:STAGE` lists the cases; a case is DATASET/CASE",
        )
    return found


def stage_of(view: View, revision: Revision) -> Oid:
    """Return the stage object of a run by the stage's name."""
    run = _run(view, _object(view, revision, peel=True), str(revision))
    stages = {view.load(oid, Stage).name: oid for oid in run.stages}
    oid = stages.get(revision.stage or "")
    if oid is None:
        known = ", ".join(stages) or "none yet"
        raise RevisionNotFound(f"{revision}: the run has no stage {revision.stage!r}", hint=f"it has: {known}")
    return oid


def ref_of(view: View, base: str) -> str | None:
    """Return the full name of the ref that a base means, None if it is not a ref."""
    for name in (base, NAMES + base, TAGS + base, REMOTES + base):
        if "/" in name and view.ref(name) is not None:
            return name
    heads = _heads(view, base) if is_prefix(base) else []
    if len(heads) > 1:
        listed = "\n  ".join(name.removeprefix(RUNS).removesuffix(_HEAD)[: len(base) + 8] for name in heads[:8])
        raise RevisionNotFound(f"{base} is ambiguous among runs:\n  {listed}", hint="give more digits")
    return heads[0] if heads else None


def _heads(view: View, prefix: str) -> list[str]:
    return [name for name, _ in view.refs(RUNS + prefix) if name.endswith(_HEAD)]


def _object(view: View, revision: Revision, *, peel: bool) -> Oid:
    oid = _base(view, revision)
    if revision.ancestors or peel:
        oid = _peeled(view, oid)
    for step in range(revision.ancestors):
        run = _run(view, oid, revision.base)
        if not run.parents:
            raise RevisionNotFound(f"{revision}: {revision.base} has {_only_so_many(step, 'run')} before it")
        oid = run.parents[0]
    if revision.ancestors or revision.reflog:
        _there(view, oid, str(revision))
    return oid


def _base(view: View, revision: Revision) -> Oid:
    name = ref_of(view, revision.base)
    if name is not None:
        return _moved_back(view, name, revision)
    if revision.reflog is not None:
        raise _unknown(view, revision.base, "no ref of that name, and only refs have a reflog")
    if is_prefix(revision.base):
        try:
            return view.resolve_prefix(revision.base)
        except RevisionNotFound as error:
            if "ambiguous" in error.message:
                raise
        for run, stone in called(view, revision.base).items():
            raise _gone(revision.base, run, told(view.load(stone, Value)))
    raise _unknown(view, revision.base, "no name, tag, run or object like that")


def _moved_back(view: View, name: str, revision: Revision) -> Oid:
    current = view.ref(name)
    oid = current
    if revision.reflog:
        log = view.reflog(name)
        if revision.reflog > len(log):
            raise RevisionNotFound(f"{revision}: {name} has made {_only_so_many(len(log), 'move')}")
        oid = log[revision.reflog - 1].old
    if oid is None:
        raise RevisionNotFound(f"{revision}: {name} did not exist then")
    if revision.reflog and not view.has(oid) and oid not in view.forgotten():
        raise ObjectNotFound(oid, hint="a reflog does not keep what it names from `themis gc`")
    return oid


def _only_so_many(amount: int, noun: str) -> str:
    return f"no {noun}" if not amount else f"only {amount} {noun}{'s' if amount > 1 else ''}"


def _peeled(view: View, oid: Oid) -> Oid:
    obj: Object = _there(view, oid, oid.hex()[:_SHORT])
    while isinstance(obj, Tag):
        oid = obj.target
        obj = view.get(oid)
    return oid


def _run(view: View, oid: Oid, text: str) -> Run:
    obj = _there(view, oid, text)
    if not isinstance(obj, Run):
        raise NotFound(f"{text} is a {type(obj).__name__.lower()}, not a run", hint="`themis show` shows any object")
    return obj


def _there(view: View, oid: Oid, text: str) -> Object:
    """Return an object that a ref or an object names; RevisionNotFound, with why, if it is a run that was forgotten.

    Corrupt if it is absent for no such reason.
    """
    try:
        return view.get(oid)
    except ObjectNotFound as error:
        why = story(view, oid)
        if why is None:
            what = f"{text}: object {oid.hex()} is missing, and something refers to it"
            raise Corrupt(what, oid=oid) from error
    raise _gone(text, oid, why)


def _gone(text: str, run: Oid, why: str) -> RevisionNotFound:
    hint = "`themis forget --list` lists what was forgotten"
    return RevisionNotFound(f"{text}: run {run.hex()[:_SHORT]} was forgotten {why}", hint=hint)


def _held_by(track: Track, key: str, load: tree.Load) -> Iterator[Held]:
    for found, value in _under(track.values, key, load):
        yield Held(track, found, value, tree.get(track.steps, found, load))
    for found, step in _under(track.failures, key, load):
        yield Held(track, found, None, step)


def _under(root: Oid, key: str, load: tree.Load) -> Iterator[tuple[str, Oid]]:
    return (each for each in tree.scan(root, load, key) if each[0] == key or each[0].startswith(key + "/"))


def _only(found: list[Held], text: str) -> Oid:
    if len(found) > 1:
        listed = "\n  ".join(f"{each.key} ({each.track.id})" for each in found[:8])
        raise RevisionNotFound(f"{text} holds {len(found)} values:\n  {listed}", hint="name one of them")
    oid = found[0].value or found[0].step
    if oid is None:
        raise RevisionNotFound(f"{text} holds nothing")
    return oid


def _unknown(view: View, base: str, what: str) -> RevisionNotFound:
    names = [name.removeprefix(prefix) for prefix in (NAMES, TAGS, REMOTES) for name, _ in view.refs(prefix)]
    near = difflib.get_close_matches(base, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`themis ls` lists the names"
    return RevisionNotFound(f"{base!r}: {what}", hint=hint)
