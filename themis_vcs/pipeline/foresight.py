"""Whether stored steps would be taken over by an experiment as it is now, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from themis_vcs.analysis.reasons import Reason
from themis_vcs.analysis.receipt import Receipt
from themis_vcs.model.tree import case_of, split_key
from themis_vcs.pipeline.experiment import Experiment
from themis_vcs.pipeline.resolve import resolve_components
from themis_vcs.pipeline.result import PendingStep
from themis_vcs.pipeline.snapshot import rebuild_instructions
from themis_vcs.store.repository import Repository

_TRACKS = frozenset({"generator", "reducer", "parser", "metric"})


class Verdict(msgspec.Struct, frozen=True):
    """What would become of a stored step.

    "reused": its key is wanted as it is. "rebuilt": another key is wanted, for these `reasons`. "undecided": the steps
    in `waits_for` come first, and it is reused if they give the same values. "gone": the experiment has no such step.
    """

    outcome: Literal["reused", "rebuilt", "undecided", "gone"]
    reasons: list[Reason] = []
    waits_for: list[PendingStep] = []


async def foresee_async(repository: Repository, experiment: Experiment, receipts: Sequence[Receipt]) -> list[Verdict]:
    """A verdict for each of several steps of one stage, by a dry run of the experiment up to that stage."""
    stage = receipts[0].stage
    result = await experiment.run_async(until_stage=stage, store=repository, dry_run=True)
    components = resolve_components(experiment.generation, experiment.evaluation, [stage])
    known = {recipe["id"] for recipe in rebuild_instructions(components)[stage] if recipe["role"] in _TRACKS}
    present = {key: _has_case(experiment, key) for key in {case_of(receipt.key) for receipt in receipts}}
    return [
        _verdict(receipt, result.pending)
        if receipt.track in known and present[case_of(receipt.key)]
        else Verdict("gone")
        for receipt in receipts
    ]


def _verdict(receipt: Receipt, pending: Sequence[PendingStep]) -> Verdict:
    own = [
        step for step in pending if (step.stage, step.track, step.case) == (receipt.stage, receipt.track, receipt.key)
    ]
    if own:
        return Verdict("rebuilt", own[0].reasons)
    case = case_of(receipt.key)
    before = [step for step in pending if step.stage != receipt.stage and case_of(step.case) == case]
    return Verdict("undecided", waits_for=before) if before else Verdict("reused")


def _has_case(experiment: Experiment, key: str) -> bool:
    dataset_id, case_id, _ = split_key(key)
    cases = (
        case for dataset in experiment.datasets if dataset.dataset_id == dataset_id for case in dataset.iter_cases()
    )
    return any(case.case_id == case_id for case in cases)
