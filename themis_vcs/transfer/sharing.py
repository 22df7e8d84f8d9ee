"""Push, fetch and pull: which refs of two stores are to move, and whether they may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from themis_vcs.errors import NotFound, Rejected
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import TOMBSTONES, story
from themis_vcs.transfer.endpoint import NAMED, Endpoint, Progress, Source, Target, Transferred
from themis_vcs.transfer.history import Distance, Runs, comes_after, distance
from themis_vcs.transfer.inherited import inherited
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking, transfer

NAMES = "names/"
TAGS = "tags/"


class Change(NamedTuple):
    """What becomes of a ref: from `old` to `new` under the name `ref`, which is `source` where it comes from.

    `outcome` is "new", "updated", "forced", "deleted", "unchanged" or "rejected"; `reason` says why it was rejected.
    """

    ref: str
    source: str
    old: Oid | None
    new: Oid | None
    outcome: str
    reason: str = ""

    @property
    def moves(self) -> bool:
        """Whether the ref moves."""
        return self.outcome in ("new", "updated", "forced", "deleted")

    @property
    def update(self) -> RefUpdate:
        """The move."""
        return RefUpdate(self.ref, self.new, self.old)


class Shared(NamedTuple):
    """What a push, a fetch or a pull did."""

    changes: list[Change]
    brought: Transferred


class Insistence(NamedTuple):
    """How a push goes about runs that would be lost: `force` loses them, `lease` only those that were seen here.

    `lease` maps a ref to where it must be there; without an entry it must be where the last fetch saw it.
    """

    force: bool = False
    lease: Mapping[str, Oid | None] | None = None


def select(refs: Mapping[str, Oid], wanted: Sequence[str], where: str) -> dict[str, Oid]:
    """Return those names and tags that names, tags or patterns mean, without any all of them. NotFound if one means
    none.
    """
    refs = {ref: oid for ref, oid in refs.items() if ref.startswith(NAMED)}
    if not wanted:
        return refs
    found: dict[str, Oid] = {}
    for pattern in wanted:
        meant = {
            ref: oid
            for ref, oid in refs.items()
            if any(fnmatchcase(ref, prefix + pattern) for prefix in (NAMES, TAGS, ""))
        }
        if not meant:
            known = ", ".join(ref.removeprefix(NAMES) for ref in list(refs)[:8]) or "nothing"
            raise NotFound(f"{where} has no name or tag {pattern!r}", hint=f"it has {known}")
        found.update(meant)
    return found


def plan_push(
    repository: Repository,
    there: Mapping[str, Oid],
    wanted: Mapping[str, Oid],
    tracking: str,
    insistence: Insistence,
) -> list[Change]:
    """Return what becomes of refs there; `there` is where they are now, `tracking` where fetch puts its names."""
    return [_pushed(repository, ref, oid, there.get(ref), tracking, insistence) for ref, oid in wanted.items()]


def _pushed(
    repository: Repository, ref: str, new: Oid, old: Oid | None, tracking: str, insistence: Insistence
) -> Change:
    if old == new:
        outcome, reason = "unchanged", ""
    elif insistence.lease is not None and ref.startswith(NAMES):
        seen = insistence.lease.get(ref, repository.ref(tracking + ref.removeprefix(NAMES)))
        reason = "" if old == seen else _unexpected(old, seen)
        outcome = "rejected" if reason else "forced" if old else "new"
    elif old is None:
        outcome, reason = "new", ""
    elif insistence.force:
        outcome, reason = "forced", ""
    else:
        reason = _loses(repository, ref, new, old)
        outcome = "rejected" if reason else "updated"
    return Change(ref, ref, old, new, outcome, reason)


def _unexpected(old: Oid | None, seen: Oid | None) -> str:
    if seen is None:
        return f"it is at {_short(old)} there, and no fetch has seen it"
    return f"it is at {_short(old)} there, and was expected at {_short(seen)}"


def _loses(repository: Repository, ref: str, new: Oid, old: Oid) -> str:
    """Say what would be lost if a ref there moved from `old` to `new`; "" if nothing."""
    if ref.startswith(TAGS):
        return "there is another tag of that name there"
    if not repository.has(old):
        if old in repository.forgotten():
            return f"it is at {_short(old)} there, a run that was forgotten here {story(repository, old)}"
        return f"it is at {_short(old)} there, which is not here: fetch first"
    if not comes_after(repository, new, old):
        return f"it would lose {distance(repository, new, old).behind} of the runs there"
    return ""


def plan_deletions(
    repository: Repository, there: Mapping[str, Oid], names: Sequence[str], tracking: str, insistence: Insistence
) -> list[Change]:
    """Return what becomes of refs there that are to be taken away. Each must be where the last fetch saw it, or at a
    run that was forgotten here, unless `insistence` forces it.
    """
    changes, gone = [], repository.forgotten()
    for ref, old in select(there, names, "the remote").items():
        seen = repository.ref(tracking + ref.removeprefix(NAMES)) if ref.startswith(NAMES) else repository.ref(ref)
        lost = not insistence.force and old != seen and old not in gone
        reason = _unexpected(old, seen) if lost else ""
        changes.append(Change(ref, ref, old, None, "rejected" if lost else "deleted", reason))
    return changes


def push(
    repository: Repository,
    endpoint: Endpoint,
    changes: Sequence[Change],
    *,
    tracking: str = "",
    atomic: bool = True,
    seen: Mapping[str, Oid] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Shared:
    """Carry out a plan; if `atomic`, all of it or of it nothing but tombstones. Rejected, RefConflict.

    `tracking` is the place of the refs here that say what is there; "" for none.
    """
    moves = [change.update for change in changes if change.moves]
    source = StoreEndpoint(repository)
    if atomic and not dry_run and any(change.outcome == "rejected" for change in changes):
        # No name follows from a tombstone, and who has it takes the run in from nobody.
        stones = [move for move in moves if move.name.startswith(TOMBSTONES)]
        transfer(source, endpoint, stones, message="push", seen=seen)
        _refuse(endpoint.name, changes, _way_out(repository, changes))
    known = set[Oid]().union(*(_inherited(repository, change) for change in changes))
    if dry_run:
        return Shared(list(changes), _would_bring(source, endpoint, moves, progress, known))
    brought = transfer(source, endpoint, moves, message="push", seen=seen, known=known, progress=progress)
    if tracking:
        there = {change.ref: change.new for change in changes if change.outcome != "rejected"}
        names = {ref.removeprefix(NAMES): oid for ref, oid in there.items() if ref.startswith(NAMES)}
        noted = [RefUpdate(tracking + name, oid) for name, oid in names.items()]
        repository.commit(noted, message=f"push to {endpoint.name}")
    return Shared(list(changes), brought)


def _way_out(repository: Repository, changes: Sequence[Change]) -> str:
    """Return what to do about a push that was rejected."""
    gone = [each for each in changes if each.outcome == "rejected" and each.old in repository.forgotten()]
    if not gone:
        return "`themis pull` brings what is there; `themis push --force` replaces it"
    runs = " ".join(dict.fromkeys(_short(each.old) for each in gone))
    return (
        "the tombstone is there now; `themis push --force` moves the name away from the run, then "
        f"`themis forget {runs} --reason …` in that store takes it away"
    )


def _inherited(repository: Repository, change: Change) -> Set[Oid]:
    """Return objects that are there with the run that a name is at, and that the run it moves to may refer to."""
    named = change.moves and change.ref.startswith(NAMES)
    if not named or change.old is None or change.new is None or not repository.has(change.old):
        return frozenset()
    return inherited(repository, change.old, change.new)


def plan_fetch(repository: Repository, found: Mapping[str, Oid], tracking: str) -> list[Change]:
    """Return what becomes of refs here when a remote has `found`: its names go to `tracking`, its tags to our tags."""
    changes = []
    for source, new in found.items():
        ref = tracking + source.removeprefix(NAMES) if source.startswith(NAMES) else source
        old = repository.ref(ref)
        outcome, reason = _fetched(repository, source, old, new)
        changes.append(Change(ref, source, old, new, outcome, reason))
    return changes


def _fetched(repository: Repository, source: str, old: Oid | None, new: Oid) -> tuple[str, str]:
    if old == new:
        return "unchanged", ""
    if old is None:
        return "new", ""
    if source.startswith(TAGS):
        return "rejected", "there is another tag of that name here; it stays"
    return ("forced" if repository.has(new) and not comes_after(repository, new, old) else "updated"), ""


def plan_prune(repository: Repository, found: Mapping[str, Oid], tracking: str) -> list[Change]:
    """Return the refs in `tracking` whose names are gone there, to be taken away."""
    kept = {tracking + source.removeprefix(NAMES) for source in found}
    gone = [(ref, old) for ref, old in repository.refs(tracking) if ref not in kept]
    return [Change(ref, NAMES + ref.removeprefix(tracking), old, None, "deleted") for ref, old in gone]


def fetch(
    repository: Repository,
    source: Source,
    changes: Sequence[Change],
    *,
    origin: str,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Shared:
    """Carry out a plan. `origin` is noted as where the runs came from."""
    target = StoreEndpoint(repository, origin=origin)
    moves = [change.update for change in changes if change.moves]
    if dry_run:
        return Shared(list(changes), _would_bring(source, target, moves, progress))
    seen = {change.ref: change.old for change in changes if change.old is not None}
    with repository.working():
        brought = transfer(source, target, moves, message=f"fetch from {origin}", seen=seen, progress=progress)
    return Shared(list(changes), brought)


def plan_pull(repository: Repository, runs: Runs, fetched: Iterable[Change], *, force: bool = False) -> list[Change]:
    """Return what becomes of the names here when those that were fetched are pulled. `runs` has the runs of both."""
    changes = []
    for change in fetched:
        if change.source.startswith(NAMES) and change.new is not None:
            ref, new = change.source, change.new
            old = repository.ref(ref)
            outcome, reason = _pulled(runs, old, new, force)
            changes.append(Change(ref, ref, old, new, outcome, reason))
    return changes


def pull(repository: Repository, changes: Sequence[Change], *, origin: str, tracking: str, keep: bool) -> None:
    """Carry out a plan. Rejected if a name would lose runs; then none moves.

    `tracking` is where the names were fetched to; without `keep` they are taken away from there.
    """
    lost = [change.ref.removeprefix(NAMES) for change in changes if change.outcome == "rejected"]
    if lost:
        both = f"`themis diff {lost[0]} {tracking.removeprefix('remotes/')}{lost[0]}` shows both"
        _refuse("this store", changes, f"{both}; add --force to take theirs, or push ours with --force-with-lease")
    updates = [change.update for change in changes if change.moves]
    if not keep:
        updates += [RefUpdate(ref, None) for ref, _ in repository.refs(tracking)]
    if updates:
        StoreEndpoint(repository, origin=origin).move(updates, f"pull from {origin}")


def _pulled(runs: Runs, old: Oid | None, new: Oid, force: bool) -> tuple[str, str]:
    if old is None:
        return "new", ""
    far = distance(runs, old, new)
    if not far.behind:
        return "unchanged", ""
    if not far.ahead:
        return "updated", ""
    if force:
        return "forced", ""
    return "rejected", f"{far.ahead} of its runs are only here, and {far.behind} only there"


def compared(repository: Repository, there: Mapping[str, Oid]) -> list[dict[str, Any]]:
    """Return for every name and tag of a remote where it is there and here, and how far ours is ahead and behind.

    The distance is None where it cannot be told: for a tag, and before the runs there have been fetched.
    """
    rows: list[dict[str, Any]] = []
    for ref, oid in select(there, (), "the remote").items():
        here = repository.ref(ref)
        known = here is not None and ref.startswith(NAMES) and repository.has(oid)
        far = distance(repository, here, oid) if known and here is not None else None
        if here == oid:
            far = Distance(0, 0)
        rows.append(
            {
                "ref": ref,
                "there": oid.hex(),
                "here": here.hex() if here else None,
                "ahead": far.ahead if far else None,
                "behind": far.behind if far else None,
            }
        )
    return rows


def _would_bring(
    source: Source,
    target: Target,
    moves: Sequence[RefUpdate],
    progress: Progress | None,
    known: Set[Oid] = frozenset(),
) -> Transferred:
    """Return what the moves would bring, in bytes of frames. Nothing is stored."""
    total = Transferred()
    roots = [update.new for update in moves if update.new is not None]
    for item in lacking(source, target, roots, known):
        total += Transferred(1, item.frame.size)
        if progress is not None:
            progress(total)
    return total


def _refuse(where: str, changes: Sequence[Change], hint: str) -> None:
    rejected = [(change.ref.split("/", 1)[1], change.reason) for change in changes if change.outcome == "rejected"]
    if rejected:
        raise Rejected(where, rejected, hint=hint)


def _short(oid: Oid | None) -> str:
    return "nothing" if oid is None else oid.hex()[:12]
