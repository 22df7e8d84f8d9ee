"""What changed from one run to another: the configuration, the cases, and the surroundings."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from themis_vcs.analysis.differences import Difference, differences
from themis_vcs.analysis.reading import Reader
from themis_vcs.model.objects import Identity, Snapshot
from themis_vcs.model.oid import Oid

_LISTS = ("metrics", "judge_models")
_COMPONENT = {"id", "version", "fingerprint"}
_SURROUNDINGS = ("themis", "python", "platform", "git", "host", "environment", "imported", "packages")


class EntryChanges(msgspec.Struct, frozen=True):
    """How many entries of a tree are new, gone, or hold something else."""

    added: int = 0
    removed: int = 0
    changed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class RunChanges(msgspec.Struct, frozen=True):
    """What changed between two runs. Each component stands in `configuration` as "id version #code"."""

    configuration: list[Difference]
    cases: EntryChanges
    surroundings: list[Difference]


def changes(reader: Reader, old: Snapshot, new: Snapshot) -> RunChanges:
    """Compare two snapshots. Of two trees of cases only the branches that differ are read."""
    return RunChanges(
        configuration=[
            *_dataset_changes(reader, old.identity, new.identity),
            *differences(configuration(old.identity), configuration(new.identity)),
            *_option_changes(old, new),
        ],
        cases=entry_changes(reader, old.identity.cases, new.identity.cases),
        surroundings=differences(surroundings(old), surroundings(new)),
    )


def entry_changes(reader: Reader, old: Oid, new: Oid) -> EntryChanges:
    """Count what differs between two trees."""
    kinds = Counter(
        "added" if change.old is None else "removed" if change.new is None else "changed"
        for change in reader.diff(old, new)
    )
    return EntryChanges(kinds["added"], kinds["removed"], kinds["changed"])


def configuration(identity: Identity) -> dict[str, Any]:
    """The identity of a run, stage by stage, with each component as one line of text."""
    return {
        stage: {name: _labelled(name, value) for name, value in held.items()} for stage, held in identity.stages.items()
    }


def surroundings(snapshot: Snapshot) -> dict[str, Any]:
    """Where and with what a run was made, without how its components are made again."""
    return {name: snapshot.provenance[name] for name in _SURROUNDINGS if name in snapshot.provenance}


def component_label(name: str, version: str, fingerprint: bytes) -> str:
    """A component in one line: its id, its version, and the beginning of its fingerprint."""
    return f"{name} {version} #{fingerprint.hex()[:12]}"


def _labelled(name: str, value: Any) -> Any:
    if name in _LISTS:
        return {each["id"]: _labelled("", each) for each in value}
    if isinstance(value, dict) and value.keys() == _COMPONENT:
        return component_label(value["id"], value["version"], value["fingerprint"])
    return value


def _options(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """By stage and component, the options that it was made with."""
    return {
        f"{stage}.{recipe['id']}": recipe.get("config", {})
        for stage, recipes in snapshot.provenance.get("components", {}).items()
        for recipe in recipes
    }


def _option_changes(old: Snapshot, new: Snapshot) -> list[Difference]:
    before, after = _options(old), _options(new)
    return [
        change
        for name in sorted(before.keys() & after.keys())
        for change in differences(before[name], after[name], f"{name}.options")
    ]


def _dataset_changes(reader: Reader, old: Identity, new: Identity) -> list[Difference]:
    before, after = ({name: {"revision": revision} for name, revision in each.revisions.items()} for each in (old, new))
    found = differences(before, after, "datasets")
    for change in reader.diff(old.datasets, new.datasets):
        if change.old is not None and change.new is not None:
            before, after = (reader.value(oid)["metadata"] for oid in (change.old, change.new))
            found.extend(differences(before, after, f"datasets.{change.key}.metadata"))
    return found
