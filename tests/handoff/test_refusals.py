"""A bundle that does not hold together is refused whole, by line and field, and the store is as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.components import Equal
from tests.support.experiments import dataset, experiment
from tests.support.handingover import head, text_of
from themis_vcs import InMemoryRunStore, Score, StageBundle, import_evaluation_bundle, import_generation_bundle
from themis_vcs.errors import Corrupt, DataError, FormatError, UsageError
from themis_vcs.handoff.stages.adopt import Options
from themis_vcs.handoff.stages.boundary import part_of
from themis_vcs.handoff.stages.files import take
from themis_vcs.handoff.stages.pack import pack
from themis_vcs.model.objects import Run, Stage
from themis_vcs.pipeline.stores import RunStore

Line = dict[str, Any]
Edit = Callable[[list[Line]], None]


@pytest.fixture(scope="module")
def text() -> str:
    with InMemoryRunStore() as store:
        experiment(3, datasets=[dataset(2), dataset(2, "more")]).run(store=store)
        return text_of(store.repository, "evaluation")


@pytest.fixture(scope="module")
def other() -> list[Line]:
    """The lines of another run."""
    with InMemoryRunStore() as store:
        experiment(4, seeds=[7]).run(store=store)
        return [json.loads(line) for line in text_of(store.repository, "evaluation").splitlines()]


def contents(store: RunStore) -> tuple[object, ...]:
    repository = store.repository
    return sorted(repository.backend.oids(b"")), list(repository.refs())


def refused(text: str) -> str:
    """What is said of a bundle that is not taken, after a look whether the store is as it was."""
    with InMemoryRunStore() as store:
        before = contents(store)
        with pytest.raises((DataError, FormatError)) as caught:
            import_evaluation_bundle(store, StageBundle.from_json(text, "x.jsonl"))
        assert contents(store) == before
    return caught.value.message


def at(lines: list[Line], kind: str, number: int = 0, **fields: str) -> int:
    """The index of the n-th line of a kind with these fields."""
    found = [i for i, line in enumerate(lines) if line["kind"] == kind and fields.items() <= line.items()]
    return found[number]


def score(lines: list[Line]) -> Line:
    return lines[at(lines, "record", stage="score")]


def edit_score(lines: list[Line]) -> None:
    score(lines)["payload"]["data"]["value"] = 0.25


def drop_hash(lines: list[Line]) -> None:
    del score(lines)["hash"]


def null_hash(lines: list[Line]) -> None:
    score(lines)["hash"] = None


def drop_step_hash(lines: list[Line]) -> None:
    del score(lines)["step_hash"]


def drop_record(lines: list[Line]) -> None:
    del lines[at(lines, "record", stage="judge")]
    lines[-1]["lines"] -= 1


def drop_record_and_recount(lines: list[Line]) -> None:
    del lines[at(lines, "record", 1, stage="generate")]
    lines[-1]["lines"] -= 1


def drop_case(lines: list[Line]) -> None:
    del lines[at(lines, "case", 1)]
    lines[-1]["lines"] -= 1


def unknown_case(lines: list[Line]) -> None:
    score(lines)["case_id"] = "c9"


def other_dataset(lines: list[Line]) -> None:
    score(lines)["dataset_id"] = "sums"


def double(lines: list[Line]) -> None:
    index = at(lines, "record", stage="score")
    lines.insert(index, lines[index])


def swap(lines: list[Line]) -> None:
    index = at(lines, "record", stage="parse")
    lines[index], lines[index + 1] = lines[index + 1], lines[index]


def cut(lines: list[Line]) -> None:
    del lines[-3:]


def no_end(lines: list[Line]) -> None:
    del lines[-1]


def go_on(lines: list[Line]) -> None:
    lines.append(lines[-1])


def other_identity(lines: list[Line]) -> None:
    lines[0]["snapshot"]["identity"]["stages"]["generate"]["samples"] = 5


def other_run_id(lines: list[Line]) -> None:
    lines[0]["run_id"] = "0" * 64


def other_seed(lines: list[Line]) -> None:
    lines[at(lines, "record", stage="judge")]["step"]["seed"] = 1


def other_component(lines: list[Line]) -> None:
    lines[0]["stages"][3]["tracks"][0]["component"]["version"] = "2"


def other_input(lines: list[Line]) -> None:
    score(lines)["step"]["inputs"][0] = "0" * 64


def other_candidate(lines: list[Line]) -> None:
    score(lines)["candidate_id"] = "c0/1"


def observation_in_value(lines: list[Line]) -> None:
    lines[at(lines, "record", stage="generate")]["payload"]["data"]["latency_ms"] = 1.0


def wrong_type(lines: list[Line]) -> None:
    lines[at(lines, "record", stage="generate")]["payload"] = score(lines)["payload"]


def wrong_field(lines: list[Line]) -> None:
    score(lines)["payload"]["data"]["metric_id"] = 5


def later_version(lines: list[Line]) -> None:
    lines[0]["format"] = "themis.stage-bundle/2"
    lines[0]["novelty"] = True


def other_format(lines: list[Line]) -> None:
    lines[0]["format"] = "something.else/1"


def no_head(lines: list[Line]) -> None:
    del lines[0]


def bad_bytes(lines: list[Line]) -> None:
    lines[0]["snapshot"]["identity"]["stages"]["generate"]["generator"]["fingerprint"] = {"$bytes": "zz"}


def error_too(lines: list[Line]) -> None:
    score(lines)["error"] = {"category": "x", "type": "X", "message": ""}


def many_draws(lines: list[Line]) -> None:
    lines[at(lines, "record", stage="judge")]["index"] = 3


EDITS = {
    edit_score: "hash: ",
    drop_hash: "missing required field `hash`",
    null_hash: "payload: a record has either",
    drop_step_hash: "missing required field `step_hash`",
    drop_record: "not those that stages[4].tracks[0].values",
    drop_record_and_recount: "not those that stages[0].tracks[0].values",
    drop_case: "the cases before it are not those",
    unknown_case: "case_id: 'more/c9' is no case",
    other_dataset: "hash: ",
    double: "'more/c0' comes twice",
    swap: "'more/c0' comes after 'more/c1'",
    cut: "the file ends here",
    no_end: "the file ends here",
    go_on: "more lines follow the end",
    other_identity: "run_id: ",
    other_run_id: "run_id: ",
    other_seed: "step_hash: ",
    other_component: "stages[3].hash: ",
    other_input: "step.inputs[0]: no line before",
    other_candidate: "candidate_id: ",
    observation_in_value: "latency_ms belongs to step.observations",
    wrong_type: "payload.type: 'score' where generation",
    wrong_field: "payload.data: ",
    later_version: "this themis reads themis.stage-bundle/1",
    other_format: "format: 'something.else/1'",
    no_head: "kind: 'dataset' where 'head'",
    bad_bytes: "snapshot.identity.stages.generate.generator.fingerprint.$bytes: expected",
    error_too: "payload: a record has either",
    many_draws: "index: 3 where there are 1",
}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_what_was_altered_is_refused_at_its_place(text: str, edit: Edit) -> None:
    lines = [json.loads(line) for line in text.splitlines()]
    edit(lines)
    message = refused("".join(json.dumps(line) + "\n" for line in lines))
    assert message.startswith("x.jsonl:")
    assert EDITS[edit] in message


def test_records_of_another_run_are_refused(text: str, other: list[Line]) -> None:
    lines = [json.loads(line) for line in text.splitlines()]
    mixed = lines[: at(lines, "record", stage="judge")] + other[at(other, "record", stage="judge") :]
    assert refused("".join(json.dumps(line) + "\n" for line in mixed)).startswith("x.jsonl:")


@pytest.mark.parametrize(
    "garbage", ["", "\n", "{", "[]\n", "null\n", '{"kind":"head"}\n', '{"kind":"end","lines":0}\n', "\x00"]
)
def test_garbage_is_refused(garbage: str) -> None:
    assert refused(garbage)


def test_a_bundle_of_another_boundary_is_refused(text: str) -> None:
    with InMemoryRunStore() as store, pytest.raises(UsageError, match="boundary evaluation, not of generation"):
        import_generation_bundle(store, StageBundle.from_json(text))


@given(data=st.data())
@settings(max_examples=300)
def test_no_flipped_byte_is_taken_for_another_result(text: str, data: st.DataObject) -> None:
    raw = bytearray(text.encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    try:
        changed = raw.decode()
    except UnicodeDecodeError:
        return
    with InMemoryRunStore() as here, InMemoryRunStore() as there:
        import_evaluation_bundle(here, StageBundle.from_json(text))
        try:
            import_evaluation_bundle(there, StageBundle.from_json(changed))
        except (DataError, FormatError):
            assert contents(there) == contents(InMemoryRunStore())
        else:
            assert contents(there) == contents(here)


def other_id(store: RunStore, run: Run) -> Run:
    return replace(run, run_id=bytes(32))


def swapped_value(store: RunStore, run: Run) -> Run:
    """A run in which one case has the score of another."""
    from themis_vcs.pipeline.workspace import Workspace

    workspace = Workspace(store.repository)
    stage = store.repository.load(run.stages[-1], Stage)
    keys = dict(workspace.scan(stage.tracks[0].values))
    first, *_, last = keys
    values = workspace.update(stage.tracks[0].values, {first: keys[last]})
    altered = replace(stage.tracks[0], values=values)
    return replace(run, stages=[*run.stages[:-1], workspace.put(Stage(stage.name, [altered]))])


@pytest.mark.parametrize(
    ("change", "said"),
    [(other_id, "does not hash to the run id"), (swapped_value, "has another value than its track")],
)
def test_a_pack_whose_objects_are_sound_but_do_not_fit_is_refused(
    change: Callable[[RunStore, Run], Run], said: str, tmp_path: Path
) -> None:
    with InMemoryRunStore() as store, InMemoryRunStore() as target:
        experiment(3, metrics=[Spelling()]).run(store=store)
        part = part_of(store.repository, head(store.repository), "score")
        with (tmp_path / "x").open("wb") as file:
            pack(store.repository, part._replace(run=change(store, part.run)), file)
        with (tmp_path / "x").open("rb") as file, pytest.raises(Corrupt, match=said):
            take(target.repository, file, "x", "score", Options())
        assert list(target.repository.refs()) == []


class Spelling(Equal):
    """A metric that scores every case differently."""

    component_id = "test/spelling"

    def score(self, parsed: Any, case: Any, ctx: Any) -> Score:
        return Score(self.component_id, float(case.metadata["n"]))
