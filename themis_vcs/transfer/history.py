"""Lines of runs: which runs a head has behind it, and whether one head comes after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from themis_vcs.model.objects import Object, Run, Tag, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import named
from themis_vcs.store.view import View
from themis_vcs.transfer.endpoint import Holder, Source

FROM: Final = "from:"
"""Before the oid of a run in hex: the local fact of where it came from."""


class Runs(Protocol):
    """Gives runs by oid: a store does, and whatever can."""

    def load(self, oid: Oid, kind: type[Run]) -> Run:
        """Return a run."""

    def forgotten(self) -> set[Oid]:
        """Return runs that others refer to and that were forgotten."""


class FromBoth:
    """Runs of a store, and of a source where the store does not have them yet."""

    def __init__(self, repository: Repository, source: Source) -> None:
        self._repository, self._source = repository, source

    def load(self, oid: Oid, kind: type[Run]) -> Run:
        """Return a run. Corrupt, RemoteError."""
        if self._repository.has(oid):
            return self._repository.load(oid, kind)
        (item,) = self._source.objects([oid])
        return load(item.payload, kind)

    def forgotten(self) -> set[Oid]:
        """Return the runs that were forgotten in either."""
        return self._repository.forgotten() | named(self._source.refs())


class Distance(NamedTuple):
    """How many runs a head has that another has not, and the reverse."""

    ahead: int
    behind: int


def lacking_runs(source: Source, target: Holder, heads: Iterable[Oid]) -> list[Oid]:
    """Return the heads and the runs behind them that the target lacks, the oldest first.

    A tag is followed to its target. One round trip for each run in a row that is lacking.
    """
    found: list[Oid] = []
    wave = list(dict.fromkeys(heads))
    seen = set(wave)
    while wave:
        absent = target.missing(wave)
        found += absent
        wave = []
        for item in source.objects(absent) if absent else ():
            fresh = [oid for oid in _behind(item.object or load(item.payload)) if oid not in seen]
            seen.update(fresh)
            wave += fresh
    return found[::-1]


def _behind(obj: Object) -> list[Oid]:
    match obj:
        case Run():
            return obj.parents
        case Tag():
            return [obj.target]
        case _:
            return []


def runs_behind(runs: Runs, head: Oid, until: Iterable[Oid] = ()) -> Iterator[tuple[Oid, Run]]:
    """Yield the run `head` and those behind it, each once, children before parents, but for `until` and what only
    those have behind them. Where a run was forgotten, a line ends.
    """
    seen = {head, *until, *runs.forgotten()}
    wave = [head] if head not in set(until) else []
    while wave:
        oid = wave.pop(0)
        run = runs.load(oid, Run)
        yield oid, run
        fresh = [parent for parent in run.parents if parent not in seen]
        seen.update(fresh)
        wave += fresh


def comes_after(runs: Runs, new: Oid, old: Oid) -> bool:
    """Say whether the run `old` is `new` or behind it."""
    return any(oid == old for oid, _ in runs_behind(runs, new))


def distance(runs: Runs, one: Oid, other: Oid) -> Distance:
    """Return how far two runs are from what they have in common."""
    if one == other:
        return Distance(0, 0)
    here = {oid for oid, _ in runs_behind(runs, one)}
    there = {oid for oid, _ in runs_behind(runs, other)}
    return Distance(len(here - there), len(there - here))


def origin_of(view: View, run: Oid) -> str | None:
    """Return what the remote is called that a run came from, None for one that was made here."""
    found = view.local(FROM + run.hex())
    return None if found is None else found.decode("utf-8", "backslashreplace")
