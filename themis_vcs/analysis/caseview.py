"""One case through all the stages of a run."""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.analysis.lookup import Located, find_case, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.steps import StepView, case_steps
from themis_vcs.model.tree import split_key


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A case of a run and every step that was made of it, by stage. `oid` and `run_id` are the run's, in hex."""

    oid: str
    run_id: str
    name: str
    key: str
    dataset_id: str
    case_id: str
    case: Any
    stages: dict[str, list[StepView]]


def case_view(reader: Reader, found: Located, case: str) -> CaseView:
    """Everything that a run holds of one case; `case` as `find_case` takes it. NotFound if it is not in the run."""
    key, _ = find_case(reader, found.snapshot.identity, case)
    dataset_id, case_id, _ = split_key(key)
    oid = reader.find(found.snapshot.identity.cases, key)
    assert oid is not None
    stages = stages_of(reader.repository, found.run)
    return CaseView(
        oid=found.oid.hex(),
        run_id=found.run.run_id.hex(),
        name=found.run.name,
        key=key,
        dataset_id=dataset_id,
        case_id=case_id,
        case=reader.value(oid),
        stages={
            name: [step for track in stage.tracks for step in case_steps(reader, name, track, key)]
            for name, stage in stages.items()
        },
    )
