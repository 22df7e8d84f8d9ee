"""Whether everything that a run is made of is there, unharmed and of the right kind, and its refs stand where they may.

A run is gone through from the top; a tree node that was seen is not gone into again. Memory is taken for a few facts of
each node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from themis_vcs.audit.evidence import Evidence, Problem
from themis_vcs.audit.finding import Finding
from themis_vcs.audit.since import Reached
from themis_vcs.audit.trees import Node, Stated, children, misplaced, node_of, split
from themis_vcs.errors import ThemisError
from themis_vcs.store.view import View

_IDENTITY_FIELDS: Final = frozenset({"cases", "datasets", "revisions", "stages"})
_SHOWN_CASES: Final = frozenset({"generate", "score", "judge"})
"""The stages whose components are shown a case, or some fields of it, which are then a value of their own."""
_CASES: Final = ["snapshot", "cases"]
_DATASETS: Final = ["snapshot", "datasets"]
_TRACK_FIELDS: Final = frozenset({"id", "component", "params", "fanout", "inputs", "values", "steps", "failures"})


class Integrity:
    """The walk over the objects of runs. What it has seen once, or was `reached` before, it does not look at again."""

    def __init__(self, evidence: Evidence, reached: Reached | None = None) -> None:
        self._evidence = evidence
        self._seen: set[bytes] = set() if reached is None else set(reached.objects)
        self._audited = frozenset() if reached is None else reached.nodes
        self._cases: set[bytes] = set()
        self._forgotten = evidence.view.forgotten()
        self._nodes: dict[str, dict[bytes, Node | None]] = {"value": {}, "step": {}}

    def findings(self, oid: bytes) -> Iterator[Finding]:
        """What is wrong with a run, its surroundings, its stages, its refs, and the runs before it."""
        before = [oid]
        while before:
            each = before.pop()
            if each in self._seen:
                continue
            self._seen.add(each)
            way = [f"run {each.hex()[:12]}"]
            if each in self._forgotten:
                what = "a run before it was forgotten; what it held is gone"
                yield Finding(
                    code="run-forgotten", level="integrity", severity="note", message=what, way=way, oid=each.hex()
                )
                continue
            body = self._body(each, "run")
            if isinstance(body, Problem):
                yield self._absent(body, way, each, is_parent=each != oid)
                continue
            if not _are_oids(body["stages"]) or not _are_oids(body["parents"]):
                yield _finding(Problem("object-malformed", "its stages or its parents are no oids"), way, each)
                continue
            yield from self._snapshot(body["snapshot"], way)
            for stage in body["stages"]:
                yield from self._stage(stage, way)
            before.extend(body["parents"])
            if each == oid:
                stages = dict(self._evidence.bodies(body["stages"], "stage"))
                named = {at["name"]: stage for stage, at in stages.items() if not isinstance(at, Problem)}
                yield from _refs(self._evidence.view, each, body, named)

    def _absent(self, problem: Problem, way: list[str], oid: bytes, *, is_parent: bool) -> Finding:
        """What it means that a run is no evidence: of the one that is audited, or of one before it."""
        return _finding(problem, [*way, "as a run before it"] if is_parent else way, oid)

    def _snapshot(self, oid: bytes, way: list[str]) -> Iterator[Finding]:
        if oid in self._seen:
            return
        self._seen.add(oid)
        way = [*way, "snapshot"]
        body = self._body(oid, "snapshot")
        if isinstance(body, Problem):
            yield _finding(body, way, oid)
            return
        identity = body["identity"]
        wrong = _identity_problem(identity)
        if wrong:
            yield _finding(Problem("object-malformed", wrong), way, oid)
            return
        for name in ("cases", "datasets"):
            yield from self._tree(identity[name], "value", [*way, name])

    def _stage(self, oid: bytes, way: list[str]) -> Iterator[Finding]:
        if oid in self._seen:
            return
        self._seen.add(oid)
        body = self._body(oid, "stage")
        if isinstance(body, Problem):
            yield _finding(body, [*way, "stage"], oid)
            return
        way = [*way, f"stage {body['name']}"]
        for track in body["tracks"]:
            wrong = _track_problem(track)
            if wrong:
                yield _finding(Problem("object-malformed", wrong), way, oid)
                continue
            here = [*way, f"track {track['id']}"]
            yield from self._leaves([("params", track["params"])], "value", here)
            for name, root in track["inputs"]:
                yield from self._tree(root, "value", [*here, f"input {name}"])
            for name, kind in (("values", "value"), ("steps", "step"), ("failures", "step")):
                yield from self._tree(track[name], kind, [*here, name])

    def _tree(self, root: bytes, kind: str, way: list[str]) -> Iterator[Finding]:
        """The nodes from left to right, each read once; its place is held against what every parent states."""
        known = self._nodes[kind]
        stack = [(root, Stated())]
        while stack:
            oid, stated = stack.pop()
            if oid in self._audited:
                continue
            body: dict[str, Any] | None = None
            if oid not in known:
                body, known[oid], wrong = self._node(oid)
                if wrong is not None:
                    yield _finding(wrong, way, oid)
            node = known[oid]
            if node is None:
                continue
            misfit = misplaced(node, stated)
            if misfit:
                yield _finding(Problem("tree-malformed", misfit), way, oid)
            if body is not None and node.level:
                stack.extend(reversed(children(body, stated)))
            elif body is not None:
                yield from self._leaves(list(zip(body["keys"], split(body["oids"]), strict=True)), kind, way)

    def _node(self, oid: bytes) -> tuple[dict[str, Any] | None, Node | None, Problem | None]:
        body = self._body(oid, "tree")
        if isinstance(body, Problem):
            return None, None, body
        node = node_of(body)
        if isinstance(node, str):
            return None, None, Problem("tree-malformed", node)
        return body, node, None

    def _leaves(self, found: Sequence[tuple[str, bytes]], kind: str, way: list[str]) -> Iterator[Finding]:
        views: dict[bytes, str] = {}
        for (key, _), (oid, body) in zip(found, self._evidence.bodies((oid for _, oid in found), kind), strict=True):
            if isinstance(body, Problem):
                yield _finding(body, [*way, key], oid)
            elif kind == "step" and not _is_step(body):
                yield _finding(Problem("object-malformed", "not a valid step"), [*way, key], oid)
            elif kind == "step":
                shown = body["inputs"][0] if body["inputs"] else None
                if body["stage"] in _SHOWN_CASES and shown is not None and shown not in self._cases:
                    views.setdefault(shown, key)
            elif way[-2:] == _CASES:
                self._cases.add(oid)
                yield from _misnamed(key, key.partition("/")[2], body, "case", [*way, key], oid)
            elif way[-2:] == _DATASETS:
                yield from _misnamed(key, key, body, "dataset", [*way, key], oid)
        for oid, body in self._evidence.bodies(views, "value"):
            if isinstance(body, Problem):
                yield _finding(body, [*way, views[oid], "what was shown of its case"], oid)

    def _body(self, oid: bytes, kind: str) -> dict[str, Any] | Problem:
        ((_, found),) = self._evidence.bodies([oid], kind)
        return found


def _refs(view: View, oid: bytes, run: dict[str, Any], stages: dict[str, bytes]) -> Iterator[Finding]:
    """Whether the refs of a run stand where their logs say, and those of its stages at its own."""
    prefix = f"runs/{run['run_id'].hex()}/"
    for ref in (*_names(view, oid, run["name"]), *(f"{prefix}{each}" for each in ("head", *stages))):
        yield from _log(view, ref)
    try:
        there = dict(view.refs(prefix))
    except ThemisError as error:
        yield _of_ref("ref-damaged", str(error), prefix)
        return
    if there.pop(f"{prefix}head", None) == oid:
        for name, stage in stages.items():
            if there.get(f"{prefix}{name}", stage) != stage:
                message = f"{prefix}{name}: it is not at that stage of the run that its head is at"
                yield _of_ref("ref-moved", message, f"{prefix}{name}")


def _log(view: View, ref: str) -> Iterator[Finding]:
    """Whether a ref came to where it is by an unbroken line of moves."""
    try:
        at, moves = view.ref(ref), view.reflog(ref)
    except ThemisError as error:
        yield _of_ref("ref-damaged", str(error), ref)
        return
    if at is None:
        return
    # Newest first: each move began where the one before it ended, and the ref stands where the last one did.
    for then, move in zip([at, *(each.old for each in moves)], moves, strict=False):
        if then != move.new:
            ended = "nowhere" if move.new is None else move.new.hex()[:12]
            message = f"{ref}: a move ended at {ended}, and what follows is elsewhere: it was moved by other means"
            yield _of_ref("ref-moved", message, ref)
    if moves and moves[-1].old is not None:
        yield _of_ref("ref-moved", f"{ref}: its log begins in the midst, moves before that are lacking", ref)


def _names(view: View, oid: bytes, made_under: str) -> list[str]:
    """The name that a run was made under, and those that stand at it now."""
    try:
        at = [name for name, target in view.refs("names/") if target == oid]
    except ThemisError:
        at = []  # the ref that cannot be read is found below, or by an audit of what it is at
    return list(dict.fromkeys([f"names/{made_under}", *at]))


def _of_ref(code: str, message: str, ref: str) -> Finding:
    return Finding(code=code, level="integrity", severity="error", message=message, way=[ref])


def _misnamed(key: str, name: str, body: dict[str, Any], kind: str, way: list[str], oid: bytes) -> Iterator[Finding]:
    """A case or dataset says itself which it is; whether that is what it stands under (TREE-13)."""
    said = body["data"].get(f"{kind}_id") if body["type"] == kind and type(body["data"]) is dict else None
    if said != name and not (type(said) is str and said.encode("utf-8", "replace") == unquote_to_bytes(name)):
        message = f"it stands under {key!r:.200}, and says that it is {said!r:.200}"
        yield _finding(Problem(f"{kind}-misnamed", message), way, oid)


def _is_step(body: dict[str, Any]) -> bool:
    return _are_oids(body["inputs"]) and (body["value"] is None) != (body["error"] is None)


def _identity_problem(identity: dict[str, Any]) -> str | None:
    if frozenset(identity) != _IDENTITY_FIELDS:
        return "an identity that has not the fields of one"
    if not _are_oids([identity["cases"], identity["datasets"]]):
        return "identity: cases or datasets is no oid"
    stages = identity["stages"]
    if type(stages) is not dict or not all(type(each) is dict for each in stages.values()):
        return "identity.stages: not a map for each stage"
    generate = stages.get("generate", {})
    seeds, samples = generate.get("seeds", []), generate.get("samples", 1)
    if type(seeds) is not list or not all(type(each) is int for each in seeds) or type(samples) is not int:
        return "identity.stages.generate: samples or seeds are no integers"
    listed = (stage.get("metrics", []) for stage in stages.values())
    if not all(type(each) is list and all(type(ref) is dict for ref in each) for each in listed):
        return "identity.stages: metrics are no list of components"
    return None


def _is_component(component: Any) -> bool:
    """Whether the parts of a component that matter here are of their types (OBJ, stage)."""
    return (
        type(component) is dict
        and type(component.get("id")) is str
        and _are_oids([component.get("fingerprint")])
        and type(component.get("deterministic")) is bool
        and type(component.get("also", [])) is list
        and all(_is_component(each) for each in component.get("also", []))
    )


def _track_problem(track: Any) -> str | None:
    if type(track) is not dict or frozenset(track) != _TRACK_FIELDS or type(track["id"]) is not str:
        return "a track that has not the fields of a track"
    if not _is_component(track["component"]):
        return f"track {track['id']!r:.80}: its component is none"
    if not _are_oids([track[name] for name in ("params", "values", "steps", "failures")]):
        return f"track {track['id']!r:.80}: a reference is no oid"
    if type(track["fanout"]) is not int or track["fanout"] < 0:
        return f"track {track['id']!r:.80}: fanout is no count"
    if not _are_inputs(track["inputs"]):
        return f"track {track['id']!r:.80}: inputs are no pairs of a name and an oid"
    return None


def _are_inputs(pairs: Any) -> bool:
    return type(pairs) is list and all(
        type(pair) is list and len(pair) == 2 and type(pair[0]) is str and _are_oids(pair[1:]) for pair in pairs
    )


def _are_oids(found: Any) -> bool:
    return type(found) is list and all(type(each) is bytes and len(each) == 32 for each in found)


def _finding(problem: Problem, way: list[str], oid: bytes) -> Finding:
    return Finding(
        code=problem.code,
        level="integrity",
        severity="error",
        message=f"object {oid.hex()[:12]}: {problem.message}",
        way=way,
        oid=oid.hex(),
    )
