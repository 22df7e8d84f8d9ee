"""What a dry run says about the steps that it would execute: why each of them is not taken over from the last run."""

from __future__ import annotations

from typing import Any

from themis_vcs.analysis.reasons import Wanted, reasons, record_of
from themis_vcs.model.objects import Run
from themis_vcs.pipeline.execute import Execution
from themis_vcs.pipeline.plan import Work
from themis_vcs.pipeline.result import PendingStep
from themis_vcs.pipeline.snapshot import rebuild_instructions
from themis_vcs.pipeline.tracks import Components
from themis_vcs.pipeline.workspace import Workspace


def pending_steps(workspace: Workspace, name: str, components: Components, execution: Execution) -> list[PendingStep]:
    """The postponed steps of one track, each with its reasons against the last run of `name`."""
    if not execution.pending:
        return []
    spec, repository = execution.spec, workspace.repository
    head = repository.ref(f"names/{name}")
    record = None if head is None else record_of(workspace, repository.load(head, Run), spec.stage, spec.id)
    recipes = rebuild_instructions(components)[spec.stage]
    options = {recipe["id"]: recipe["config"] for recipe in recipes}
    found = reasons(workspace, record, [_wanted(execution, work, options) for work in execution.pending])
    return [PendingStep(spec.stage, spec.id, work.key, why) for work, why in zip(execution.pending, found, strict=True)]


def _wanted(execution: Execution, work: Work, options: dict[str, Any]) -> Wanted:
    spec = execution.spec
    return Wanted(
        key=work.key,
        case=work.case,
        component=spec.ref,
        fingerprint=work.fingerprint,
        params=spec.params,
        inputs=list(zip(spec.inputs, work.inputs, strict=True)),
        seed=work.seed,
        options=options,
    )
