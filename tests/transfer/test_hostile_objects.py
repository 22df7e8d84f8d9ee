"""Attacks by single objects: each is refused in a pack that is received, in a bundle that is verified and in one that
is fetched, with its reason; nothing of it is stored, and no ref moves (PACK-6, OBJ-2).
"""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest
import zstandard
from msgspec.structs import replace

from tests.support.attacks import MAGIC, WAYS, as_it_is, zstd, zstd_data
from themis_vcs.errors import Corrupt, FormatError
from themis_vcs.model.objects import Value, dump
from themis_vcs.store.frames import Frame
from themis_vcs.store.repository import Repository

PAYLOAD = dump(Value("parsed", "abc" * 40))
PLAIN = zstandard.compress(PAYLOAD)
OID = bytes(range(32))


def squeezed(payload: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(payload)


def skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def repeated(size: int) -> bytes:
    """A zstd frame of one block that repeats a byte."""
    return MAGIC + b"\xa0" + size.to_bytes(4, "little") + (3 | size << 3).to_bytes(3, "little") + b"a"


def checked() -> bytes:
    data = bytearray(squeezed(PAYLOAD, write_checksum=True))
    data[-1] ^= 1
    return bytes(data)


FRAMES: dict[str, tuple[Callable[[], Frame], str]] = {
    "a bomb of 64 MiB": (lambda: zstd(b"", squeezed(bytes(64 << 20)), 64 << 20), "claim to hold"),
    "a bomb of one repeated byte": (lambda: zstd(b"", repeated(128 << 10), 128 << 10), "claim to hold"),
    "a bomb that states less": (lambda: zstd(b"", squeezed(bytes(64 << 20)), 1_000), "states another size"),
    "zstd that holds more than it states": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, size=9), 9), "damaged"),
    "zstd that holds less than it states": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, size=900), 900), "damaged"),
    "zstd without a size": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, size=-1, window=10)), "states another size"),
    "a window of 16 MiB": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, window=24)), "states another size"),
    "a window of 2 TiB": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, window=41)), "damaged"),
    "a size of 2^32 - 1": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, size=2**32 - 1), 2**32 - 1), "claim"),
    "two zstd frames": (lambda: zstd(PAYLOAD, PLAIN + PLAIN), "damaged"),
    "two zstd frames of one payload": (lambda: zstd(PAYLOAD, squeezed(PAYLOAD[:9]) + squeezed(PAYLOAD[9:])), "damaged"),
    "a frame to skip before": (lambda: zstd(PAYLOAD, skippable(bytes(len(PAYLOAD))) + PLAIN), "damaged"),
    "a frame to skip after": (lambda: zstd(PAYLOAD, PLAIN + skippable(b"x")), "damaged"),
    "only a frame to skip": (lambda: zstd(PAYLOAD, skippable(PAYLOAD)), "damaged"),
    "zstd that names a dictionary": (lambda: zstd(PAYLOAD, zstd_data(PAYLOAD, dictionary=7)), "damaged"),
    "zstd of no bytes": (lambda: zstd(PAYLOAD, b""), "damaged"),
    "zstd that is cut": (lambda: zstd(PAYLOAD, PLAIN[:-3]), "damaged"),
    "zstd of version 0.7": (lambda: zstd(PAYLOAD, b"\x27" + PLAIN[1:]), "damaged"),
    "zstd without magic": (lambda: zstd(PAYLOAD, PLAIN[4:]), "damaged"),
    "zstd with a wrong checksum": (lambda: zstd(PAYLOAD, checked()), "damaged"),
    "zstd of another payload": (lambda: zstd(PAYLOAD, squeezed(PAYLOAD[::-1])), "do not hash"),
    "codec 3": (lambda: replace(zstd(PAYLOAD, PLAIN), codec=3), "codec 3"),
    "codec 255": (lambda: replace(zstd(PAYLOAD, PLAIN), codec=255), "codec 255"),
    "raw with a dictionary": (lambda: replace(as_it_is(PAYLOAD), dictionary=1), "codec 0 and dictionary 1"),
    "dictionary 0": (lambda: replace(zstd(PAYLOAD, PLAIN), codec=2), "codec 2 and dictionary 0"),
    "dictionary 256": (lambda: replace(zstd(PAYLOAD, PLAIN), codec=2, dictionary=256), "dictionary 256"),
    "dictionary 65535": (lambda: replace(zstd(PAYLOAD, PLAIN), codec=2, dictionary=65_535), "dictionary 65535"),
    "raw that says it is longer": (lambda: replace(as_it_is(PAYLOAD), raw_length=2**31), "claim"),
    "raw that says it is shorter": (lambda: replace(as_it_is(PAYLOAD), raw_length=0), "instead of 0"),
    "another oid": (lambda: replace(as_it_is(PAYLOAD), oid=OID), "do not hash"),
}


def envelope(kind: str, body: bytes) -> bytes:
    return b"\x93\x01" + msgpack.packb(kind) + body


def value(data: str) -> bytes:
    """A value whose data is spelled in hexadecimal digits."""
    return envelope("value", b"\x82\xa4data" + bytes.fromhex(data) + b"\xa4type\xa1x")


def body(kind: str, **fields: object) -> bytes:
    return envelope(kind, msgpack.packb(dict(sorted(fields.items()))))


TREE = {"level": 0, "keys": ["a"], "oids": OID}
STEP = {"stage": "s", "component": "c", "fingerprint": OID, "params": OID, "inputs": [], "case": "k"}
MANY = 1_000_001


def many_keys() -> bytes:
    return b"\xdf" + MANY.to_bytes(4, "big") + b"".join(b"\xa8%08d\xc0" % key for key in range(MANY))


PAYLOADS: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "not an object"),
    "text": (b"hello, world", "not an object"),
    "an object of no kind": (b"\x93\x01\xa0\x80", "not an object"),
    "an object of an unknown kind": (envelope("evil", b"\x80"), "is not a kind"),
    "an object whose kind has a slash": (envelope("../x", b"\x80"), "not an object"),
    "a body that is no map": (envelope("value", b"\xc0"), "not a valid value"),
    "a long integer": (value("cc01"), "canonical"),
    "a float of 32 bits": (value("ca3f800000"), "canonical"),
    "a NaN with a payload": (value("cb7ff8000000000001"), "canonical"),
    "a text with a long header": (value("d90161"), "canonical"),
    "bytes with a long header": (value("c5000161"), "canonical"),
    "a list with a long header": (value("dc0001c0"), "canonical"),
    "keys not sorted": (value("82a16201a16102"), "canonical"),
    "a key twice": (value("82a16101a16102"), "canonical"),
    "a key twice in the body": (envelope("value", b"\x83\xa4data\x01\xa4data\x02\xa4type\xa1x"), "value"),
    "a key that is no text": (value("8101c0"), "malformed object"),
    "a key of 1,025 bytes": (value("81da0401" + "61" * 1025 + "c0"), "malformed object"),
    "text that is no UTF-8": (value("a1ff"), "malformed object"),
    "half a surrogate pair": (value("a3eda080"), "malformed object"),
    "an extension": (value("d40100"), "malformed object"),
    "a timestamp": (value("d6ff00000000"), "malformed object"),
    "a byte that MessagePack never uses": (value("c1"), "malformed object"),
    "bytes after the end": (value("c0") + b"\xc0", "malformed object"),
    "a list that claims 2^32 - 1 items": (value("ddffffffff"), "malformed object"),
    "a map that claims 2^32 - 1 keys": (value("dfffffffff"), "malformed object"),
    "a text that claims 2^32 - 1 bytes": (value("dbffffffff"), "malformed object"),
    "1,000,001 items": (value("dd" + MANY.to_bytes(4, "big").hex() + "c0" * MANY), "malformed object"),
    "1,000,001 keys": (envelope("value", b"\x82\xa4data" + many_keys() + b"\xa4type\xa1x"), "malformed object"),
    "nesting of 65": (value("91" * 65 + "c0"), "malformed object"),
    "nesting of 900,000": (value("91" * 900_000 + "c0"), "malformed object"),
    "maps in maps, 200,000 deep": (value("81a161" * 200_000 + "c0"), "malformed object"),
    "a default that is spelled out": (body("step", **STEP, value=OID, seed=None), "canonical"),
    "an unknown field": (body("tag", name="a", target=OID, message="", time=0, who="", extra=1), "not a valid tag"),
    "a missing field": (body("tag", name="a", target=OID, message="", time=0), "not a valid tag"),
    "a name without letters": (body("tag", name="", target=OID, message="", time=0, who=""), "not a valid tag"),
    "an oid of 31 bytes": (body("tag", name="a", target=OID[:31], message="", time=0, who=""), "not a valid tag"),
    "an oid that is text": (body("tag", name="a", target="0" * 32, message="", time=0, who=""), "not a valid tag"),
    "a step of a value and an error": (
        body("step", **STEP, value=OID, error={"category": "c", "type": "", "message": ""}),
        "not a valid step",
    ),
    "a step without an outcome": (body("step", **STEP), "not a valid step"),
    "a blob of another size": (body("blob", size=2**63, data=b"abc"), "not a valid blob"),
    "a blob of data and chunks": (body("blob", size=3, data=b"abc", chunks=[OID]), "not a valid blob"),
    "a blob of fewer than no bytes": (body("blob", size=-1), "not a valid blob"),
    "a tree at level 32": (body("tree", **{**TREE, "level": 32}, counts=[1]), "not a valid tree"),
    "a tree at level -1": (body("tree", **{**TREE, "level": -1}), "not a valid tree"),
    "a tree whose keys descend": (body("tree", level=0, keys=["b", "a"], oids=OID * 2), "not a valid tree"),
    "a tree with a key twice": (body("tree", level=0, keys=["a", "a"], oids=OID * 2), "not a valid tree"),
    "a tree with an empty key": (body("tree", level=0, keys=[""], oids=OID), "not a valid tree"),
    "a tree with half an oid": (body("tree", level=0, keys=["a"], oids=OID[:16]), "not a valid tree"),
    "a tree with an oid too many": (body("tree", level=0, keys=["a"], oids=OID * 2), "not a valid tree"),
    "a tree above level 0 without counts": (body("tree", **{**TREE, "level": 1}), "not a valid tree"),
    "a tree of 513 keys": (
        body("tree", level=0, keys=[f"{key:03d}" for key in range(513)], oids=OID * 513),
        "not a valid tree",
    ),
    "an inner tree without keys": (body("tree", level=1, keys=[], oids=b""), "not a valid tree"),
}


def refused(way: str, frame: Frame, reason: str) -> None:
    """Expect that a frame is refused, and that nothing comes of it."""
    with Repository.memory() as here:
        with pytest.raises(Corrupt, match=reason) as caught:
            WAYS[way]([frame], here)
        assert "byte" in caught.value.message
        assert list(here.backend.everything()) == []
        assert list(here.refs()) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_lies_is_refused(name: str, way: str) -> None:
    make, reason = FRAMES[name]
    refused(way, make(), reason)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PAYLOADS)
def test_bytes_that_are_no_object_are_refused_under_their_own_hash(name: str, way: str) -> None:
    payload, reason = PAYLOADS[name]
    refused(way, as_it_is(payload), reason)


@pytest.mark.parametrize("way", WAYS)
def test_an_object_of_a_newer_format_is_refused_by_its_number(way: str) -> None:
    with Repository.memory() as here:
        with pytest.raises(FormatError, match="at byte .* object of format 2"):
            WAYS[way]([as_it_is(b"\x93\x02\xa5value\x80")], here)
        assert list(here.backend.everything()) == []
