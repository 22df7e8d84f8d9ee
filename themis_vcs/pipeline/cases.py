"""Reading datasets: into a store, every case a value and one tree over all of them, or to compare them with a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from themis_vcs.errors import ConfigurationError, DataError, EncodingError
from themis_vcs.evaluation.dataset import Dataset
from themis_vcs.model import tree
from themis_vcs.model.codec import encode
from themis_vcs.model.objects import Identity, Value
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.model.tree.casekey import case_key, quote
from themis_vcs.pipeline.workspace import Workspace

_CHUNK = 1_000


@dataclass(frozen=True)
class StoredCases:
    """Roots of the trees of cases and of datasets, and the revision that each dataset names."""

    cases: Oid
    datasets: Oid
    revisions: dict[str, str | None]

    @property
    def roots(self) -> dict[str, Oid]:
        """The trees by the names that tracks know them by."""
        return {"cases": self.cases, "datasets": self.datasets}


def store_cases(workspace: Workspace, datasets: Sequence[Dataset]) -> StoredCases:
    """Keep every case that the store does not have yet. DataError names the case that has no canonical encoding."""
    _check_names(datasets)
    entries: list[tuple[str, Oid]] = []
    infos: list[tuple[str, Oid]] = []
    for dataset in datasets:
        _store(workspace, dataset, entries)
        info = {"dataset_id": dataset.dataset_id, "metadata": dataset.metadata}
        infos.append((quote(dataset.dataset_id), workspace.put(Value("dataset", info))))
    revisions = {dataset.dataset_id: dataset.revision for dataset in datasets}
    return StoredCases(workspace.build(sorted(entries)), workspace.build(sorted(infos)), revisions)


def same_cases(datasets: Sequence[Dataset], identity: Identity) -> bool:
    """Whether a run has exactly the cases of these datasets. They are read only if one of them names no revision."""
    revisions = {dataset.dataset_id: dataset.revision for dataset in datasets}
    if revisions != identity.revisions or None not in revisions.values():
        return revisions == identity.revisions
    try:
        entries = sorted((key, oid) for dataset in datasets for key, oid, _ in _encoded(dataset))
    except DataError:
        return False
    return tree.build(entries).root == identity.cases


def _encoded(dataset: Dataset) -> Iterator[tuple[str, Oid, bytes]]:
    """Yield key, oid and payload of every case. DataError names the one that has no canonical encoding."""
    for case in dataset.iter_cases():
        try:
            payload = encode("value", Value("case", case))
        except EncodingError as error:
            where = f"{dataset.dataset_id}: case {case.case_id!r:.80}"
            raise DataError(f"{where}: {error.path.removeprefix('$.data')}: {error.reason}") from error
        yield case_key(dataset.dataset_id, case.case_id), oid_of(payload), payload


def _store(workspace: Workspace, dataset: Dataset, entries: list[tuple[str, Oid]]) -> None:
    chunk: list[tuple[Oid, bytes]] = []
    for key, oid, payload in _encoded(dataset):
        entries.append((key, oid))
        chunk.append((oid, payload))
        if len(chunk) == _CHUNK:
            _keep(workspace, chunk)
            chunk = []
    _keep(workspace, chunk)


def _keep(workspace: Workspace, chunk: list[tuple[Oid, bytes]]) -> None:
    payloads = dict(chunk)
    for oid in workspace.missing(payloads):
        workspace.write(oid, payloads[oid], "value:case", ())


def _check_names(datasets: Iterable[Dataset]) -> None:
    seen: set[str] = set()
    problems = []
    for number, dataset in enumerate(datasets):
        if dataset.dataset_id in seen:
            problems.append((f"datasets[{number}].dataset_id", f"{dataset.dataset_id!r} is used twice"))
        seen.add(dataset.dataset_id)
    if problems:
        raise ConfigurationError("experiment", problems)
