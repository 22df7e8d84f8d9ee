"""Whether a metric is the same instrument in two runs: its own state, that of its judges, and of the parser before it.

Where it is not, a difference of scores need not be one of the answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from themis_vcs.analysis.changes import component_label
from themis_vcs.analysis.comparison.document import OtherState
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.model.objects import ComponentRef, Track


def other_states(reader: Reader, runs: tuple[Located, Located], tracks: tuple[Track, Track]) -> list[OtherState]:
    """What the scores of a metric were made with that is not the same in both runs."""
    return list(_other_states(reader, runs, tracks))


def _other_states(reader: Reader, runs: tuple[Located, Located], tracks: tuple[Track, Track]) -> Iterator[OtherState]:
    base, other = tracks
    yield from _differing("metric", [base.component], [other.component])
    yield from _differing("judge", base.component.also, other.component.also)
    yield from _differing("parser", *(_parsers(reader, run, track) for run, track in zip(runs, tracks, strict=True)))
    if base.params != other.params:
        yield OtherState("settings", None, None)


def _parsers(reader: Reader, run: Located, track: Track) -> list[ComponentRef]:
    """The parser whose values a metric read."""
    stage, root = stages_of(reader.repository, run.run).get("parse"), dict(track.inputs).get("parse")
    return [each.component for each in stage.tracks if each.values == root] if stage is not None else []


def _differing(role: str, before: list[ComponentRef], after: list[ComponentRef]) -> Iterator[OtherState]:
    """The components that are not in both lists in one state; those with one id belong together, and two alone do."""
    old = {each.id: each for each in before}
    new = {each.id: each for each in after}
    names = [(name, name) for name in dict.fromkeys([*old, *new])]
    if len(old) == len(new) == 1:
        names = list(zip(old, new, strict=True))
    for one, other in ((old.get(before_name), new.get(after_name)) for before_name, after_name in names):
        if one is None or other is None or (one.id, one.fingerprint) != (other.id, other.fingerprint):
            yield OtherState(role, _label(one), _label(other))


def _label(component: ComponentRef | None) -> str | None:
    if component is None:
        return None
    return component_label(component.id, component.version, component.fingerprint)
