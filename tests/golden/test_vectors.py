"""The golden vectors against the package and against three encoders that are not ours."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgpack
import msgspec
import ormsgpack
import pytest
from blake3 import blake3
from msgpack import fallback

from tests.golden import make_vectors
from tests.golden.refused import TEST
from themis_vcs.errors import DecodingError, ThemisError
from themis_vcs.model import codec, derivation, objects, tree
from themis_vcs.model.oid import oid_of
from themis_vcs.pipeline.snapshot import run_id_of

VECTORS = json.loads(make_vectors.TARGET.read_text(encoding="ascii"))

# First eight bytes of the ids that were worked out before any of this code existed.
PUBLISHED = {
    "null": "6093f0bb1013720c",
    "true": "5ef00d995b3aa3cd",
    "zero": "da2b3e916f1312c5",
    "integers around one byte": "a833fde3f25925d3",
    "small negative integers": "dceeddd2ec629b2a",
    "largest integer": "f788056602212358",
    "smallest integer": "66b61941d8538cb6",
    "float and integer differ": "db461404f6dfa6ec",
    "negative zero": "1a71a6178a73d47f",
    "NaN": "9f9a673f9629187b",
    "infinity": "9b795cbdc4fc6e19",
    "float 0.1": "9092da5c638c9bbd",
    "float 5e-324": "2d0cc092bfd39c86",
    "empty text": "11e252d46da38a02",
    "é as one character": "6019be46f5f234a7",
    "é as two characters": "db2a9ea9aa55d8a1",
    "outside the basic plane": "00d2add5e6c134a9",
    "bytes": "538e2c0fcde7acda",
    "keys by UTF-8, not UTF-16": "662777a610f0172b",
    "nested empties": "7c3c166c491652d8",
}


def named(group: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[group], ids=lambda vector: vector.get("name", ""))


def plain(note: Any) -> Any:
    """The Python value of a note, its maps in the order in which it is written down."""
    value = note
    match note:
        case list():
            value = [plain(item) for item in note]
        case {"repeat": {"text": text}, "times": times}:
            value = text * times
        case {"repeat": {"bytes": data}, "times": times}:
            value = bytes.fromhex(data) * times
        case {"repeat": {"list": item}, "times": times}:
            value = [plain(item)] * times
        case {"numbered": count}:
            value = {f"k{number:05d}": number for number in reversed(range(count))}
        case {"map": pairs}:
            value = {key: plain(item) for key, item in pairs}
        case {"int": digits}:
            value = int(digits)
        case {"float": bits}:
            (value,) = struct.unpack(">d", bytes.fromhex(bits))
        case {"bytes": data}:
            value = bytes.fromhex(data)
    return value


def raw(payload: str | list[list[Any]]) -> bytes:
    runs = [[payload, 1]] if isinstance(payload, str) else payload
    return b"".join(bytes.fromhex(data) * times for data, times in runs)


def ordered(value: Any) -> Any:
    """The value with its maps in the order of ENC-10."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value, key=str.encode)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def check_payload(vector: dict[str, Any], payload: bytes) -> None:
    assert oid_of(payload).hex() == vector["oid"]
    if "hex" in vector:
        assert payload.hex() == vector["hex"]
    else:
        assert (payload[:24].hex(), len(payload)) == (vector["head"], vector["length"])


def test_the_file_is_what_its_script_makes() -> None:
    assert make_vectors.TARGET.read_text(encoding="ascii") == make_vectors.text()


def test_the_published_ids_are_among_the_vectors() -> None:
    found = {vector["name"]: vector["oid"][:16] for vector in VECTORS["values"]}
    assert {name: found.get(name) for name in PUBLISHED} == PUBLISHED


@named("values")
def test_value_encodes_to_its_vector(vector: dict[str, Any]) -> None:
    check_payload(vector, codec.encode(vector["kind"], plain(vector["value"])))


@named("values")
@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(lambda value: msgpack.packb(ordered(value)), id="msgpack"),
        pytest.param(lambda value: fallback.Packer().pack(ordered(value)), id="msgpack in Python"),
        pytest.param(msgspec.msgpack.Encoder(order="sorted").encode, id="msgspec"),
        pytest.param(lambda value: ormsgpack.packb(value, option=ormsgpack.OPT_SORT_KEYS), id="ormsgpack"),
    ],
)
def test_other_encoders_agree_with_the_vectors(vector: dict[str, Any], encoder: Any) -> None:
    check_payload(vector, encoder([1, vector["kind"], plain(vector["value"])]))


@named("values")
def test_value_comes_back(vector: dict[str, Any]) -> None:
    payload = codec.encode(vector["kind"], plain(vector["value"]))
    kind, body = codec.decode(payload)
    assert (kind, repr(ordered(body))) == (vector["kind"], repr(ordered(plain(vector["value"]))))


@named("objects")
def test_object_loads_and_dumps_as_its_vector(vector: dict[str, Any]) -> None:
    payload = codec.encode(vector["kind"], plain(vector["value"]))
    check_payload(vector, payload)
    assert objects.dump(objects.load(payload)) == payload


def test_there_is_a_vector_of_every_kind() -> None:
    assert {vector["kind"] for vector in VECTORS["objects"]} == set(objects.KINDS)


@pytest.mark.parametrize("vector", VECTORS["trees"], ids=lambda vector: f"{vector['keys']} of {vector['of']}")
def test_tree_has_the_root_of_its_vector(vector: dict[str, Any]) -> None:
    keys = [f"d/{number:05d}" for number in range(vector["of"])]
    if vector["keys"] != "all":
        keys = [key for key in keys if tree.is_end(0, key) is (vector["keys"] == "ends")]
    built = tree.build((key, blake3(key.encode()).digest()) for key in keys)
    level = objects.load(built.nodes[built.root], objects.TreeNode).level
    assert (built.root.hex(), level, len(built.nodes)) == (vector["root"], vector["level"], vector["nodes"])


@named("derivation_keys")
def test_derivation_key_is_that_of_its_vector(vector: dict[str, Any]) -> None:
    assert derivation.derivation_key(*plain(vector["fields"])).hex() == vector["key"]


@named("track_keys")
def test_track_key_is_that_of_its_vector(vector: dict[str, Any]) -> None:
    stage, track_id, fingerprint, params, fanout, seeds, inputs = plain(vector["fields"])
    pairs = [(name, root) for name, root in inputs]
    key = derivation.track_key(stage, track_id, fingerprint, params, fanout, seeds, pairs)
    assert key.hex() == vector["key"]


@named("run_ids")
def test_run_id_is_that_of_its_vector(vector: dict[str, Any]) -> None:
    """OBJ-11"""
    assert run_id_of(objects.Identity(**plain(vector["fields"]))).hex() == vector["key"]


@named("seeds")
def test_seed_is_that_of_its_vector(vector: dict[str, Any]) -> None:
    base, *parts = plain(vector["fields"])
    assert derivation.derive_seed(base, *parts) == vector["seed"]


@named("rejected")
def test_rejected_payload_is_no_object(vector: dict[str, Any]) -> None:
    with pytest.raises(ThemisError) as caught:
        objects.load(raw(vector["payload"]))
    assert caught.value.code == vector["error"]


@pytest.mark.parametrize("vector", [v for v in VECTORS["rejected"] if "schema" not in v], ids=lambda v: v["name"])
def test_rejected_payload_has_no_plain_value(vector: dict[str, Any]) -> None:
    with pytest.raises(ThemisError) as caught:
        codec.decode(raw(vector["payload"]))
    assert caught.value.code == vector["error"]


BODIES = [
    vector
    for vector in VECTORS["rejected"]
    if isinstance(vector["payload"], str) and vector["payload"].startswith(TEST) and "schema" not in vector
]


@pytest.mark.parametrize("vector", BODIES, ids=lambda vector: vector["name"])
def test_rejected_body_is_no_data_of_a_value_either(vector: dict[str, Any]) -> None:
    body = bytes.fromhex(vector["payload"].removeprefix(TEST))
    with pytest.raises(DecodingError):
        objects.load(codec.envelope("value") + b"\x82\xa4data" + body + b"\xa4type\xa4case")
