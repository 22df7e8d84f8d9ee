"""The metadata of an archive as a Process Run RO-Crate: files, runs, components, datasets, people, licence.

RO-Crate 1.3, https://w3id.org/ro/crate/1.3; profile 0.6, https://w3id.org/ro/wfrun/process/0.6.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any, Final

from themis_vcs.analysis.lookup import stages_of
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.archive.citation import Credits
from themis_vcs.archive.contents import Form, Subject
from themis_vcs.archive.layout import BUNDLE, CITATION, FORMAT, LICENCES, PAYLOAD, READER, README, RUNS, STAGES
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
    newest = max(each.found.run.time for each in subjects)
    tools = {"#themis": _themis()}
    actions: list[Entity] = []
    contexts: dict[str, Entity] = {}
    for each in subjects:
        used = {_tool_id(tool): _tool(tool) for tool in _components(each)}
        given = {entity["@id"]: entity for entity in _datasets(each)}
        tools |= used
        contexts |= given
        agent = people[0] if people else {"@id": "#themis-user", "@type": "Person", "name": each.found.run.who}
        if not people:
            contexts[agent["@id"]] = agent
        actions.append(_action(each, list(used), list(given), agent["@id"], forms))
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": said.title,
        "description": said.description or f"Evaluations of language models: {said.title}",
        "datePublished": moment(newest)[:10],
        "license": _to(licence["@id"]) if licence else "No licence was given; ask the authors before use.",
        "conformsTo": _to(PROFILE),
        "hasPart": [_to(_path(name)) for name in sizes],
        "mentions": [_to(each["@id"]) for each in actions],
    }
    if people:
        root["author"] = [_to(each["@id"]) for each in people]
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.6"}
    graph += [root, profile, *(_file(name, size, forms) for name, size in sizes.items())]
    graph += [*actions, *tools.values(), *contexts.values(), *people, *([licence] if licence else [])]
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


def _action(each: Subject, tools: list[str], datasets: list[str], agent: str, forms: Mapping[str, Form]) -> Entity:
    run = each.found.run
    action: Entity = {
        "@id": f"#run-{each.found.oid.hex()[:12]}",
        "@type": "CreateAction",
        "name": f"Run {run.name}",
        "description": f"{run.reason}; status {run.status}, completed through {run.completed_through or 'no stage'}",
        "identifier": run.run_id.hex(),
        "endTime": moment(run.time),
        "instrument": [_to("#themis"), *map(_to, tools)],
        "object": [_to(each) for each in datasets],
        "result": [_to(f"{_path(RUNS)}{each.label}/{name}") for name in forms],
        "agent": _to(agent),
    }
    if run.status in _FINISHED:
        action["actionStatus"] = _to("http://schema.org/CompletedActionStatus")
    elif run.status == "interrupted":
        action["actionStatus"] = _to("http://schema.org/FailedActionStatus")
        action["error"] = "the run was interrupted"
    return action


def _components(each: Subject) -> Iterator[ComponentRef]:
    pending = [
        track.component for stage in stages_of(each.repository, each.found.run).values() for track in stage.tracks
    ]
    while pending:
        tool = pending.pop(0)
        yield tool
        pending.extend(tool.also)


def _tool_id(tool: ComponentRef) -> str:
    return f"#component-{tool.fingerprint.hex()[:16]}"


def _tool(tool: ComponentRef) -> Entity:
    entity = {"@id": _tool_id(tool), "@type": "SoftwareApplication", "name": tool.id}
    if tool.version:
        entity["softwareVersion"] = tool.version
    if tool.target:
        entity["alternateName"] = tool.target
    return {**entity, "identifier": tool.fingerprint.hex()}


def _datasets(each: Subject) -> Iterator[Entity]:
    identity = each.found.snapshot.identity
    for key, oid in Reader(each.repository).scan(identity.datasets):
        data = each.repository.load(oid, Value).data
        name = data["dataset_id"]
        entity = {"@id": f"#dataset-{key}", "@type": "CreativeWork", "name": name, "identifier": oid.hex()}
        revision = identity.revisions.get(name)
        if revision:
            entity["version"] = revision
        yield {**entity, "isPartOf": _to(f"{_path(RUNS)}{each.label}/{STAGES}")}


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


def _themis() -> Entity:
    return {
        "@id": "#themis",
        "@type": "SoftwareApplication",
        "name": "themis",
        "softwareVersion": version("themis-vcs"),
    }
