"""The kinds of objects: what they hold, what they refuse, what they refer to (OBJ-1 to OBJ-15)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.golden.reference import packed
from tests.model.strategies import damaged, oids, values
from themis_vcs.errors import DecodingError, EncodingError, FormatError, WrongKind
from themis_vcs.model import codec, objects
from themis_vcs.model.kinds import Subtree, kinds_referred
from themis_vcs.model.objects import (
    Blob,
    ComponentRef,
    Dictionary,
    Identity,
    Object,
    Run,
    Snapshot,
    Stage,
    Step,
    StepError,
    Tag,
    Track,
    TreeNode,
    Value,
    dump,
    links,
    load,
    references,
    references_in,
)

names = st.text(min_size=1, max_size=8)
counts = st.integers(0, 2**63)
data = st.dictionaries(st.text(max_size=5), values, max_size=3)
errors = st.builds(StepError, category=names, type=st.text(), message=st.text(), retryable=st.booleans(), details=data)
outcomes = st.tuples(oids, st.none()) | st.tuples(st.none(), errors)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    value, error = draw(outcomes)
    return Step(
        stage=draw(names),
        component=draw(names),
        fingerprint=draw(oids),
        params=draw(oids),
        inputs=draw(st.lists(oids, max_size=4)),
        case=draw(names),
        seed=draw(st.none() | st.integers(-(2**63), 2**63)),
        value=value,
        error=error,
        observations=draw(data),
        origin=draw(data),
    )


@st.composite
def nodes(draw: st.DrawFn) -> TreeNode:
    level = draw(st.integers(0, 31))
    keys = sorted(draw(st.sets(names, min_size=1 if level else 0, max_size=6)))
    sizes = draw(st.lists(counts, min_size=len(keys), max_size=len(keys))) if level else []
    return TreeNode(level, keys, b"".join(draw(oids) for _ in keys), sizes)


components = st.recursive(
    st.builds(ComponentRef, names, st.text(), oids, st.text(max_size=5), data, st.booleans(), st.just([])),
    lambda inner: st.builds(
        ComponentRef,
        names,
        st.text(),
        oids,
        st.text(max_size=5),
        data,
        st.booleans(),
        st.lists(inner, max_size=2),
    ),
    max_leaves=3,
)
tracks = st.builds(
    Track, names, components, oids, counts, st.lists(st.tuples(st.text(), oids), max_size=3), oids, oids, oids
)
identities = st.builds(Identity, oids, oids, st.dictionaries(st.text(), st.none() | st.text(), max_size=3), data)
blobs = st.binary().map(lambda content: Blob(len(content), content)) | st.builds(
    Blob, size=counts, chunks=st.lists(oids, min_size=1, max_size=4)
)
BY_KIND: dict[str, st.SearchStrategy[Any]] = {
    "value": st.builds(Value, names, values),
    "step": steps(),
    "tree": nodes(),
    "stage": st.builds(Stage, names, st.lists(tracks, max_size=2)),
    "run": st.builds(
        Run,
        run_id=oids,
        name=st.text(),
        snapshot=oids,
        stages=st.lists(oids, max_size=5),
        completed_through=st.none() | st.text(),
        status=names,
        parents=st.lists(oids, max_size=2),
        reason=st.text(),
        time=st.integers(-(2**63), 2**63),
        who=st.text(),
        work=st.dictionaries(st.text(), st.lists(counts, max_size=3), max_size=3),
    ),
    "snapshot": st.builds(Snapshot, identities, data),
    "blob": blobs,
    "tag": st.builds(Tag, names, oids, st.text(), st.integers(0, 2**63), st.text()),
    "dictionary": st.builds(Dictionary, st.binary(), st.text()),
}
any_object = st.one_of(*BY_KIND.values())

A, B, C, D, E, F = (bytes([number]) * 32 for number in range(1, 7))
STEP = Step("parse", "builtin/text", A, B, [C, D], "d/c1", value=E)
COMPONENT = ComponentRef("builtin/text", "1", A, "builtin/text", {}, True)
TRACK = Track("t", COMPONENT, A, 1, [("reduced", B), ("cases", C)], D, E, F)
RUN = Run(A, "n", B, [C, D], "parse", "completed", [E, F], "run", 1, "ada", {"parse": [1, 2, 3]})
SNAPSHOT = Snapshot(Identity(A, B, {"d": "r1"}, {"parse": {"x": A}}), {"y": B})


def test_strategies_cover_every_kind() -> None:
    assert BY_KIND.keys() == objects.KINDS.keys()


@pytest.mark.parametrize("kind", BY_KIND)
@given(st.data())
@settings(max_examples=40)
def test_object_comes_back(kind: str, draw: st.DataObject) -> None:
    """OBJ-2"""
    obj = draw.draw(BY_KIND[kind])
    payload = dump(obj)
    again = load(payload, objects.KINDS[kind])
    assert dump(again) == payload
    assert type(again) is type(obj)
    assert objects.kind_of(payload) == kind
    plain = msgspec.to_builtins(obj, builtin_types=(bytes,))
    assert payload == packed([1, kind, listed(plain)])


def listed(value: Any) -> Any:
    """Tuples as lists."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def strict(payload: bytes) -> bool:
    try:
        obj = load(payload)
    except (DecodingError, FormatError):
        return False
    assert dump(obj) == payload
    return True


@given(damaged(any_object.map(dump)))
def test_damaged_object_is_canonical_or_refused(payload: bytes) -> None:
    """OBJ-2"""
    strict(payload)


@given(damaged(values.map(lambda value: dump(Value("case", value)))))
def test_a_value_loads_exactly_when_it_decodes_to_type_and_data(payload: bytes) -> None:
    """OBJ-2, OBJ-6: two readers, msgspec with the schema and msgpack without, accept the same bytes."""
    try:
        kind, body = codec.decode(payload)
    except (DecodingError, FormatError):
        assert not strict(payload)
        return
    fits = kind == "value" and isinstance(body, dict) and set(body) == {"type", "data"}
    if kind in objects.KINDS and kind != "value":
        return
    assert strict(payload) is (fits and isinstance(body["type"], str) and body["type"] != "")


def test_field_that_holds_its_default_is_absent() -> None:
    """OBJ-1"""
    assert "seed" not in codec.decode(dump(STEP))[1]
    assert "size" in codec.decode(dump(Blob(0)))[1]


@pytest.mark.parametrize("cls", [*objects.KINDS.values(), StepError, ComponentRef, Track, Identity])
def test_defaults_are_of_those_that_are_omitted_by_identity(cls: type) -> None:
    """OBJ-1"""
    for field in structs.fields(cls):
        if field.default is not msgspec.NODEFAULT:
            assert field.default in (None, False, 0, "", b"")
        if field.default_factory is not msgspec.NODEFAULT:
            assert field.default_factory in (list, dict)


@pytest.mark.parametrize(
    ("obj", "complaint"),
    [
        (structs.replace(STEP, params=A[1:]), "length >= 32 - at `.+params`"),
        (structs.replace(STEP, params=A.hex()), "params"),
        (structs.replace(STEP, seed="7"), "seed"),
        (structs.replace(STEP, seed=True), "seed"),
        (structs.replace(STEP, stage=""), "stage"),
        (structs.replace(STEP, inputs=[A, b""]), "inputs"),
        (structs.replace(STEP, observations=[]), "observations"),
        (structs.replace(RUN, work={"parse": [-1]}), "work"),
        (structs.replace(RUN, time=1.5), "time"),
        (structs.replace(TRACK, fanout=-1), "fanout"),
        (structs.replace(SNAPSHOT, identity={}), "identity"),
        (structs.replace(Blob(0), size=-1, chunks=[A]), "size"),
        (TreeNode(0, ["a" * 1025], A), "keys"),
        (TreeNode(0, ["", "a"], A * 2), "keys"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_object_of_another_shape_is_not_written(obj: Object, complaint: str) -> None:
    """OBJ-1, OBJ-3"""
    with pytest.raises(EncodingError, match=complaint):
        dump(obj if type(obj) in objects.KINDS.values() else Stage("parse", [obj]))


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (Value("case", {"input": [1, {2}]}), "$.data.input[1]"),
        (structs.replace(STEP, observations={"at": object()}), "$.observations.at"),
        (structs.replace(SNAPSHOT, provenance={"a": {"b": 2**64}}), "$.provenance.a.b"),
        (structs.replace(STEP, case="\ud800"), "$.case"),
        (Dictionary(bytearray(b"a"), ""), "$.data"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_value_inside_an_object_is_refused_with_its_path(obj: Object, path: str) -> None:
    with pytest.raises(EncodingError) as caught:
        dump(obj)
    assert caught.value.path == path


@pytest.mark.parametrize("obj", [None, {}, TRACK, COMPONENT, StepError("a", "b", "c")])
def test_what_is_no_kind_is_not_written(obj: Any) -> None:
    with pytest.raises(EncodingError, match="not a kind of object"):
        dump(obj)


@pytest.mark.parametrize(
    "make",
    [
        lambda: structs.replace(STEP, error=StepError("a", "b", "c")),
        lambda: structs.replace(STEP, value=None),
        lambda: TreeNode(0, ["b", "a"], A + B),
        lambda: TreeNode(0, ["a"], A + B),
        lambda: TreeNode(0, ["a"], A, [1]),
        lambda: TreeNode(1, ["a"], A),
        lambda: TreeNode(1, [], b""),
        lambda: TreeNode(0, ["é" * 513], A),
        lambda: Blob(2, b"abc"),
        lambda: Blob(3, b"abc", [A]),
        lambda: Value("", None),
        lambda: Value(1, None),  # type: ignore[arg-type]
    ],
)
def test_contradiction_cannot_be_made(make: Any) -> None:
    """OBJ-6, OBJ-7, OBJ-12, TREE-2, TREE-3, TREE-8"""
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_other_kind_than_expected_is_told_from_damage() -> None:
    with pytest.raises(WrongKind, match="expected an object of kind run, found a step"):
        load(dump(STEP), Run)


def test_no_kind_passes_for_another() -> None:
    """ENC-15"""
    tag = dump(Dictionary(b"", "a"))
    assert len({codec.encode(kind, {"data": b"", "label": "a"}) for kind in objects.KINDS}) == len(objects.KINDS)
    assert load(tag) == Dictionary(b"", "a")


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (Value("case", {"x": A}), []),
        (STEP, [B, C, D, E]),
        (structs.replace(STEP, inputs=[], value=None, error=StepError("a", "b", "c")), [B]),
        (TreeNode(0, [], b""), []),
        (TreeNode(0, ["a", "b"], A + B), [A, B]),
        (TreeNode(3, ["a", "b"], A + B, [1, 2]), [A, B]),
        (Stage("parse", []), []),
        (Stage("parse", [TRACK, structs.replace(TRACK, inputs=[])]), [A, B, C, D, E, F, A, D, E, F]),
        (RUN, [B, C, D, E, F]),
        (SNAPSHOT, [A, B]),
        (Blob(3, b"abc"), []),
        (Blob(3, chunks=[A, B]), [A, B]),
        (Tag("v1", A, "", 0, ""), [A]),
        (Dictionary(b"", ""), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_references_are_those_of_the_kind(obj: Object, expected: list[bytes]) -> None:
    """OBJ-4, and OBJ-6 to OBJ-14 kind by kind: OBJ-8 tree, OBJ-9 stage, OBJ-10 run, OBJ-13 tag"""
    assert list(references(obj)) == expected
    assert list(references_in(dump(obj))) == expected


def test_links_are_the_level_and_the_children_of_a_node_alone() -> None:
    assert links(dump(TreeNode(3, ["a", "b"], A + B, [1, 2]))) == (3, (A, B))
    with pytest.raises(DecodingError, match="not a tree node but 'tag'"):
        links(dump(Tag("v1", A, "", 0, "")))


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (STEP, [Value] * 4),
        (TreeNode(0, ["a", "b"], A + B), [None, None]),
        (TreeNode(3, ["a", "b"], A + B, [1, 2]), [Subtree(2, 1, "a"), Subtree(2, 2, "b")]),
        (Stage("parse", [TRACK, structs.replace(TRACK, inputs=[])]), [Value, *[TreeNode] * 5, Value, *[TreeNode] * 3]),
        (RUN, [Snapshot, Stage, Stage, Run, Run]),
        (SNAPSHOT, [TreeNode, TreeNode]),
        (Blob(3, chunks=[A, B]), [Blob, Blob]),
        (Tag("v1", A, "", 0, ""), [None]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_reference_is_to_an_object_of_one_kind(obj: Object, expected: list[Any]) -> None:
    """OBJ-15"""
    assert [kind for _, kind in zip(references(obj), kinds_referred(obj), strict=False)] == expected


def oids_in(value: Any) -> list[bytes]:
    """Every byte string of 32 bytes among the fields of oid type."""
    if isinstance(value, msgspec.Struct):
        skipped = {"fingerprint", "run_id", "component", "stages" if isinstance(value, Identity) else ""}
        names_of = [name for name in value.__struct_fields__ if name not in skipped]
        return [oid for name in names_of for oid in oids_in(getattr(value, name))]
    if isinstance(value, (list, tuple)):
        return [oid for item in value for oid in oids_in(item)]
    if isinstance(value, bytes) and len(value) % 32 == 0:
        return [value[at : at + 32] for at in range(0, len(value), 32)]
    return []


@pytest.mark.parametrize("kind", ["step", "tree", "stage", "run", "blob", "tag"])
@given(st.data())
@settings(max_examples=25)
def test_no_oid_in_a_field_is_left_out(kind: str, draw: st.DataObject) -> None:
    """OBJ-4"""
    obj = draw.draw(BY_KIND[kind])
    if isinstance(obj, Blob) and obj.data:
        return
    assert list(references(obj)) == oids_in(obj)
