"""The kinds of objects: what the body of each holds, and what each refers to.

A body is a map from field name to value; a field that holds its default is absent, so that a body has one
spelling (`docs/reference/format/objects.md`, OBJ-1 …). Not responsible for bytes (`codec`), nor for what
values mean to an evaluation: the data of a `Value` is opaque here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from operator import lt
from typing import Annotated, Any, Final, TypeAlias, TypeVar, overload

import msgspec
from msgspec import Meta, Struct

from themis_vcs.errors import DecodingError, EncodingError, WrongKind
from themis_vcs.model import codec
from themis_vcs.model.oid import OID_BYTES, Oid, split_oids

MAX_NODE_KEYS: Final = 512
MAX_LEVEL: Final = 31

Oid32: TypeAlias = Annotated[bytes, Meta(min_length=OID_BYTES, max_length=OID_BYTES)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Name: TypeAlias = Annotated[str, Meta(min_length=1)]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=codec.MAX_KEY)]

# Every default is None, False, 0, "", b"", or an empty list or map.


class Value(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a component returned, or was given: a case, a generation, a score, …; `type` says which."""

    type: Name
    data: Any

    def __post_init__(self) -> None:
        if type(self.type) is not str or not self.type:
            raise ValueError("the type of a value is a name")


class StepError(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why a step failed. `type` is the exception's qualified name."""

    category: Name
    type: str
    message: str
    retryable: bool = False
    details: dict[str, Any] = {}


class Step(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The receipt of one component call: all that it could see, and the value or the error that came of it.

    `observations` (latency, tokens, retries) and `origin` (where it was executed) are inputs of nothing.
    """

    stage: Name
    component: Name
    fingerprint: Oid32
    params: Oid32
    inputs: list[Oid32]
    case: Name
    seed: int | None = None
    value: Oid32 | None = None
    error: StepError | None = None
    observations: dict[str, Any] = {}
    origin: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if (self.value is None) == (self.error is None):
            raise ValueError("a step has either a value or an error")


class TreeNode(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A node of a search tree. `oids` holds one oid of 32 bytes per key, end to end.

    Level 0 maps keys to objects. Above it, a key is the last key of a child, its count the entries under it.
    """

    level: Annotated[int, Meta(ge=0, le=MAX_LEVEL)]
    keys: Annotated[list[Key], Meta(max_length=MAX_NODE_KEYS)]
    oids: bytes
    counts: list[Count] = []

    def __post_init__(self) -> None:
        if len(self.oids) != OID_BYTES * len(self.keys):
            raise ValueError("a tree node has one oid of 32 bytes per key")
        if len(self.counts) != (len(self.keys) if self.level else 0):
            raise ValueError("a tree node has one count per child above level 0, and none at level 0")
        if not all(map(lt, self.keys, islice(self.keys, 1, None))):
            raise ValueError("the keys of a tree node ascend")
        if self.level and not self.keys:
            raise ValueError("only the root of the empty tree has no keys")
        # The decoder has counted characters; bytes may be more.
        if not "".join(self.keys).isascii() and max(map(_utf8, self.keys)) > codec.MAX_KEY:
            raise ValueError(f"a key of a tree node is over {codec.MAX_KEY:,} bytes")


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


class ComponentRef(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which component, in which state of its code and configuration.

    `target` says how to import it ("builtin/x", "package.module:Name", "" if it cannot be); `also` has the
    components that it uses, such as the judge models of a metric.
    """

    id: Name
    version: str
    fingerprint: Oid32
    target: str
    config: dict[str, Any]
    deterministic: bool
    also: list[ComponentRef] = []


class Track(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One component's work over all cases of a stage: its input trees, and the trees that it left.

    `fanout` is how many values it makes of each of its inputs.
    """

    id: Name
    component: ComponentRef
    params: Oid32
    fanout: Count
    inputs: list[tuple[str, Oid32]]
    values: Oid32
    steps: Oid32
    failures: Oid32


class Stage(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A stage of a run: one track per component."""

    name: Name
    tracks: list[Track]


class Run(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A state of a run, like a commit. `name` is the line that it was made on; `time` in ns since the epoch;
    `work`: stage → [built, reused, failed].
    """

    run_id: Oid32
    name: str
    snapshot: Oid32
    stages: list[Oid32]
    completed_through: str | None
    status: Name
    parents: list[Oid32]
    reason: str
    time: int
    who: str
    work: dict[str, list[Count]]


class Identity(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was asked for: the trees of all cases and of what is known of each dataset, the revision that each
    dataset names, and by stage what its results depend on beside the results before it.
    """

    cases: Oid32
    datasets: Oid32
    revisions: dict[str, str | None]
    stages: dict[str, Any]


class Snapshot(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An `identity`, which alone makes the run id, and the surroundings of a run (`provenance`)."""

    identity: Identity
    provenance: dict[str, Any]


class Blob(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`size` bytes, either here or in the blobs of `chunks`, end to end."""

    size: Count
    data: bytes = b""
    chunks: list[Oid32] = []

    def __post_init__(self) -> None:
        if self.chunks and self.data:
            raise ValueError("a blob has either data or chunks")
        if not self.chunks and len(self.data) != self.size:
            raise ValueError("the size of a blob is the length of its data")


class Tag(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A name given to an object for good, with a message. `time` in ns since 1970."""

    name: Name
    target: Oid32
    message: str
    time: int
    who: str


class Dictionary(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A trained zstd dictionary; `label` is the class of objects that it was trained on."""

    data: bytes
    label: str


Object: TypeAlias = Value | Step | TreeNode | Stage | Run | Snapshot | Blob | Tag | Dictionary
T = TypeVar("T", bound=Object)

KINDS: dict[str, type[Object]] = {
    "value": Value,
    "step": Step,
    "tree": TreeNode,
    "stage": Stage,
    "run": Run,
    "snapshot": Snapshot,
    "blob": Blob,
    "tag": Tag,
    "dictionary": Dictionary,
}
_NAMES: dict[type, str] = {cls: kind for kind, cls in KINDS.items()}
_DECODERS = {cls: msgspec.msgpack.Decoder(cls) for cls in KINDS.values()}
_TYPED: frozenset[type] = frozenset({TreeNode, Blob, Tag, Dictionary})
_VALUE = codec.envelope("value")
_STEP = codec.envelope("step")
_TREE = codec.envelope("tree")
_VALUE_FIELDS = frozenset(Value.__struct_fields__)
_ENVELOPES = {codec.envelope(kind): cls for kind, cls in KINDS.items()}


def dump(obj: Object) -> bytes:
    """Return the canonical payload of an object; EncodingError names the field that cannot be stored."""
    kind = _NAMES.get(type(obj))
    if kind is None:
        raise EncodingError("$", f"{type(obj).__qualname__} is not a kind of object")
    if type(obj) is Value:  # checked when it was made, and its data may be anything
        return codec.encode(kind, {"type": obj.type, "data": obj.data})
    payload = codec.encode(kind, obj)
    try:
        _DECODERS[type(obj)].decode(payload[3 + len(kind) :])
    except msgspec.ValidationError as error:
        raise EncodingError("$", f"not a valid {kind}: {error}") from error
    return payload


@overload
def load(payload: bytes) -> Object: ...
@overload
def load(payload: bytes, expected: type[T]) -> T: ...
def load(payload: bytes, expected: type[T] | None = None) -> Object:
    """Return the object whose canonical payload is given.

    Raises WrongKind if it is not of the class `expected`, DecodingError if the bytes are not what `dump`
    would make of it (OBJ-2), FormatError if a newer format made them.
    """
    start = 3 + payload[2] - 0xA0 if len(payload) > 3 else 0
    cls = _ENVELOPES.get(payload[:start])
    if cls is None:
        kind, _ = codec.split_envelope(payload)
        raise DecodingError(f"{kind!r} is not a kind of object of this format")
    if expected is not None and cls is not expected:
        raise WrongKind(_NAMES[expected], _NAMES[cls])
    codec.check_size(payload)
    body = payload[start:]
    if cls is Value:
        fields = codec.everyday(body)  # Most objects are values, and most of these need no further look.
        if type(fields) is dict and fields.keys() == _VALUE_FIELDS and type(fields["type"]) is str and fields["type"]:
            return Value(fields["type"], fields["data"])
    try:
        obj = _DECODERS[cls].decode(body)
    except (ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise DecodingError(f"not a valid {_NAMES[cls]}: {error}") from error
    plain = {"type": obj.type, "data": obj.data} if isinstance(obj, Value) else obj  # as `dump` does it
    codec.check_canonical(plain, body, typed=cls in _TYPED)
    return obj


def kind_of(payload: bytes) -> str:
    """Return the kind that the envelope names, without looking at the body."""
    kind, _ = codec.split_envelope(payload)
    return kind


def references(obj: Object) -> Iterator[Oid]:
    """Yield the oids of all objects that `obj` refers to, in the order of its fields, repeats too (OBJ-4)."""
    match obj:
        case Step():
            yield from (obj.params, *obj.inputs)
            yield from () if obj.value is None else (obj.value,)
        case TreeNode():
            yield from split_oids(obj.oids)
        case Stage():
            for track in obj.tracks:
                yield track.params
                yield from (root for _, root in track.inputs)
                yield from (track.values, track.steps, track.failures)
        case Run():
            yield from (obj.snapshot, *obj.stages, *obj.parents)
        case Snapshot():
            yield from (obj.identity.cases, obj.identity.datasets)
        case Blob():
            yield from obj.chunks
        case Tag():
            yield obj.target


def is_step(payload: bytes) -> bool:
    """Say whether a payload is that of a step, by its envelope."""
    return payload.startswith(_STEP)


class _Links(Struct):
    """What a tree node says of its children."""

    level: int
    oids: bytes


_LINKS = msgspec.msgpack.Decoder(_Links)


def links(node: bytes) -> tuple[int, Sequence[Oid]]:
    """Return the level of a tree node and what it refers to, by its payload, which is trusted to be canonical.

    DecodingError for anything else than a node.
    """
    if not node.startswith(_TREE):
        raise DecodingError(f"not a tree node but {codec.split_envelope(node)[0]!r}")
    found = _LINKS.decode(node[len(_TREE) :])
    return found.level, split_oids(found.oids)


def references_in(payload: bytes) -> Sequence[Oid]:
    """Return what an object refers to, by its payload, which is trusted to be canonical."""
    if payload.startswith(_VALUE):
        return ()
    if payload.startswith(_TREE):
        return links(payload)[1]
    kind, start = codec.split_envelope(payload)
    return list(references(_DECODERS[KINDS[kind]].decode(payload[start:])))
