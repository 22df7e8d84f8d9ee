"""The pipeline's window on a store. In a dry run nothing is written: what would be new lives in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from themis_vcs.analysis.reading import Reader
from themis_vcs.model import tree
from themis_vcs.model.objects import Object, Step, Value, dump, load, references
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.pipeline.recent import Recent
from themis_vcs.signing.vouching import admit
from themis_vcs.store.repository import Repository


class Workspace(Reader):
    """Reads and writes of one run."""

    def __init__(self, repository: Repository, *, dry: bool = False) -> None:
        super().__init__(repository)
        admit(repository)
        self.dry = dry
        self._overlay: dict[Oid, bytes] = {}
        self._recent = Recent()
        self.save(tree.Built(tree.EMPTY[0], dict([tree.EMPTY])))

    def save(self, built: tree.Built) -> Oid:
        """Keep the new nodes of a tree, children first, and return its root; a root that is here has all its nodes.

        Nothing is looked up again: the entries are what the caller has put, and the other nodes those of a tree that
        is here.
        """
        if not self.repository.has(built.root):
            for oid, payload in built.nodes.items():
                self._keep(oid, payload, "tree", ())
        return built.root

    def put(self, obj: Object) -> Oid:
        """Keep an object."""
        payload = dump(obj)
        oid = oid_of(payload)
        label = f"value:{obj.type}" if isinstance(obj, Value) else type(obj).__name__.lower()
        self.write(oid, payload, label, tuple(references(obj)))
        return oid

    def write(self, oid: Oid, payload: bytes, label: str, refers_to: Sequence[Oid] | None = None) -> None:
        """Keep canonical bytes under their oid. The store makes sure of `refers_to`; if None, it is read from them."""
        if not self.dry:
            self._recent.add(oid, payload)
        self._keep(oid, payload, label, refers_to)

    def _keep(self, oid: Oid, payload: bytes, label: str, refers_to: Sequence[Oid] | None) -> None:
        if self.dry:
            self._overlay[oid] = payload
        else:
            self.repository.put_payload(oid, payload, label, refers_to)

    def flush(self) -> None:
        """Make durable what was kept so far."""
        if not self.dry:
            self.repository.flush()

    def missing(self, oids: Iterable[Oid]) -> list[Oid]:
        """Those that the store does not hold."""
        return self.repository.missing(oids)

    def steps(self, keys: Sequence[bytes]) -> Iterator[tuple[Oid, Step] | None]:
        """For each derivation key the step that is on record, or None."""
        found = self.repository.derivations_for(keys)
        wanted = [oid for oid in found if oid is not None]
        records = {oid: load(payload, Step) for oid, payload in self.repository.read_many(wanted)}
        for oid in found:
            yield None if oid is None else (oid, records[oid])

    def build(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        """Make a tree."""
        return self.save(tree.build(entries))

    def update(self, root: Oid, changes: dict[str, Oid | None]) -> Oid:
        """Make a tree from another one; None removes a key."""
        return self.save(tree.update(root, changes, self.node)) if changes else root

    def _payload(self, oid: Oid) -> bytes:
        return self._overlay.get(oid) or self._recent.get(oid) or super()._payload(oid)

    def _payloads(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        absent = []
        for oid in oids:
            payload = self._overlay.get(oid) or self._recent.get(oid)
            if payload is None:
                absent.append(oid)
            else:
                yield oid, payload
        yield from super()._payloads(absent)
