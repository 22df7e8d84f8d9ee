"""What a hostile bucket may hold, each thing refused for its own reason."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.buckets import moto, opener
from tests.support.canned_server import canned
from tests.support.hostile_buckets import listing, opened, sound
from tests.support.packs import assembled, framed
from tests.support.pushing import push
from tests.support.stores import store_run
from themis_vcs.errors import Corrupt, MalformedPack, RemoteError, ThemisError
from themis_vcs.model.objects import Tag, Value, dump
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.frames import RAW, ZSTD, ZSTD_DICTIONARY, Frame, compress
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import pack
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.root import MAX_BYTES
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

SOUND = sound()
ENTRY = SOUND.root.packs[0]
OID = oid_of(dump(Value("parsed", 1)))
LONG = Value("parsed", "a" * 500)


def packed(*frames: Frame, dictionaries: tuple[int, ...] = ()) -> BucketEndpoint:
    """Return a bucket that holds a pack of frames as they are."""
    data = assembled(frames, dictionaries=dictionaries)
    records = pack.HEADER.size + sum(1 + frame.size for frame in frames) + 1
    return listing(SOUND, data, data[records:], len(frames))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame(OID, RAW, 0, 64 << 20, b"x"), "claim to hold"),
        (Frame(OID, ZSTD, 0, 1 << 16, b"x"), "size|frame|magic"),
        (Frame(OID, 3, 0, 1, b"x"), "codec 3"),
        (replace(framed(LONG), codec=ZSTD_DICTIONARY, dictionary=9), "dictionary 9"),
        (Frame(OID, RAW, 0, 1, b"x"), "do not hash"),
        (Frame(OID, RAW, 0, 2, b"x"), "1 bytes instead of 2"),
        (Frame(oid_of(b"junk"), RAW, 0, 4, b"junk"), "kind|object|envelope"),
        (compress([OID], [dump(Value("parsed", 1)) + b"\0"])[0], "do not hash|size"),
    ],
)
def test_a_frame_that_is_none(frame: Frame, reason: str) -> None:
    there = packed(frame)
    with pytest.raises(MalformedPack, match=reason) as caught:
        list(there.objects([frame.oid]))
    assert caught.value.offset == pack.HEADER.size + 1
    assert ".pack: at byte 13: " in caught.value.message


def test_a_dictionary_that_is_none() -> None:
    tag = framed(Tag("v1", OID, "", 0, "somebody"))
    frame = replace(framed(LONG), codec=ZSTD_DICTIONARY, dictionary=1)
    with pytest.raises(MalformedPack, match="kind"):
        list(packed(tag, frame, dictionaries=(0,)).objects([frame.oid]))


def test_an_object_where_another_should_be() -> None:
    frame = framed(Value("parsed", 1))
    data = assembled([frame])
    records = pack.HEADER.size + 1 + frame.size + 1
    data = data[:records] + data[records:].replace(frame.oid, b"\7" * 32)
    with pytest.raises(MalformedPack, match="another object"):
        list(listing(SOUND, data, data[records:], 1).objects([b"\7" * 32]))


def changed(index: bytes, at: int, new: bytes) -> bytes:
    return index[:at] + new + index[at + len(new) :]


TRAILER = len(SOUND.index) - pack.TRAILER.size - pack.HASH_BYTES


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (b"", "too short"),
        (SOUND.index[-pack.HASH_BYTES :], "too short"),
        (SOUND.index[40:], "does not fit"),
        (SOUND.index[:-1], "does not fit"),
        (changed(SOUND.index, TRAILER, b"\xff" * 8), "does not fit"),
        (changed(SOUND.index, TRAILER + 8, b"\xff" * 4), "does not fit"),
        (changed(SOUND.index, TRAILER + 12, b"\0" * 8), "does not fit"),
        (changed(SOUND.index, TRAILER + 20, b"ZZZZ"), "does not fit"),
        (changed(SOUND.index, 0, b"\xff" * 32), "not in order"),
        (SOUND.index + b"\0" * (pack.MAX_OBJECTS * pack.ENTRY.size), "bytes"),
    ],
)
def test_an_index_that_is_none(index: bytes, reason: str) -> None:
    there = listing(SOUND, SOUND.pack, index, ENTRY.objects)
    with pytest.raises(Corrupt, match=reason):
        there.missing([OID])


@pytest.mark.parametrize("offset", [0, 11, len(SOUND.pack), len(SOUND.pack) - len(SOUND.index), 2**64 - 1, 2**63])
def test_an_index_that_leads_out_of_the_records(offset: int) -> None:
    oid = SOUND.index[:32]
    index = changed(SOUND.index, 32, pack.OFFSET.pack(offset))
    data = SOUND.pack[: -len(index)] + index
    with pytest.raises(Corrupt, match="an object lies at byte"):
        list(listing(SOUND, data, index, ENTRY.objects).objects([oid]))


def test_an_index_that_does_not_hash_to_what_is_listed() -> None:
    root = json.loads(_root())
    root["packs"][0]["index"] = "0" * 64
    there = opened(json.dumps(root).encode(), {ENTRY.name: (SOUND.pack, SOUND.index)})
    with pytest.raises(Corrupt, match="does not hash"):
        there.missing([OID])


@pytest.mark.parametrize("lacks", [".pack", ".idx"])
def test_a_pack_that_is_listed_and_not_there(lacks: str) -> None:
    there = listing(SOUND, SOUND.pack, SOUND.index, ENTRY.objects)
    (key,) = [each.key for each in there.bucket.list() if each.key.endswith(lacks)]
    there.bucket.delete(key)
    with pytest.raises(Corrupt, match="not there"):
        list(there.objects([SOUND.index[:32]]))


def test_a_pack_that_is_cut() -> None:
    oids: list[Oid] = [SOUND.index[at : at + 32] for at in range(0, 40 * ENTRY.objects, 40)]
    root = _root()
    there = opened(root, {ENTRY.name: (SOUND.pack[:2_000], SOUND.index)})
    with pytest.raises(Corrupt, match="before its end"):
        list(there.objects(oids))


def _root(**changes: Any) -> bytes:
    entry = {"name": ENTRY.name, "size": ENTRY.size, "objects": ENTRY.objects, "index": ENTRY.index}
    root = {"format": "themis-bucket", "version": 1, "writes": ["0" * 32], "refs": SOUND.root.refs, "packs": [entry]}
    return json.dumps({**root, **changes}).encode()


def _entry(**changes: Any) -> bytes:
    entry = {"name": ENTRY.name, "size": ENTRY.size, "objects": ENTRY.objects, "index": ENTRY.index}
    return _root(packs=[{**entry, **changes}])


@pytest.mark.parametrize(
    "root",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        _root()[:-1],
        _root() + b"x",
        _root(format="other"),
        _root(version="1"),
        _root(more=1),
        _root(writes=["x"]),
        _root(writes=["0" * 32] * 33),
        _root(refs={"names/../x": "0" * 64}),
        _root(refs={"runs/x": "0" * 64}),
        _root(refs={"names/x": "0" * 63}),
        _root(refs={"names/x": "ＦＦ" * 32}),
        _root(refs={"names/x": None}),
        _root(refs=[]),
        _entry(name="../../x"),
        _entry(name="0" * 64),
        _entry(size=-1),
        _entry(size=pack.MAX_BYTES + 1),
        _entry(size=2**70),
        _entry(objects=0),
        _entry(objects=pack.MAX_OBJECTS + 1),
        _entry(index=""),
        _entry(more=1),
        _root(packs=[json.loads(_root())["packs"][0]] * 2),
        b" " * MAX_BYTES + _root(),
    ],
    ids=range(29),
)
def test_a_root_that_is_none(root: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        opened(root, {}).refs()
    assert "root.json" in caught.value.message


def test_a_push_does_not_write_over_a_root_that_is_none() -> None:
    there = opened(b"{}", {})
    with Repository.memory() as source, pytest.raises(Corrupt):
        push(source, there, store_run(source, 2).run, None)
    assert there.bucket.get("root.json", 10) is not None


HEAD = 'ETag: "x"\r\nLast-Modified: Mon, 23 Nov 2026 18:00:00 GMT\r\nConnection: close\r\n'
Asked = Callable[[BucketEndpoint], object]


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        (f"200 OK\r\n{HEAD}Content-Length: 100000000000\r\n\r\n", BucketEndpoint.refs),
        (f"200 OK\r\n{HEAD}\r\n" + "x" * 1_000, BucketEndpoint.refs),
        (f"200 OK\r\n{HEAD}Content-Length: 100000\r\n\r\n" + "x" * 1_000, BucketEndpoint.refs),
        (
            f"206 Partial Content\r\n{HEAD}Content-Range: bytes 0-9/1000000\r\nContent-Length: 100000000000\r\n\r\n"
            + "x" * 100_000,
            lambda there: there.bucket.get_range("x", 0, 10),
        ),
        (
            f"206 Partial Content\r\n{HEAD}Content-Range: bytes 0-999999/1000000\r\nContent-Length: 1000000\r\n\r\n",
            lambda there: there.bucket.get_range("x", 0, 10),
        ),
        (
            f"206 Partial Content\r\n{HEAD}Content-Range: bytes 0-9/1000000\r\nContent-Length: 20\r\n\r\n" + "x" * 20,
            lambda there: there.bucket.get_range("x", 0, 10),
        ),
        (f"200 OK\r\n{HEAD}Content-Length: 20\r\n\r\n" + "x" * 20, lambda there: there.bucket.get_range("x", 0, 10)),
        (f"200 OK\r\n{HEAD}Content-Length: 20\r\n\r\n" + "<" * 20, lambda there: list(there.bucket.list())),
    ],
)
def test_a_server_that_says_more_than_it_should(answer: str, ask: Asked) -> None:
    with canned(b"HTTP/1.1 " + answer.encode()) as odd:
        there = opener(odd.url.removesuffix("/v1"), timeout=3.0)()
        with pytest.raises((Corrupt, RemoteError)):
            ask(there)


def test_a_fetch_that_is_refused_moves_no_ref() -> None:
    there = opener(moto().url)()
    with Repository.memory() as source, Repository.memory() as here:
        run = store_run(source, 5).run
        push(source, there, run, None)
        (entry,) = there.root.known().packs
        data = bytearray(there.bucket.get_range(f"packs/{entry.name}.pack", 0, entry.size))
        data[len(data) // 2] ^= 1
        there.bucket.put(f"packs/{entry.name}.pack", io.BytesIO(data))
        with pytest.raises(ThemisError):
            transfer(there, StoreEndpoint(here), [RefUpdate("names/demo", run)], message="fetch")
        assert dict(here.refs()) == {}
