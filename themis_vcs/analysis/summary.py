"""A run at a glance: its stages with what each track holds, its metrics, its cases, its surroundings."""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.analysis.changes import component_label, configuration, surroundings
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.metrics import MetricMean, metric_means
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.signed import SignedBy, signed_by
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Run, Stage
from themis_vcs.transfer.history import origin_of


class Work(msgspec.Struct, frozen=True):
    """What was done in a stage to make this run: steps executed, taken over, and without a value."""

    built: int
    reused: int
    failed: int


class TrackSummary(msgspec.Struct, frozen=True):
    """One component of a stage: of how many steps it has values, how many failed, how many wait for a failed input."""

    stage: str
    track: str
    component: str
    values: int
    failed: int
    blocked: int


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `oid` is that of the run object, `run_id` what was asked for; both in hex.

    `origin` is the remote that it came from, None for one made here; `signatures` are those that count.
    """

    oid: str
    run_id: str
    name: str
    status: str
    completed_through_stage: str | None
    reason: str
    time: str
    who: str
    parents: list[str]
    cases: int
    datasets: dict[str, int]
    work: dict[str, Work]
    tracks: list[TrackSummary]
    metrics: dict[str, MetricMean]
    configuration: dict[str, Any]
    surroundings: dict[str, Any]
    origin: str | None
    signatures: list[SignedBy]


def summary(reader: Reader, found: Located) -> RunSummary:
    """Everything about a run but its cases one by one."""
    run, identity = found.run, found.snapshot.identity
    cases = reader.size(identity.cases)
    datasets = {key: 0 for key, _ in reader.scan(identity.datasets)}
    for key in datasets:
        datasets[key] = cases if len(datasets) == 1 else sum(1 for _ in reader.scan(identity.cases, f"{key}/"))
    stages = stages_of(reader.repository, run)
    return RunSummary(
        oid=found.oid.hex(),
        run_id=run.run_id.hex(),
        name=run.name,
        status=run.status,
        completed_through_stage=run.completed_through,
        reason=run.reason,
        time=moment(run.time),
        who=run.who,
        parents=[parent.hex() for parent in run.parents],
        cases=cases,
        datasets=datasets,
        work=work_of(run),
        tracks=[each for stage in stages.values() for each in track_summaries(reader, stage, cases)],
        metrics=metric_means(reader, run.stages, cases),
        configuration=configuration(identity),
        surroundings=surroundings(found.snapshot),
        origin=origin_of(reader.repository, found.oid),
        signatures=signed_by(reader.repository, found.oid),
    )


def work_of(run: Run) -> dict[str, Work]:
    """What was done to make a run, by stage in their order."""
    return {stage: Work(*run.work[stage]) for stage in STAGES if stage in run.work}


def track_summaries(reader: Reader, stage: Stage, cases: int) -> list[TrackSummary]:
    """What each track of a stage holds of its steps over `cases` cases."""
    rows = []
    for track in stage.tracks:
        values, failed = reader.size(track.values), reader.size(track.failures)
        ref = track.component
        label = component_label(ref.id, ref.version, ref.fingerprint)
        rows.append(TrackSummary(stage.name, track.id, label, values, failed, cases * track.fanout - values - failed))
    return rows
