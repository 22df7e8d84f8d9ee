"""The metadata of an archive as a Process Run RO-Crate: files, runs, components, datasets, people, licence.

RO-Crate 1.3, https://w3id.org/ro/crate/1.3; profile 0.6, https://w3id.org/ro/wfrun/process/0.6.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from themis_vcs.analysis.lookup import stages_of
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.archive.citation import Credits
from themis_vcs.archive.contents import Form, Subject
from themis_vcs.archive.layout import BUNDLE, CITATION, FORMAT, LICENCES, PAYLOAD, READER, README, RUNS
from themis_vcs.model.objects import ComponentRef, Value

SPECIFICATION: Final = "https://w3id.org/ro/crate/1.3"
PROFILE: Final = "https://w3id.org/ro/wfrun/process/0.6"
_TYPES: Final = {".md": "text/markdown", ".json": "application/json", ".txt": "text/plain", ".py": "text/x-python"}
_ABOUT: Final = {
    README: "How to read this without themis",
    READER: "A program that reads stages.jsonl, in plain Python",
    BUNDLE: "The runs and those before them, as objects",
    CITATION: "How to cite this",
}
_FINISHED: Final = ("completed", "completed_with_failures")

Entity = dict[str, Any]


def crate(said: Credits, subjects: Sequence[Subject], forms: Mapping[str, Form], sizes: Mapping[str, int]) -> bytes:
    """Return `ro-crate-metadata.json`; `forms` are the files of each run, `sizes` those of the payload beside it."""
    graph: list[Entity] = [
        {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "conformsTo": _to(SPECIFICATION), "about": _to("./")}
    ]
    people, licence = list(_people(said)), _licence(said)
    actions = [_action(each, forms) for each in subjects]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": said.title,
        "description": said.description or f"Evaluations of language models: {said.title}",
        "datePublished": moment(max(each.found.run.time for each in subjects))[:10],
        "license": _to(licence["@id"]) if licence else "No licence was given; ask the authors before use.",
        "conformsTo": _to(PROFILE),
        "hasPart": [_to(_path(name)) for name in sizes],
        "mentions": [_to(each["@id"]) for each in actions],
    }
    if people:
        root["author"] = [_to(each["@id"]) for each in people]
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.6"}
    graph += [root, profile, *(_file(name, size, forms) for name, size in sizes.items()), *actions]
    made_of = (entity for each in subjects for entity in (*_tools(each), *_datasets(each), _user(each)))
    graph += {entity["@id"]: entity for entity in made_of}.values()
    graph += [*people, *([licence] if licence else [])]
    context = [f"{SPECIFICATION}/context", "https://w3id.org/ro/terms/workflow-run/context"]
    return (json.dumps({"@context": context, "@graph": graph}, indent=1, ensure_ascii=False) + "\n").encode()


def _path(name: str) -> str:
    return name.removeprefix(PAYLOAD)


def _to(identifier: str) -> Entity:
    return {"@id": identifier}


def _file(name: str, size: int, forms: Mapping[str, Form]) -> Entity:
    """The entity of a file."""
    last = PurePosixPath(name)
    form = forms.get(last.name) if name.startswith(RUNS) else None
    entity: Entity = {"@id": _path(name), "@type": "File", "name": last.name, "contentSize": str(size)}
    about = form.about if form else _ABOUT.get(name)
    if about:
        entity["description"] = about
    media_type = form.media_type if form else _TYPES.get(last.suffix, "application/octet-stream")
    entity["encodingFormat"] = "text/yaml" if name == CITATION else media_type
    page = form.specified if form else "bundle.md" if name == BUNDLE else None
    if page:
        entity["conformsTo"] = _to(_path(FORMAT + page))
    return entity


def _action(each: Subject, forms: Mapping[str, Form]) -> Entity:
    run = each.found.run
    action: Entity = {
        "@id": f"#run-{each.found.oid.hex()[:12]}",
        "@type": "CreateAction",
        "name": f"Run {run.name}",
        "description": f"{run.reason}; status {run.status}, completed through {run.completed_through or 'no stage'}",
        "identifier": run.run_id.hex(),
        "endTime": moment(run.time),
        "instrument": _each_once(_tools(each)),
        "object": _each_once(_datasets(each)),
        "result": [_to(f"{_path(RUNS)}{each.label}/{name}") for name in forms],
        "agent": _to(_user(each)["@id"]),
    }
    if run.status in _FINISHED:
        action["actionStatus"] = _to("http://schema.org/CompletedActionStatus")
    elif run.status == "interrupted":
        action["actionStatus"] = _to("http://schema.org/FailedActionStatus")
        action["error"] = "the run was interrupted"
    return action


def _each_once(entities: Iterator[Entity]) -> list[Entity]:
    return [_to(identifier) for identifier in dict.fromkeys(each["@id"] for each in entities)]


def _tools(each: Subject) -> Iterator[Entity]:
    """themis as it was when it made the run, and the components."""
    version = str(each.found.snapshot.provenance.get("themis", "unknown"))
    yield {
        "@id": f"#themis-{quote(version, safe='')}",
        "@type": "SoftwareApplication",
        "name": "themis",
        "softwareVersion": version,
    }
    stages = stages_of(each.repository, each.found.run).values()
    pending = [track.component for stage in stages for track in stage.tracks]
    while pending:
        tool = pending.pop(0)
        yield _tool(tool)
        pending.extend(tool.also)


def _tool(tool: ComponentRef) -> Entity:
    fingerprint = tool.fingerprint.hex()
    entity = {"@id": f"#component-{fingerprint[:16]}", "@type": "SoftwareApplication", "name": tool.id}
    if tool.version:
        entity["softwareVersion"] = tool.version
    if tool.target:
        entity["alternateName"] = tool.target
    return {**entity, "identifier": fingerprint}


def _datasets(each: Subject) -> Iterator[Entity]:
    identity = each.found.snapshot.identity
    for _, oid in Reader(each.repository).scan(identity.datasets):
        name = each.repository.load(oid, Value).data["dataset_id"]
        revision = identity.revisions.get(name)
        entity = {"@id": f"#dataset-{oid.hex()[:16]}", "@type": "CreativeWork", "name": name, "identifier": oid.hex()}
        yield entity if revision is None else {**entity, "version": revision}


def _user(each: Subject) -> Entity:
    """Who made a run, as the store says it: not always one of the authors of the archive."""
    who = each.found.run.who or "unknown"
    return {"@id": f"#user-{quote(who, safe='')}", "@type": "Person", "name": who}


def _people(said: Credits) -> Iterator[Entity]:
    for number, author in enumerate(said.authors, start=1):
        entity = {"@id": author.orcid or f"#author-{number}", "@type": "Person", "name": author.shown}
        if author.parts:
            entity |= {"familyName": author.parts[0], "givenName": author.parts[1]}
        yield entity


def _licence(said: Credits) -> Entity | None:
    if said.license is None:
        return None
    return {"@id": LICENCES + said.license, "@type": "CreativeWork", "name": said.license}
