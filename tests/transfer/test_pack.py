"""Packs: PACK-1 to PACK-7."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from msgspec.structs import replace

from tests.support.packs import assembled, dictionary, framed, hashed, mutated, read_all, whole_pack
from themis_vcs.errors import Corrupt, FormatError, MalformedPack, ObjectNotFound, UsageError
from themis_vcs.model.objects import Tag, Value, dump
from themis_vcs.model.oid import oid_of
from themis_vcs.store.frames import RAW, ZSTD, ZSTD_DICTIONARY, Frame, raw
from themis_vcs.transfer import pack
from themis_vcs.transfer.pack import PackWriter
from themis_vcs.transfer.packfile import PackFile
from themis_vcs.transfer.unpack import PackReader

PACK, CONTENTS = whole_pack()


def test_what_was_packed_is_received_in_its_order() -> None:
    received = read_all(PACK)
    assert {each.frame.oid: each.payload for each in received} == CONTENTS
    assert [dump(each.object) for each in received] == [each.payload for each in received]
    assert {each.frame.codec for each in received} >= {ZSTD, ZSTD_DICTIONARY}


def test_the_same_objects_give_the_same_bytes() -> None:
    """PACK-3"""
    assert whole_pack()[0] == PACK
    reader = PackReader(io.BytesIO(PACK))
    list(reader)
    assert PACK.endswith(reader.hash)
    assert reader.offset == len(PACK)


def test_a_stream_that_gives_single_bytes_is_read() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1 if size else 0)

    assert len(list(PackReader(Slow(PACK)))) == len(CONTENTS)


def test_every_object_is_found_in_the_file() -> None:
    """PACK-7"""
    file = PackFile(io.BytesIO(PACK))
    assert {oid: file.get(oid) for oid in file.oids()} == CONTENTS
    with pytest.raises(ObjectNotFound):
        file.get(os.urandom(32))


def test_what_is_needed_from_elsewhere_is_named() -> None:
    absent = os.urandom(32)
    tag = framed(Tag("v1", absent, "", 0, "somebody"))
    reader = PackReader(io.BytesIO(assembled([tag])))
    list(reader)
    assert reader.needs == {absent: tag.oid}


def test_an_empty_pack_is_a_pack() -> None:
    assert read_all(assembled([])) == []


def test_a_pack_that_is_cut_is_refused_where_it_ends() -> None:
    for size in range(0, len(PACK), 3):
        with pytest.raises(MalformedPack) as caught:
            read_all(PACK[:size])
        assert caught.value.offset == size
        with pytest.raises(Corrupt):
            PackFile(io.BytesIO(PACK[:size]))


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(MalformedPack, match="follow the end") as caught:
        read_all(PACK + b"\0")
    assert caught.value.offset == len(PACK)


def test_a_changed_byte_is_found_wherever_it_is() -> None:
    for at in range(0, len(PACK), 2):
        changed = bytearray(PACK)
        changed[at] ^= 0x10
        with pytest.raises((MalformedPack, FormatError)):
            read_all(bytes(changed))


def test_a_changed_pack_with_the_right_hash_gives_nothing_but_what_was_packed() -> None:
    """PACK-6: what is refused is refused with an offset inside of the pack."""
    draw = random.Random(1)
    refused = 0
    for _ in range(500):
        data = mutated(PACK, draw)
        try:
            received = read_all(data)
        except MalformedPack as error:
            refused += 1
            assert 0 <= error.offset <= len(data)
        except FormatError:
            refused += 1
        else:
            assert {each.frame.oid: each.payload for each in received} == CONTENTS
    assert refused > 450


def test_a_changed_file_gives_the_object_or_an_error() -> None:
    draw = random.Random(2)
    for _ in range(300):
        try:
            file = PackFile(io.BytesIO(mutated(PACK, draw)))
        except Corrupt:
            continue
        for oid, payload in CONTENTS.items():
            try:
                assert file.get(oid) == payload
            except (Corrupt, ObjectNotFound):
                continue


ONE, TWO = framed(Value("parsed", 1)), framed(Value("parsed", "two" * 100))
TAG = framed(Tag("v1", ONE.oid, "", 0, "somebody"))
DICTIONARY = framed(dictionary())
BOMB = bytes(64 << 20)


def _lying(frame: Frame, **changes: Any) -> Frame:
    return replace(frame, **changes)


ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "another magic": (lambda: assembled([ONE], magic=b"\x89NOPACK\n"), "this is no pack"),
    "an object twice": (lambda: assembled([ONE, ONE]), "comes twice"),
    "a parent before its child": (lambda: assembled([TAG, ONE]), "which needs it"),
    "another oid": (lambda: assembled([_lying(ONE, oid=TWO.oid)]), "do not hash to its name"),
    "a longer raw length": (lambda: assembled([_lying(TWO, raw_length=TWO.raw_length + 1)]), "states another size"),
    "a length beyond the limit": (lambda: assembled([_lying(ONE, raw_length=(64 << 20) + 1)]), "claims"),
    "an unknown codec": (lambda: assembled([_lying(ONE, codec=9)]), "codec 9"),
    "a dictionary where none is": (
        lambda: assembled([_lying(TWO, codec=ZSTD_DICTIONARY, dictionary=1)]),
        "dictionary 1",
    ),
    "no object at all": (lambda: assembled([raw(oid_of(b"hello"), b"hello")]), "malformed object"),
    "not canonical": (lambda: assembled([_raw(b"\x93\x01\xa5value\x82\xa4type\xa1a\xa4data\x01")]), "malformed object"),
    "an unknown kind": (lambda: assembled([_raw(b"\x93\x01\xa4evil\x80")]), "is not a kind of object"),
    "a bomb": (lambda: assembled([_squeezed(BOMB)]), "that claim to hold"),
    "a count too many": (lambda: _recounted(2, 0), "the trailer"),
    "a dictionary too many": (lambda: _recounted(1, 1), "the trailer"),
    "an index elsewhere": (lambda: _recounted(1, 0, shift=1), "the trailer"),
    "a value in the list of dictionaries": (lambda: assembled([ONE], dictionaries=[0]), "the trailer"),
    "a dictionary that is not listed": (lambda: assembled([DICTIONARY]), "the list of dictionaries"),
    "a dictionary too large": (lambda: assembled([_large_dictionary()], dictionaries=[0]), "a dictionary of"),
    "an unknown record": (lambda: hashed(PACK[:12] + b"\x03"), "begins with the byte 03"),
    "a dictionary of somebody else": (lambda: hashed(PACK[:12] + b"\x02" + bytes(32)), "is not here"),
}


def _raw(payload: bytes) -> Frame:
    return raw(oid_of(payload), payload)


def _squeezed(payload: bytes) -> Frame:
    return Frame(oid_of(payload), ZSTD, 0, len(payload), zstandard.compress(payload, 19))


def _large_dictionary() -> Frame:
    obj = dictionary()
    return _raw(dump(type(obj)(obj.data + bytes(pack.MAX_DICTIONARY), obj.label)))


def _recounted(objects: int, dictionaries: int, shift: int = 0) -> bytes:
    data = assembled([ONE])[: -pack.HASH_BYTES - pack.TRAILER.size]
    index = len(data) - pack.ENTRY.size + shift
    return hashed(data + pack.TRAILER.pack(objects, dictionaries, index, pack.CLOSING))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_with_its_reason(name: str) -> None:
    """PACK-4, PACK-6"""
    make, reason = ATTACKS[name]
    with pytest.raises(MalformedPack, match=reason):
        read_all(make())


def test_a_newer_version_is_refused_by_its_number() -> None:
    """PACK-5"""
    with pytest.raises(FormatError, match="version 2"):
        read_all(assembled([ONE], version=2))


def test_a_writer_keeps_the_rules() -> None:
    """PACK-1, PACK-2, PACK-4"""
    writer = PackWriter(lambda data: None)
    writer.add(ONE)
    assert ONE.oid in writer
    with pytest.raises(UsageError, match="already"):
        writer.add(ONE)
    with pytest.raises(UsageError, match="needs dictionary"):
        writer.add(TWO, DICTIONARY.oid)
    with pytest.raises(UsageError, match="too well"):
        writer.add(_squeezed(BOMB))
    assert TWO.codec != RAW
