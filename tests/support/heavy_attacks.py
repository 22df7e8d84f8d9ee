"""A program that makes one attack that is after memory or time, within limits: python -m … NAME

Prints why it was refused, or ends in the midst.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import zstandard

from tests.support.attacks import zstd
from tests.support.bundles import Piece, head, opened
from tests.support.limits import tried
from tests.support.packs import assembled, framed
from themis_vcs.errors import ThemisError
from themis_vcs.model.objects import Blob, Dictionary, Tag, Value, dump
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.frames import Frame, compress
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer
from themis_vcs.transfer.wire_endpoint import WireEndpoint


class Said(NamedTuple):
    """A wire on which the same pack is the answer to all that is asked."""

    pack: bytes
    name: str = "there"

    def fetch(self, question: str, document: object) -> io.BytesIO:
        return io.BytesIO(self.pack)

    def ask(self, question: str, document: object | None, kind: type[Any]) -> Any:
        raise AssertionError("a fetch of objects asks for nothing else")

    def send(self, question: str, data: object, kind: type[Any]) -> Any:
        raise AssertionError("a fetch sends nothing")

    def close(self) -> None:
        pass


def needing(objects: int, each: int) -> Iterator[Frame]:
    """Blobs of chunks that are not there, whose oids compress."""
    for number in range(objects):
        chunks = [(number * each + at).to_bytes(32, "big") for at in range(each)]
        payload = dump(Blob(1, chunks=chunks))
        yield zstd(payload, zstandard.compress(payload, 3))


def dictionaries(count: int) -> bytes:
    frames = []
    for number in range(count):
        # As small as the limit of the ratio lets it be.
        frames.append(framed(Dictionary(random.Random(number).randbytes(1_000) + bytes(1_000_000), "x")))
    return assembled(frames, dictionaries=range(count))


def texts(count: int) -> bytes:
    frames = []
    for number in range(count):
        frames.append(framed(Value("parsed", [random.Random(number).randbytes(8_000), "a line of text " * 500_000])))
    return assembled(frames)


def chain(length: int) -> tuple[bytes, Oid]:
    """A pack of tags of tags."""
    found = [framed(Value("parsed", 1))]
    for number in range(length):
        payload = dump(Tag(str(number), found[-1].oid, "", 0, ""))
        found += compress([oid_of(payload)], [payload])
    return assembled(found), found[-1].oid


def received(data: bytes) -> None:
    with Repository.memory() as here:
        receive(io.BytesIO(data), here)


def asked(data: bytes) -> None:
    there = WireEndpoint(Said(data))
    for _ in there.objects([bytes(32)]):
        pass


def fetched(data: bytes, at: Oid) -> None:
    there = opened([Piece(head({"names/a": at}), [data]).assembled()])
    with Repository.memory() as here:
        transfer(there, StoreEndpoint(here), [RefUpdate("names/a", at)], message="fetch")


def prepared(name: str) -> Callable[[], None]:
    match name:
        case "needs":
            data = assembled(needing(14, 100_000))
            return lambda: received(data)
        case "dictionaries":
            data = dictionaries(250)
            return lambda: received(data)
        case "answer":
            data = texts(80)
            return lambda: asked(data)
        case "chain":
            data, at = chain(3_000)
            return lambda: fetched(data, at)
        case _:
            raise ValueError(name)


def main(name: str) -> None:
    attack = prepared(name)

    def outcome() -> str:
        try:
            attack()
        except ThemisError as error:
            return error.message
        return "LET IN"

    print(*tried(1, lambda: outcome))


if __name__ == "__main__":
    main(sys.argv[1])
