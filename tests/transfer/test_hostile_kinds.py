"""Objects that refer to objects of the wrong kind are refused wherever they come in (OBJ-15), and so are refs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.attacks import WAYS, oid, packed, received
from tests.support.bundles import Piece, head, opened
from tests.support.packs import assembled, framed
from tests.support.stores import FINGERPRINT
from themis_vcs.errors import Corrupt, MissingReference, WrongKind
from themis_vcs.model.kinds import Subtree
from themis_vcs.model.objects import (
    Blob,
    ComponentRef,
    Identity,
    Object,
    Run,
    Snapshot,
    Stage,
    Step,
    Tag,
    Track,
    TreeNode,
    Value,
)
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bundling import verify
from themis_vcs.transfer.kinds import is_of, kind_met
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

VALUE = Value("parsed", 1)
LEAF = TreeNode(0, ["a", "b"], oid(VALUE) * 2)
EMPTY = TreeNode(0, [], b"")
STEP = Step("s", "c", FINGERPRINT, oid(VALUE), [oid(VALUE)], "k", value=oid(VALUE))
TRACK = Track(
    "t", ComponentRef("c", "1", FINGERPRINT, "", {}, True), oid(VALUE), 1, [("x", oid(LEAF))], *[oid(LEAF)] * 3
)
STAGE = Stage("parse", [TRACK])
SNAPSHOT = Snapshot(Identity(oid(LEAF), oid(LEAF), {}, {}), {})
RUN = Run(FINGERPRINT, "n", oid(SNAPSHOT), [oid(STAGE)], None, "completed", [], "", 1, "", {})
BLOB = Blob(1, b"a")
TAG = Tag("v0", oid(VALUE), "", 0, "")
SOUND = [VALUE, LEAF, EMPTY, STEP, STAGE, SNAPSHOT, RUN, BLOB, TAG]


def above(child: Object, level: int = 1, last: str = "b", entries: int = 2) -> TreeNode:
    return TreeNode(level, [last], oid(child), [entries])


def track(**changes: object) -> Stage:
    return Stage("parse", [replace(TRACK, **changes)])


WRONG: dict[str, Object] = {
    "a step whose value is a tree": replace(STEP, value=oid(LEAF)),
    "a step whose value is a step": replace(STEP, value=oid(STEP)),
    "a step whose params are a tag": replace(STEP, params=oid(TAG)),
    "a step of whose inputs the second is a blob": replace(STEP, inputs=[oid(VALUE), oid(BLOB)]),
    "a stage whose params are a tree": track(params=oid(LEAF)),
    "a stage whose inputs are a value": track(inputs=[("x", oid(VALUE))]),
    "a stage whose values are a value": track(values=oid(VALUE)),
    "a stage whose steps are a step": track(steps=oid(STEP)),
    "a stage whose failures are a run": track(failures=oid(RUN)),
    "a stage whose second track is wrong": Stage("parse", [TRACK, replace(TRACK, params=oid(LEAF))]),
    "a run whose snapshot is a value": replace(RUN, snapshot=oid(VALUE)),
    "a run whose stage is a tree": replace(RUN, stages=[oid(LEAF)]),
    "a run of whose stages the second is a run": replace(RUN, stages=[oid(STAGE), oid(RUN)]),
    "a run whose parent is a stage": replace(RUN, parents=[oid(STAGE)]),
    "a run whose parent is a tag": replace(RUN, parents=[oid(TAG)]),
    "a snapshot whose cases are a value": Snapshot(Identity(oid(VALUE), oid(LEAF), {}, {}), {}),
    "a snapshot whose datasets are a snapshot": Snapshot(Identity(oid(LEAF), oid(SNAPSHOT), {}, {}), {}),
    "a blob with a value as a chunk": Blob(1, chunks=[oid(VALUE)]),
    "a tree above a value": above(VALUE),
    "a tree above a step": above(STEP),
    "a tree two levels above its child": above(LEAF, level=2),
    "a tree above an empty one": above(EMPTY, entries=0),
    "a tree that states another last key": above(LEAF, last="c"),
    "a tree that states more entries": above(LEAF, entries=3),
    "a tree that states 2^64 - 1 entries": above(LEAF, entries=2**64 - 1),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WRONG)
def test_an_object_that_refers_to_one_of_another_kind_is_refused(name: str, way: str) -> None:
    wrong = WRONG[name]
    with Repository.memory() as here:
        with pytest.raises(WrongKind, match="expected an object of kind") as caught:
            WAYS[way]([*packed(*SOUND), framed(wrong)], here)
        assert caught.value.oid is not None
        assert oid(wrong).hex() in caught.value.message
        assert caught.value.oid.hex() in caught.value.message
        assert not here.has(oid(wrong))
        assert list(here.refs()) == []


@pytest.mark.parametrize("name", WRONG)
def test_so_is_one_that_refers_to_what_is_here(name: str) -> None:
    with Repository.memory() as here:
        received(packed(*SOUND), here)
        before = dict(here.backend.everything())
        with pytest.raises(WrongKind, match=oid(WRONG[name]).hex()):
            received([framed(WRONG[name])], here)
        assert dict(here.backend.everything()) == before


@pytest.mark.parametrize("way", WAYS)
def test_objects_of_the_right_kinds_are_let_in(way: str) -> None:
    with Repository.memory() as here:
        WAYS[way]([*packed(*SOUND, above(LEAF), Blob(1, chunks=[oid(BLOB)]))], here)
        WAYS[way](packed(*SOUND), here)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["tag", "step", "run", "tree", "blob"])
def test_an_object_that_refers_to_nothing_is_refused(name: str, way: str) -> None:
    absent = bytes(range(32))
    orphan: dict[str, Object] = {
        "tag": Tag("v0", absent, "", 0, ""),
        "step": Step("s", "c", FINGERPRINT, absent, [], "k", value=absent),
        "run": replace(RUN, snapshot=absent, stages=[]),
        "tree": TreeNode(0, ["a"], absent),
        "blob": Blob(1, chunks=[absent]),
    }
    with Repository.memory() as here:
        with pytest.raises((MissingReference, Corrupt), match=absent.hex()):
            WAYS[way](packed(orphan[name]), here)
        assert list(here.backend.everything()) == []


@pytest.mark.parametrize("way", ["verified", "fetched"])
@pytest.mark.parametrize(
    ("name", "target"),
    [("names/a", VALUE), ("names/a", STAGE), ("names/a", TAG), ("tags/a", RUN), ("tags/a", VALUE), ("tags/a", None)],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_a_ref_of_a_bundle_to_an_object_of_another_kind_is_refused(name: str, target: Object | None, way: str) -> None:
    at = bytes(32) if target is None else oid(target)
    there = opened([Piece(head({name: at}), [assembled(packed(*SOUND))]).assembled()])
    with Repository.memory() as here:
        with pytest.raises(Corrupt) as caught:
            if way == "verified":
                verify(there)
            else:
                transfer(there, StoreEndpoint(here), [RefUpdate(name, at)], message="fetch")
        assert at.hex() in caught.value.message
        assert list(here.refs()) == []


def test_a_tree_satisfies_who_states_it_and_who_wants_any() -> None:
    """OBJ-15"""
    met = kind_met(TreeNode(1, ["b", "d"], oid(VALUE) * 2, [2, 3]))
    assert is_of(met, TreeNode)
    assert is_of(met, Subtree(1, 5, "d"))
    for other in (Subtree(0, 5, "d"), Subtree(1, 4, "d"), Subtree(1, 5, "e"), Value):
        assert not is_of(met, other)
    assert kind_met(TreeNode(0, ["b", "d"], oid(VALUE) * 2)) == Subtree(0, 2, "d")
