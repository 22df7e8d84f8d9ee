"""Whether objects that arrive refer to objects of the kinds that they must refer to (OBJ-15), and refs too.

Not responsible for whether these objects are there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from themis_vcs.errors import DamagedSignature, MissingReference, WrongKind
from themis_vcs.model.kinds import Kind, Subtree, kinds_referred
from themis_vcs.model.objects import KINDS, Object, Run, Tag, TreeNode, Value, load, references
from themis_vcs.model.oid import Oid
from themis_vcs.signing import signature, storeid
from themis_vcs.signing.statement import SIGNATURES
from themis_vcs.store.backend import Stored
from themis_vcs.store.tombstones import TOMBSTONES

REMEMBERED: Final = 250_000
"""The kind of an object is remembered until at least so many others have been met; then it is read again."""
_AT_ONCE: Final = 4_096

Read = Callable[[Sequence[Oid]], Iterable[tuple[Oid, bytes]]]
"""Gives the payloads of those of some objects that are to be had."""


def kind_met(obj: Object) -> Kind:
    """Return what an object is, to be compared with what others refer to it as."""
    if isinstance(obj, TreeNode):
        return Subtree(obj.level, sum(obj.counts) if obj.level else len(obj.keys), obj.keys[-1] if obj.keys else "")
    return type(obj)


def is_of(met: Kind, wanted: Kind) -> bool:
    """Say whether what an object is satisfies who refers to it."""
    return met == wanted or (wanted is TreeNode and isinstance(met, Subtree))


def kind_text(kind: Kind) -> str:
    """Return what messages call it."""
    if isinstance(kind, Subtree):
        return f"tree of level {kind.level} with {kind.entries:,} entries up to {kind.last[:60]!r}"
    return next(name for name, each in KINDS.items() if each is kind)


def check_ref(name: str, oid: Oid, payload: bytes) -> None:
    """WrongKind, DamagedSignature if a ref cannot point to an object (WIRE-4)."""
    if name.startswith(SIGNATURES):
        signature.read(name, oid, payload)
        return
    if name.startswith("store/"):
        if name != storeid.REF:
            raise DamagedSignature(f"ref {name} cannot be: of a store there is {storeid.REF}", oid=oid, ref=name)
        storeid.read(oid, payload)
        return
    wanted: Kind = Tag if name.startswith("tags/") else Value if name.startswith(TOMBSTONES) else Run
    met = kind_met(load(payload))
    if met is not wanted:
        raise WrongKind(kind_text(wanted), kind_text(met), oid=oid, user=f"ref {name}")


class Kinds:
    """The kinds of objects that arrive children first, and of those from before that they refer to, which are read.

    Of an object that neither arrives nor can be read, nothing is said. Memory is bounded, but for one oid per object
    between two calls of `settle`.
    """

    def __init__(self, read: Read, *, complete: bool = False) -> None:
        """With `complete`, an object that is neither here nor arrives can only be a run before others, which somebody
        may have forgotten; for any other MissingReference is raised.
        """
        self._read, self._complete = read, complete
        self._met: dict[Oid, Kind] = {}
        self._met_before: dict[Oid, Kind] = {}
        self._outside: dict[Oid, Kind] = {}
        self._open: dict[tuple[Oid, Kind], Oid] = {}
        self._lacking: tuple[Oid, Oid] | None = None

    def add(self, item: Stored) -> Object:
        """Note an object, and return it decoded. WrongKind."""
        obj = load(item.payload) if item.object is None else item.object
        oid = item.frame.oid
        if type(obj) is Value:  # It refers to nothing, and most objects are values.
            self._met[oid] = Value
            return obj
        if self._lacking is not None:  # Nothing of all this will be taken in.
            return obj
        for reference, wanted in zip(references(obj), kinds_referred(obj), strict=False):
            if wanted is None:
                break
            met = self._met.get(reference) or self._met_before.get(reference) or self._outside.get(reference)
            if met is wanted:
                continue
            if met is not None:
                _compare(reference, wanted, oid, met)
                continue
            self._open[reference, wanted] = oid
            if len(self._open) >= _AT_ONCE:
                self._look()
        self._met[oid] = kind_met(obj)
        return obj

    def settle(self) -> None:
        """Find out what is open. WrongKind; MissingReference as said above."""
        self._look()
        if self._lacking is not None:
            raise MissingReference(*self._lacking)
        if len(self._met) >= REMEMBERED:
            self._met_before, self._met = self._met, {}

    def _look(self) -> None:
        uses, self._open = self._open, {}
        if not uses:
            return
        if len(self._outside) >= REMEMBERED:
            self._outside = {}
        for oid, payload in self._read(list({oid for oid, _ in uses})):
            self._outside[oid] = kind_met(load(payload))
        for (oid, wanted), user in uses.items():
            met = self._outside.get(oid)
            if met is not None:
                _compare(oid, wanted, user, met)
            elif self._complete and wanted is not Run:
                self._lacking = self._lacking or (oid, user)


def _compare(oid: Oid, wanted: Kind, user: Oid, met: Kind) -> None:
    if not is_of(met, wanted):
        raise WrongKind(kind_text(wanted), kind_text(met), oid=oid, user=f"object {user.hex()}")
