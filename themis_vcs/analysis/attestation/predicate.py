"""What an attestation says of a run, computed from the store (ATT-4). Signing it is in `attest`."""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.metrics import metric_means
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.summary import track_summaries
from themis_vcs.model.objects import ComponentRef, Stage
from themis_vcs.store.repository import Repository

_TOLD = ("themis", "python", "platform", "packages", "git", "imported")
"""What of the surroundings is told: nothing of where and by whom on the machine."""


def predicate(repository: Repository, found: Located) -> dict[str, Any]:
    """Return run, inputs, components, environment and results of a run, as plain JSON data."""
    reader = Reader(repository)
    stages = list(stages_of(repository, found.run).values())
    cases = reader.size(found.snapshot.identity.cases)
    provenance = found.snapshot.provenance
    made = {
        "run": _run(found),
        "inputs": _inputs(reader, found, cases),
        "components": [_component(stage.name, track.id, track) for stage in stages for track in stage.tracks],
        "environment": {key: value for key, value in provenance.items() if key in _TOLD},
        "results": _results(reader, found, stages, cases),
    }
    # What JSON cannot hold becomes what it can: a number that is not finite is null.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))
    return plain


def _run(found: Located) -> dict[str, Any]:
    run = found.run
    return {
        "runId": run.run_id.hex(),
        "oid": found.oid.hex(),
        "name": run.name,
        "status": run.status,
        "completedThrough": run.completed_through,
        "time": moment(run.time),
        "parents": [parent.hex() for parent in run.parents],
    }


def _inputs(reader: Reader, found: Located, cases: int) -> dict[str, Any]:
    identity = found.snapshot.identity
    datasets = [key for key, _ in reader.scan(identity.datasets)]
    sizes = {key: sum(1 for _ in reader.scan(identity.cases, f"{key}/")) for key in datasets}
    return {
        "snapshot": found.run.snapshot.hex(),
        "cases": identity.cases.hex(),
        "datasetsRoot": identity.datasets.hex(),
        "caseCount": cases,
        "datasets": [{"id": key, "cases": sizes[key], "revision": identity.revisions.get(key)} for key in datasets],
    }


def _component(stage: str, track_id: str, track: Any) -> dict[str, Any]:
    return {
        "stage": stage,
        "track": track_id,
        "values": track.values.hex(),
        **_reference(track.component),
        "id": f"{stage}/{track_id}",
    }


def _reference(component: ComponentRef) -> dict[str, Any]:
    return {
        "component": component.id,
        "version": component.version,
        "fingerprint": component.fingerprint.hex(),
        "target": component.target,
        "deterministic": component.deterministic,
        "also": [_reference(each) for each in component.also],
    }


def _results(reader: Reader, found: Located, stages: list[Stage], cases: int) -> dict[str, Any]:
    means = metric_means(reader, found.run.stages, cases)
    tracks: dict[str, dict[str, Any]] = {stage.name: {} for stage in stages}
    for stage in stages:
        for row in track_summaries(reader, stage, cases):
            tracks[stage.name][row.track] = {"values": row.values, "failed": row.failed, "blocked": row.blocked}
    metrics = {name: {"mean": each.mean, "n": each.count, "failed": each.failed} for name, each in means.items()}
    return {"metrics": metrics, "stages": tracks}
