"""Attacks on the formats of packs and bundles: each is refused with its reason, and nothing comes of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import zstandard

from tests.support.attacks import oid
from tests.support.bundles import Piece, head, opened, whole_bundle
from tests.support.bundles import hashed as hashed_part
from tests.support.hostile_packs import sound
from tests.support.packs import assembled, dictionary, framed, hashed
from themis_vcs.errors import FormatError, MalformedPack, ThemisError
from themis_vcs.model.objects import Dictionary, Tag, Value, dump
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.frames import ZSTD_DICTIONARY, Frame, compress
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import bundle, pack
from themis_vcs.transfer.bundling import verify
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

FALSE = (2**31, 2**63, 2**64 - 1)
VALUE, OTHER = Value("parsed", 1), Value("parsed", "other" * 30)
TAG = Tag("v1", oid(VALUE), "", 0, "somebody")
FRAMES = [framed(VALUE), framed(OTHER), framed(TAG)]
PACK = assembled(FRAMES)
BODY = PACK[: -pack.HASH_BYTES]
COUNTS = pack.TRAILER.unpack(BODY[-pack.TRAILER.size :])
INDEX = COUNTS[2]
WHOLE = whole_bundle()
HEAD = head(WHOLE.refs)
TRAINED = dictionary()
READY = zstandard.ZstdCompressionDict(TRAINED.data)
TEXT = dump(OTHER)


def counted(*fields: int | bytes) -> bytes:
    return hashed(BODY[: -pack.TRAILER.size] + pack.TRAILER.pack(*fields))


def using(number: int, payload: bytes = TEXT, ready: zstandard.ZstdCompressionDict = READY) -> Frame:
    frame = compress([oid(OTHER)], [payload], number, ready)[0]
    assert frame.codec == ZSTD_DICTIONARY
    return frame


def indexed(change: Callable[[list[bytes]], Sequence[bytes]]) -> bytes:
    rows = [BODY[at : at + pack.ENTRY.size] for at in range(INDEX, INDEX + 3 * pack.ENTRY.size, pack.ENTRY.size)]
    return hashed(BODY[:INDEX] + b"".join(change(rows)) + BODY[-pack.TRAILER.size :])


def pointing(at: int) -> bytes:
    return indexed(lambda rows: [rows[0][:32] + pack.OFFSET.pack(at), *rows[1:]])


def framed_dictionary(obj: Dictionary, number: int = 0) -> Frame:
    payload = dump(obj)
    return compress([oid(obj)], [payload], number, READY if number else None)[0]


BORDERS = {
    "in the magic": 4, "in the version": 10, "before the first record": 12, "after a mark": 13, "in an oid": 20,
    "in a length": 13 + 38, "before the data": 13 + 43, "before the second record": 13 + FRAMES[0].size,
    "before the end": INDEX - 1, "before the index": INDEX, "in the index": INDEX + 33,
    "before the trailer": len(BODY) - pack.TRAILER.size, "in the trailer": len(BODY) - 9, "before the hash": len(BODY),
    "in the hash": len(PACK) - 1,
}  # fmt: skip
PACKS: dict[str, Callable[[], bytes]] = {
    **{f"{number} objects": lambda number=number: counted(number % 2**64, *COUNTS[1:]) for number in (0, *FALSE)},
    **{f"{n} dictionaries": lambda n=n: counted(COUNTS[0], n, *COUNTS[2:]) for n in (1, 256, 2**31, 2**32 - 1)},
    **{f"an index at {n}": lambda n=n: counted(*COUNTS[:2], n, COUNTS[3]) for n in (0, 12, INDEX + 1, *FALSE)},
    **{f"cut {name}": lambda at=at: PACK[:at] for name, at in BORDERS.items()},
    **{f"cut {name}, with a hash": lambda at=at: hashed(PACK[:at]) for name, at in BORDERS.items() if at != len(BODY)},
    **{f"version {number}": lambda n=number: assembled(FRAMES, version=n) for number in (0, 2, 2**31, 2**32 - 1)},
    "another closing": lambda: counted(*COUNTS[:3], b"THEM"),
    "a byte after the end": lambda: PACK + b"\0",
    "a pack after the pack": lambda: PACK + PACK,
    "an object twice": lambda: assembled([*FRAMES, FRAMES[0]]),
    "a parent before its child": lambda: assembled([FRAMES[2], FRAMES[0]]),
    "an index that descends": lambda: indexed(lambda rows: rows[::-1]),
    "an index with an object twice": lambda: indexed(lambda rows: [rows[0], rows[0], rows[2]]),
    "an index with an object of none": lambda: indexed(lambda rows: [bytes(40), *rows[1:]]),
    "an index into another frame": lambda: pointing(13 + FRAMES[0].size + 1),
    "an index into the midst of a frame": lambda: pointing(20),
    "an index into itself": lambda: pointing(INDEX),
    "an index into the header": lambda: pointing(0),
    "an index to behind the pack": lambda: pointing(2**64 - 1),
    "a dictionary after its use": lambda: assembled([using(1), framed_dictionary(TRAINED)], dictionaries=[1]),
    "a second dictionary that is absent": lambda: assembled([framed_dictionary(TRAINED), using(2)], dictionaries=[0]),
    "a dictionary that uses itself": lambda: assembled([framed_dictionary(TRAINED, 1)], dictionaries=[0]),
    "a dictionary that is a value": lambda: assembled([FRAMES[0], using(1)], dictionaries=[0]),
    "a dictionary that is not listed": lambda: assembled([framed_dictionary(TRAINED), using(1)]),
    "a dictionary that is listed twice": lambda: assembled([framed_dictionary(TRAINED)], dictionaries=[0, 0]),
    "a dictionary of noise": lambda: noisy(b"noise" * 40),
    "a dictionary of the magic alone": lambda: noisy(b"\x37\xa4\x30\xec"),
    "a dictionary cut in the midst": lambda: noisy(TRAINED.data[:100]),
    "a dictionary of nothing": lambda: noisy(b""),
    "256 dictionaries": lambda: many_dictionaries(256),
    "an empty file": lambda: b"",
    "a header alone": lambda: hashed(PACK[:12]),
    "a bundle": lambda: WHOLE.parts(split=False)[0],
}  # fmt: skip


def noisy(data: bytes) -> bytes:
    return assembled([framed_dictionary(Dictionary(data, "x")), using(1)], dictionaries=[0])


def many_dictionaries(count: int) -> bytes:
    frames = [framed_dictionary(Dictionary(TRAINED.data, str(number))) for number in range(count)]
    return assembled(frames, dictionaries=range(count))


@pytest.mark.parametrize("way", ["received", "in a bundle"])
@pytest.mark.parametrize("name", PACKS)
def test_a_pack_that_is_not_of_its_form_is_refused(name: str, way: str) -> None:
    """PACK-1 to PACK-6"""
    data = PACKS[name]()
    with Repository.memory() as here:
        with pytest.raises((MalformedPack, FormatError), match="test") as caught:
            if way == "received":
                receive(io.BytesIO(data), here, "test.pack")
            else:
                verify(opened([Piece(head({"tags/v1": oid(TAG)}), [data]).assembled()]))
        assert isinstance(caught.value, FormatError) or "at byte" in caught.value.message
        assert list(here.backend.everything()) == []


def test_a_dictionary_that_is_named_and_is_none_here_is_refused_where_it_is_named() -> None:
    """PACK-2"""
    with Repository.memory() as here:
        value = here.put(VALUE)
        here.flush()
        with pytest.raises(MalformedPack, match="at byte 13: .*used as a dictionary, is none"):
            receive(io.BytesIO(hashed(PACK[:12] + pack.KNOWN + value)), here)


def test_a_dictionary_that_is_compressed_with_another_is_read_or_refused() -> None:
    """PACK-2: it is an object like any other."""
    second = Dictionary(TRAINED.data[::-1], "x")
    data = assembled([framed_dictionary(TRAINED), framed_dictionary(second, 1), framed(VALUE)], dictionaries=[0, 1])
    with Repository.memory() as here:
        try:
            receive(io.BytesIO(data), here)
        except MalformedPack:
            assert list(here.backend.everything()) == []
        else:
            assert [found for found, _ in here.backend.everything()] == [oid(VALUE)]


# --- bundles ---

ONE = Piece(HEAD, WHOLE.packs)
WHOLE_BYTES = ONE.assembled()
TABLE = bundle.TRAILER.unpack(WHOLE_BYTES[-45:-32])[1]
FIRST = bundle.OPENING.size + len(HEAD)
SECOND = FIRST + 9 + len(WHOLE.packs[0])
PARTS = WHOLE.parts(split=True)
RUN = WHOLE.refs["names/demo"].hex().encode()
OTHER_PARTS = replace(WHOLE, refs={"tags/v2": WHOLE.refs["tags/v1"]}).parts(split=True)


def headed(data: bytes) -> list[bytes]:
    return [replace(ONE, head=data).assembled()]


def named(*names: str) -> list[bytes]:
    """A bundle with other names for its run."""
    return headed(head({name: WHOLE.refs["names/demo"] for name in names}))


def edited(old: bytes, new: bytes) -> list[bytes]:
    assert old in HEAD
    return headed(HEAD.replace(old, new))


def repeated_key() -> bytes:
    return HEAD.replace(b'{"names/demo":', b'{"names/demo":"' + b"0" * 64 + b'","names/demo":')


NAMES = (
    "names/../../x", "names/a/../b", "/etc/passwd", "names/con", "names/NUL.txt", "names/.lock", "names/a.lock",
    "names/a\\b", "names/a\0b", "names/\N{LATIN SMALL LETTER A WITH DIAERESIS}", "names/" + "a" * 195, "names/a\x1b[2J",
    "names/", "names//a", "names", "", "names/-x", "names/a b", "names/a.", "runs/" + "0" * 64 + "/head", "remotes/o/a",
    "refs/a", "tags/\u202ea", "names/a\n", "../a", "C:/a", "names/%2e%2e", "names/@{1}",
)  # fmt: skip
MIXED_NUMBER = [PARTS[0], replace(Piece(head(WHOLE.refs, 3, PARTS[0][-32:]), WHOLE.packs[1:])).assembled()]
BUNDLES: dict[str, Callable[[], list[bytes]]] = {
    **{f"the ref {name[:24]!r}": lambda name=name: named(name) for name in NAMES},
    **{f"cut at {at}": lambda at=at: [WHOLE_BYTES[:at]] for at in (0, 8, 12, 16, 40, FIRST, FIRST + 9, SECOND, TABLE)},
    **{
        f"cut at {at}, with a hash": lambda at=at: [hashed_part(WHOLE_BYTES[:at])]
        for at in (0, 8, 16, FIRST, FIRST + 9, SECOND, TABLE, TABLE + 8)
    },
    **{f"version {n}": lambda n=n: [replace(ONE, version=n).assembled()] for n in (0, 2, 2**32 - 1)},
    **{f"a head of {n}": lambda n=n: [replace(ONE, head_length=n).assembled()] for n in (0, 1, 2**31, 2**32 - 1)},
    **{f"{n} packs": lambda n=n: [replace(ONE, count=n).assembled()] for n in (0, 1, 3, 2**31, 2**32 - 1)},
    **{f"a table at {n}": lambda n=n: [replace(ONE, table=n).assembled()] for n in (0, TABLE - 8, *FALSE)},
    **{f"a pack of {n}": lambda n=n: [replace(ONE, pack_lengths={0: n}).assembled()] for n in (0, 1, *FALSE)},
    **{f"a pack at {n}": lambda n=n: [replace(ONE, places=[n, SECOND]).assembled()] for n in (0, 16, SECOND, *FALSE)},
    **{f"the last part is {n}": lambda n=n: [replace(ONE, last=n).assembled()] for n in (0, 2, 255)},
    "another magic": lambda: [replace(ONE, magic=b"\x89THPACK\n").assembled()],
    "packs in the other order in the table": lambda: [replace(ONE, places=[SECOND, FIRST]).assembled()],
    "another end": lambda: [replace(ONE, end=b"\2").assembled()],
    "two ends": lambda: [replace(ONE, end=b"\0\0").assembled()],
    "a byte after the end": lambda: [WHOLE_BYTES + b"\0"],
    "another hash": lambda: [WHOLE_BYTES[:-1] + bytes([WHOLE_BYTES[-1] ^ 1])],
    "a pack without the objects of a ref": lambda: [replace(ONE, packs=WHOLE.packs[:1]).assembled()],
    "no pack": lambda: [replace(ONE, packs=[]).assembled()],
    "a pack twice without another": lambda: [replace(ONE, packs=[WHOLE.packs[0]] * 2).assembled()],
    "a parent in the pack before": lambda: headed_packs([assembled([FRAMES[2]]), assembled([FRAMES[0]])]),
    "a head that is no JSON": lambda: headed(b"hello"),
    "a head of no bytes": lambda: headed(b""),
    "a head that is a list": lambda: headed(b"[]"),
    "a head with spaces": lambda: headed(HEAD.replace(b":", b": ")),
    "a head whose keys are not sorted": lambda: headed(b'{"refs":{},"part":1,"needs":[],"after":null}'),
    "a head with a key twice": lambda: headed(HEAD.replace(b'"part":1', b'"part":2,"part":1')),
    "a head with a ref twice": lambda: headed(repeated_key()),
    "a head with an unknown key": lambda: headed(HEAD.replace(b'"part":1', b'"part":1,"who":1')),
    "a head that lacks a key": lambda: headed(HEAD.replace(b',"part":1', b"")),
    "a head of 17 MiB": lambda: headed(HEAD + b" " * (17 << 20)),
    "a head of 100,000 brackets": lambda: headed(b"[" * 100_000),
    "a head in UTF-16": lambda: headed(HEAD.decode().encode("utf-16")),
    "a head with half a surrogate pair": lambda: edited(b"names/demo", b"names/\\ud800"),
    "an oid in capitals": lambda: edited(RUN, RUN.upper()),
    "an oid that is too short": lambda: edited(RUN, RUN[:62]),
    "part 0": lambda: edited(b'"part":1', b'"part":0'),
    "part 2": lambda: edited(b'"part":1', b'"part":2'),
    "part 2^64": lambda: edited(b'"part":1', b'"part":18446744073709551616'),
    "part 1.0": lambda: edited(b'"part":1', b'"part":1.0'),
    "a first part that comes after another": lambda: headed(head(WHOLE.refs, 1, bytes(32))),
    "a second part without the first": lambda: PARTS[1:],
    "a first part without the second": lambda: PARTS[:1],
    "parts in the other order": lambda: PARTS[::-1],
    "a part twice": lambda: [PARTS[0], PARTS[0]],
    "a part after the last": lambda: [*PARTS, PARTS[1]],
    "parts of two bundles": lambda: [PARTS[0], OTHER_PARTS[1]],
    "part 3 after part 1": lambda: MIXED_NUMBER,
    "a part that comes after another hash": lambda: [
        PARTS[0], Piece(head(WHOLE.refs, 2, bytes(32)), WHOLE.packs[1:]).assembled()
    ],
    "a second part with other refs": lambda: [
        PARTS[0], Piece(head({}, 2, PARTS[0][-32:]), WHOLE.packs[1:]).assembled()
    ],
    "a second part with other needs": lambda: [
        PARTS[0], Piece(head(WHOLE.refs, 2, PARTS[0][-32:], [bytes(32)]), WHOLE.packs[1:]).assembled()
    ],
    "a thin pack": lambda: headed_packs([hashed(PACK[:12] + pack.KNOWN + oid(TRAINED) + b"\0")]),
}  # fmt: skip


def headed_packs(packs: list[bytes]) -> list[bytes]:
    return [Piece(head({"tags/v1": oid(TAG)}), packs).assembled()]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_that_is_not_of_its_form_is_refused(name: str) -> None:
    """BUNDLE-1 to BUNDLE-5"""
    with pytest.raises(ThemisError, match="test") as caught:
        verify(opened(BUNDLES[name]()))
    assert all(each.isprintable() or each == "\n" for each in caught.value.message)


@pytest.mark.parametrize("name", BUNDLES)
def test_nothing_is_fetched_from_it_but_what_was_packed(name: str) -> None:
    with Repository.memory() as here:
        try:
            there = opened(BUNDLES[name]())
            updates = [RefUpdate(*ref) for ref in there.refs().items()]
            transfer(there, StoreEndpoint(here), updates, message="fetch")
        except ThemisError:
            assert list(here.refs()) == []
        assert sound(here, {**WHOLE.contents, oid(VALUE): dump(VALUE), oid(TAG): dump(TAG)})
        assert all(name in WHOLE.refs for name, _ in here.refs("names/"))
