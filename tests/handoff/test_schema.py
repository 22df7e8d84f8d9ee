"""The JSON Schema that is published is that of the lines that are written."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from tests.support.components import Answer
from tests.support.experiments import experiment
from tests.support.handingover import text_of
from themis_vcs import InMemoryRunStore
from themis_vcs.handoff.stages.lines import schema_text

PUBLISHED = Path(__file__).parents[2] / "docs/reference/format/stage-bundle.schema.json"


class Asker(Answer):
    """A generator that sees only part of a case, which is a value of its own."""

    component_id = "test/asker"
    reads = frozenset({"input"})


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text() == schema_text(), "write schema_text() there"


def test_every_line_that_is_written_fits_it() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text()))
    with InMemoryRunStore() as store:
        experiment(samples=2, generator=Asker()).run(store=store)
        lines = text_of(store.repository, "evaluation").splitlines()
    assert {json.loads(line)["kind"] for line in lines} == {"head", "dataset", "case", "input", "record", "end"}
    for line in lines:
        validator.validate(json.loads(line))


def test_a_line_without_its_hash_does_not_fit_it() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text()))
    payload = {"type": "case", "data": {"case_id": "c"}}
    line = {"kind": "case", "dataset_id": "d", "case_id": "c", "payload": payload, "hash": "0" * 64}
    validator.validate(line)
    del line["hash"]
    assert not validator.is_valid(line)
