"""What differs between the surroundings of a run and those of now, or of another run.

A difference is no error: it says why results might differ. Whether they do is the next level's question. What now is
like, the caller says; nothing is executed and no module imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from themis_vcs.audit.evidence import Evidence, Problem
from themis_vcs.audit.finding import Finding, Outcome, Severity
from themis_vcs.audit.trees import entries

_MOST: Final = 20
_LISTED: Final = 10
_PLAIN: Final = (
    ("themis", ("themis",), "themis-differs"),
    ("Python", ("python", "version"), "python-differs"),
    ("implementation of Python", ("python", "implementation"), "python-differs"),
    ("system", ("platform", "system"), "platform-differs"),
    ("release of the system", ("platform", "release"), "platform-differs"),
    ("machine", ("platform", "machine"), "platform-differs"),
)


class Component(NamedTuple):
    """A component of a run: of which stage, under which id, and the hash of what it is."""

    stage: str
    id: str
    fingerprint: bytes


class Surroundings(NamedTuple):
    """A run's or a moment's surroundings. `called` says in a finding when or where: "then", "now", "in run …"."""

    called: str
    provenance: Mapping[str, Any]
    components: Mapping[tuple[str, str], bytes] = {}
    models: Mapping[tuple[str, str], frozenset[str]] = {}


Resolver = Callable[[dict[str, Any]], bytes | str]
"""From how a run says that a component is made to the fingerprint that it has here, or why that cannot be told."""


class Environment:
    """The surroundings of one run, held against those of `other`: of now, or of another run."""

    def __init__(self, here: Surroundings, other: Surroundings, oid: bytes, resolver: Resolver | None) -> None:
        self._then, self._other, self._oid, self._resolver = here, other, oid, resolver
        self._differ = 0

    def findings(self) -> Iterator[Finding]:
        """Everything that differs, and what cannot be told."""
        if not self._then.provenance.get("python"):
            yield self._finding("environment-unrecorded", "the run does not say in which surroundings it was made")
            return
        yield from self._plain()
        yield from self._packages()
        yield from self._code()
        if self._resolver is not None:
            yield from self._resolved(self._resolver)
        if self._other.components:
            yield from self._components()
        yield from self._models()

    def conclusion(self) -> tuple[Outcome, str]:
        """What the level comes to."""
        if not self._then.provenance.get("python"):
            return "cannot tell", "the run does not say in which surroundings it was made"
        if self._differ:
            return "reproduced in part", f"some of its surroundings are not the same {self._other.called}, or unknown"
        return "reproduced", f"its surroundings are the same {self._other.called}"

    def _plain(self) -> Iterator[Finding]:
        for label, path, code in _PLAIN:
            yield from self._pair(code, label, _at(self._then.provenance, path), _at(self._other.provenance, path))

    def _packages(self) -> Iterator[Finding]:
        then, other = (_map(each.provenance.get("packages")) for each in (self._then, self._other))
        for name in (name for name in then if name in other and then[name] != other[name]):
            yield from self._pair("package-differs", name, then[name], other[name])
        gone, more = (sorted(name for name in one if name not in two) for one, two in ((then, other), (other, then)))
        for names, called in ((gone, self._then.called), (more, self._other.called)):
            if names:
                listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
                packages = f"{len(names):,} package{'' if len(names) == 1 else 's'}"
                yield self._finding("packages-differ", f"{packages} only {called}: {listed}")

    def _code(self) -> Iterator[Finding]:
        """The state of the work tree that the experiment's code lay in."""
        then, other = (_map(each.provenance.get("git")) for each in (self._then, self._other))
        if then == other:
            if then.get("dirty") and not then.get("diff"):
                yield self._finding(
                    "uncommitted-changes", "its code had uncommitted changes, not recorded which", "warning"
                )
            return
        yield from self._pair("commit-differs", "commit", then.get("commit"), other.get("commit"))
        if then.get("dirty"):
            message = "its code had uncommitted changes, so the commit alone does not give it back"
            yield self._finding("uncommitted-changes", message, "warning")
        elif other.get("dirty"):
            yield self._finding("uncommitted-changes", f"the code has uncommitted changes {self._other.called}")

    def _resolved(self, resolver: Resolver) -> Iterator[Finding]:
        """The components as the run says they are made, made here."""
        for stage, recipes in _map(self._then.provenance.get("components")).items():
            for recipe in recipes if type(recipes) is list else ():
                if type(recipe) is not dict or type(recipe.get("id")) is not str:
                    continue
                found, way = resolver(recipe), [f"stage {stage:.80}", f"component {recipe['id']:.200}"]
                if isinstance(found, str):
                    why = "; ".join(line.strip() for line in found.splitlines())
                    yield self._finding("component-unresolved", f"cannot tell whether it is the same: {why}", way=way)
                elif found != recipe.get("fingerprint"):
                    message = "its code or configuration is not what it was: a run would execute its steps again"
                    yield self._finding("component-differs", message, "warning", way)

    def _components(self) -> Iterator[Finding]:
        then, other = self._then.components, self._other.components
        for stage, name in [*then, *(key for key in other if key not in then)]:
            one, two = (each[(stage, name)].hex()[:12] if (stage, name) in each else None for each in (then, other))
            label, way = f"fingerprint of {name}", [f"stage {stage}"]
            yield from self._pair("component-differs", label, one, two, severity="warning", way=way)

    def _models(self) -> Iterator[Finding]:
        """What the provider said that it answered with."""
        for (stage, name), answered in self._then.models.items():
            way = [f"stage {stage:.80}", f"component {name:.200}"]
            if len(answered) > 1:
                message = f"it was answered by {len(answered)} models or states of them: {_some(answered)}"
                yield self._finding("models-several", message, "warning", way)
            other = self._other.models.get((stage, name))
            if other is not None and other != answered:
                message = f"answered by {_some(answered)} {self._then.called}, by {_some(other)} {self._other.called}"
                yield self._finding("model-differs", message, "warning", way)

    def _pair(
        self, code: str, label: str, then: Any, other: Any, severity: Severity = "note", way: list[str] | None = None
    ) -> Iterator[Finding]:
        if then != other:
            said = (f"{'none' if each is None else each!s:.80}" for each in (then, other))
            one, two = said
            message = f"{label:.80}: {one} {self._then.called}, {two} {self._other.called}"
            yield self._finding(code, message, severity, way)

    def _finding(self, code: str, message: str, severity: Severity = "note", way: list[str] | None = None) -> Finding:
        self._differ += 1
        whole = [f"run {self._oid.hex()[:12]}", *(way or ["snapshot"])]
        return Finding(code=code, level="environment", severity=severity, message=message[:1_000], way=whole)


def surroundings(evidence: Evidence, oid: bytes, called: str) -> Surroundings:
    """Those of a run that was found intact."""
    run = evidence.body(oid, "run")
    provenance = evidence.body(run["snapshot"], "snapshot")["provenance"]
    components: dict[tuple[str, str], bytes] = {}
    models: dict[tuple[str, str], frozenset[str]] = {}
    for stage in (evidence.body(each, "stage") for each in run["stages"]):
        for track in stage["tracks"]:
            for each in (track["component"], *track["component"].get("also", [])):
                components[(stage["name"], each["id"])] = each["fingerprint"]
            if stage["name"] == "generate":
                answered = _answered(evidence, track["steps"])
                if answered:
                    models[(stage["name"], track["id"])] = answered
    return Surroundings(called, provenance, components, models)


def _answered(evidence: Evidence, steps: bytes) -> frozenset[str]:
    """The models, with the fingerprints of their systems, that a provider named in its answers, at most some."""
    found: set[str] = set()
    for _, body in evidence.bodies((oid for _, oid in entries(evidence, steps)), "step"):
        provider = None if isinstance(body, Problem) else body["observations"].get("provider")
        if type(provider) is dict and len(found) < _MOST:
            named = (provider.get("model"), provider.get("system_fingerprint"))
            said = " ".join(f"{each:.80}" for each in named if type(each) is str)
            if said:
                found.add(said)
    return frozenset(found)


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        data = _map(data).get(name)
    return data


def _map(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def _some(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)[:_LISTED])
