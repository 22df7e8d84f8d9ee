"""A report of a run: what it is, how far it got, its means with intervals, what failed, what it took.

The figures are computed here from the rows of `outcomes`; how a report is written is another matter (`reporting`).
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from typing import Any, Final

import msgspec

from themis_vcs.analysis.casefield import no_such_field
from themis_vcs.analysis.changes import configuration, surroundings
from themis_vcs.analysis.columns import metric_ids, parts
from themis_vcs.analysis.failedcases import failed_cases
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.metrics import mean_of
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.outcomes import ERROR, NOT_REACHED, Row, Wanted, measured, rows
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.selection import at_path, checked, text
from themis_vcs.errors import UsageError
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Track
from themis_vcs.store.settings import Failed
from themis_vcs.transfer.history import origin_of

SCHEMA: Final = "themis.report/1"
_NONE: Final = "(none)"
_CHUNK: Final = 2_000
_MOST_SLICES: Final = 1_000


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A mean over `n` of `cases` cases, with its 95 % interval. Of the others, `failed` failed and the rest waits."""

    metric: str
    cases: int
    n: int
    failed: int
    not_reached: int
    mean: float | None
    ci: tuple[float, float] | None
    by: str | None = None
    slice: str | None = None


class ErrorCount(msgspec.Struct, frozen=True):
    """How many rows have an error of this category from this stage."""

    stage: str
    category: str
    metric: str
    count: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of a stage took, as far as it was observed: tokens by kind, latencies in ms over `timed` calls.

    Percentiles are by nearest rank.
    """

    stage: str
    calls: int
    tokens: dict[str, int]
    timed: int
    latency_sum: float | None = None
    latency_mean: float | None = None
    latency_p50: float | None = None
    latency_p95: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a report. `incomplete` says what is missing of the run, and is empty only if nothing is.

    `cases_failed` counts the cases of which some metric has an error. `binary` has the metrics whose values are all 0
    or 1.
    """

    schema: str
    themis: str
    run_id: str
    oid: str
    name: str
    status: str
    time: str
    completed_through_stage: str | None
    incomplete: list[str]
    cases: int
    cases_failed: int
    failed: Failed
    binary: list[str]
    metrics: list[Figure]
    slices: list[Figure]
    errors: list[ErrorCount]
    costs: list[Cost]
    configuration: dict[str, Any]
    surroundings: dict[str, Any]
    origin: str | None


class _Tally:
    """The rows of one metric, all or of one slice."""

    def __init__(self) -> None:
        self.values = array("d")
        self.failed = self.not_reached = 0

    def add(self, row: Row) -> None:
        if row.value is not None:
            self.values.append(row.value)
        elif row.outcome == ERROR:
            self.failed += 1
        else:
            self.not_reached += 1

    def figure(self, metric: str, failed: Failed, by: str | None = None, part: str | None = None) -> Figure:
        values = self.values + array("d", [0.0]) * self.failed if failed == "zero" else self.values
        mean = mean_of(values, self.failed)
        return Figure(
            metric=metric,
            cases=len(self.values) + self.failed + self.not_reached,
            n=mean.count,
            failed=self.failed,
            not_reached=self.not_reached,
            mean=mean.mean,
            ci=mean.ci,
            by=by,
            slice=part,
        )


def report(
    reader: Reader, found: Located, *, by: Sequence[str] = (), failed: Failed | None = None, costs: bool = True
) -> Report:
    """Compute the head of the report of a run. `by` has "dataset" and paths such as "metadata.subject".

    With `failed` "zero", a case that failed counts as 0; one that was not reached is left out in any case. Without it
    the setting `analysis.failed` of the store decides. Without `costs` no step is read for them.
    UsageError for a slice by something else, by what no case has, or into more than a thousand.
    """
    failed = failed_cases(reader.repository, failed)
    by = _slicing(reader, found, by)
    names = list(metric_ids(reader, found))
    whole = {name: _Tally() for name in names}
    slices: dict[tuple[str, str, str], _Tally] = defaultdict(_Tally)
    errors, cases_failed = Counter[tuple[str, str, str]](), set[tuple[str, str]]()
    for row in _rows_to_add(reader, found, by, whole):
        whole[row.metric].add(row)
        if row.outcome == ERROR:
            errors[row.stage or "", row.category or "", row.metric] += 1
            cases_failed.add((row.dataset, row.case))
        for each in by:
            slices[each, _slice(row, each), row.metric].add(row)
        if len(slices) > _MOST_SLICES * max(1, len(names)):
            raise UsageError(f"--by {' --by '.join(by)}: over {_MOST_SLICES:,} slices", hint="slice by fewer values")
    for each in by:
        if slices and each != "dataset" and all(part == _NONE for one, part, _ in slices if one == each):
            raise no_such_field(reader, (oid for _, oid in reader.scan(found.snapshot.identity.cases)), each)
    order = {name: at for at, name in enumerate([*by, *names])}
    return Report(
        schema=SCHEMA,
        themis=version("themis-vcs"),
        run_id=found.run.run_id.hex(),
        oid=found.oid.hex(),
        name=found.run.name,
        status=found.run.status,
        time=moment(found.run.time),
        completed_through_stage=found.run.completed_through,
        incomplete=list(_incomplete(reader, found, whole)),
        cases=reader.size(found.snapshot.identity.cases),
        cases_failed=len(cases_failed),
        failed=failed,
        binary=[name for name, tally in whole.items() if tally.values and set(tally.values) <= {0.0, 1.0}],
        metrics=[tally.figure(name, failed) for name, tally in whole.items()],
        slices=[
            tally.figure(metric, failed, each, part)
            for (each, part, metric), tally in sorted(
                slices.items(), key=lambda item: (order[item[0][0]], item[0][1], order[item[0][2]])
            )
        ],
        errors=[ErrorCount(*key, count) for key, count in sorted(errors.items(), key=lambda item: (-item[1], item[0]))],
        costs=list(_costs(reader, found)) if costs else [],
        configuration=configuration(found.snapshot.identity),
        surroundings=surroundings(found.snapshot),
        origin=origin_of(reader.repository, found.oid),
    )


def _rows_to_add(reader: Reader, found: Located, by: Sequence[str], whole: Mapping[str, _Tally]) -> Iterator[Row]:
    """Yield the rows, but for those that no slice needs and that are plain scores: these are added at once."""
    wanted = Wanted(metadata=any(each != "dataset" for each in by))
    for part in parts(reader, found):
        left = dict(part.metrics)
        for name, column in part.metrics.items():
            if not by and column is not None and (scores := column.single_scores()) is not None:
                whole[name].values.extend(scores)
                del left[name]
        if left:
            yield from rows(reader, part._replace(metrics=left), wanted)


def _slicing(reader: Reader, found: Located, by: Sequence[str]) -> list[str]:
    """What is sliced by: the datasets where there are several, and what was asked for."""
    for each in by:
        if each != "dataset" and not each.startswith("metadata."):
            raise UsageError(f"--by {each[:80]}: cannot be sliced by", hint="slice by dataset or metadata.FIELD")
        checked(each)
    several = ["dataset"] if reader.size(found.snapshot.identity.datasets) > 1 else []
    return list(dict.fromkeys([*several, *by]))


def _slice(row: Row, by: str) -> str:
    if by == "dataset":
        return row.dataset
    value = at_path(row.metadata, by.removeprefix("metadata."))
    return _NONE if value is None else text(value)


def _incomplete(reader: Reader, found: Located, whole: dict[str, _Tally]) -> Iterator[str]:
    held = stages_of(reader.repository, found.run)
    missing = [stage for stage in STAGES if stage not in held]
    if missing:
        yield f"no {', '.join(missing)} stage" if len(missing) == 1 else f"no {', '.join(missing)} stages"
    if found.run.status == "interrupted":
        yield "the run was interrupted"
    for name, tally in whole.items():
        if tally.not_reached:
            yield f"{name}: {tally.not_reached:,} of {reader.size(found.snapshot.identity.cases):,} cases {NOT_REACHED}"


def _costs(reader: Reader, found: Located) -> Iterator[Cost]:
    for stage, held in stages_of(reader.repository, found.run).items():
        if stage not in ("generate", "judge"):
            continue
        latencies, tokens, calls = array("d"), Counter[str](), 0
        for track in held.tracks:
            for observations in _observations(reader, track):
                calls += 1
                latency, usage = measured(observations)
                tokens.update(usage)
                if latency is not None:
                    latencies.append(latency)
        spread: dict[str, float] = {}
        if latencies:
            ordered, total = sorted(latencies), math.fsum(latencies)
            spread = {
                "latency_sum": total,
                "latency_mean": total / len(ordered),
                "latency_p50": ordered[math.ceil(0.50 * len(ordered)) - 1],
                "latency_p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
            }
        if calls:
            yield Cost(stage=stage, calls=calls, tokens=dict(sorted(tokens.items())), timed=len(latencies), **spread)


def _observations(reader: Reader, track: Track) -> Iterator[dict[str, Any]]:
    """What was observed of each call: of a judgment, of each response of a judge."""
    entries = (oid for _, oid in reader.scan(track.steps))
    while chunk := list(islice(entries, _CHUNK)):
        for found in reader.observations(chunk):
            responses = found.get("judge_responses")
            if isinstance(responses, list):
                yield from (each for each in responses if isinstance(each, dict))
            else:
                yield found
