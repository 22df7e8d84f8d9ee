"""What a run that was audited before reaches, so that an audit of a later one looks at what is new only."""

from __future__ import annotations

from typing import Any

from themis_vcs.audit.evidence import Evidence, Problem
from themis_vcs.audit.trees import node_problem, split


class Reached:
    """The run, and the nodes of its trees. Its values and receipts are not read.

    Memory is taken for the oid of each node. What cannot be read is left out, and so is audited.
    """

    def __init__(self, evidence: Evidence, oid: bytes) -> None:
        self.oid = oid
        self.objects = {oid}
        self.nodes: set[bytes] = set()
        self._evidence = evidence
        self._tracks: dict[tuple[str, str], dict[str, Any]] = {}
        self._ground: tuple[Any, Any, Any] | None = None
        run = self._body(oid, "run")
        if run is None:
            return
        snapshot = self._body(run["snapshot"], "snapshot")
        if snapshot is not None:
            ground = _ground(snapshot["identity"])
            for root in ground[:2]:
                self._tree(root)
            self._ground = ground
        for stage in run["stages"]:
            body = self._body(stage, "stage")
            if body is not None:
                for track in body["tracks"]:
                    self._track(body["name"], track)

    def has_track(self, stage: str, track: dict[str, Any], identity: dict[str, Any]) -> bool:
        """Whether the run has the same track over the same cases, samples and seeds, so that it was explained there."""
        return self._tracks.get((stage, track["id"])) == track and self._ground == _ground(identity)

    def _track(self, stage: str, track: Any) -> None:
        if type(track) is not dict or type(track.get("id")) is not str:
            return
        self._tracks[(stage, track["id"])] = track
        for name in ("values", "steps", "failures"):
            self._tree(track.get(name))

    def _tree(self, root: Any) -> None:
        stack = [root]
        while stack:
            oid = stack.pop()
            if type(oid) is not bytes or len(oid) != 32 or oid in self.nodes:
                continue
            ((_, body),) = self._evidence.bodies([oid], "tree")
            if not isinstance(body, Problem) and node_problem(body) is None:
                self.nodes.add(oid)
                stack.extend(split(body["oids"]) if body["level"] else ())

    def _body(self, oid: Any, kind: str) -> dict[str, Any] | None:
        if type(oid) is not bytes or len(oid) != 32:
            return None
        ((_, body),) = self._evidence.bodies([oid], kind)
        return None if isinstance(body, Problem) else body


def _ground(identity: dict[str, Any]) -> tuple[Any, Any, Any]:
    """What of an identity decides which receipts a track must have."""
    stages = identity.get("stages")
    return identity.get("cases"), identity.get("datasets"), stages.get("generate") if type(stages) is dict else None
