"""The inputs of a track, case by case, from the trees of the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import case_of
from themis_vcs.pipeline.workspace import Workspace

CASES, DATASETS = "cases", "datasets"

Groups = tuple[tuple[Oid, ...], ...]
"""For every input of a track, in its order, the oids that a case has there: one, or one per sample."""

Look = Callable[[str], tuple[Oid, ...]]


def inputs_of(
    workspace: Workspace,
    roots: Mapping[str, Oid],
    names: Sequence[str],
    widths: Mapping[str, int],
    changed: set[str] | None = None,
) -> Iterator[tuple[str, Groups | None]]:
    """The cases with their inputs, by key; None where an input is missing or the case is gone.

    `changed` are the cases to look at; without it, all are. `widths` says how many oids a case has in a tree of
    samples.
    """
    everyone = (key for key, _ in workspace.scan(roots[CASES]))
    wanted: Iterable[str] = everyone if changed is None else sorted(changed)
    whole = changed is None or len(changed) * 8 > workspace.size(roots[CASES])
    # A case that is gone may still have results, so a track that does not read cases looks for them too.
    every = names if CASES in names else (*names, CASES)
    looks = [
        _datasets(workspace, roots[name])
        if name == DATASETS
        else _look(workspace, roots[name], widths.get(name), whole)
        for name in every
    ]
    complete = [widths.get(name, 1) for name in every]
    for case in wanted:
        found = [look(case) for look in looks]
        yield case, tuple(found[: len(names)]) if [*map(len, found)] == complete else None


def _datasets(workspace: Workspace, root: Oid) -> Look:
    infos = {key: (oid,) for key, oid in workspace.scan(root)}
    return lambda case: infos.get(case.partition("/")[0], ())


def _look(workspace: Workspace, root: Oid, width: int | None, whole: bool) -> Look:
    if not whole:
        return lambda case: _found(workspace, root, [case] if width is None else _indexed(case, width))
    if width is None:
        return _ascending(workspace.scan(root))
    # Indexed keys are not in the order of their cases: "a/b-c/0" comes before "a/b/0".
    table: dict[str, tuple[Oid, ...]] = {}
    for key, oid in workspace.scan(root):
        case = case_of(key)
        table[case] = (*table.get(case, ()), oid)
    return lambda case: table.get(case, ())


def _ascending(entries: Iterator[tuple[str, Oid]]) -> Look:
    """Looks keys up that are asked for in ascending order, in one pass over the entries."""
    key, oid = next(entries, (None, b""))

    def look(case: str) -> tuple[Oid, ...]:
        nonlocal key, oid
        while key is not None and key < case:
            key, oid = next(entries, (None, b""))
        return (oid,) if key == case else ()

    return look


def _indexed(case: str, width: int) -> list[str]:
    return [f"{case}/{index}" for index in range(width)]


def _found(workspace: Workspace, root: Oid, keys: Sequence[str]) -> tuple[Oid, ...]:
    return tuple(oid for key in keys if (oid := workspace.find(root, key)) is not None)
