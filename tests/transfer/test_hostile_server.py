"""A process that answers over a pipe and means harm: what it says is refused, and nothing comes of it (WIRE-1 to 7)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.attacks import as_it_is, oid
from tests.support.packs import assembled, framed
from themis_vcs.errors import RemoteError, ThemisError
from themis_vcs.model.objects import Dictionary, Tag, Value
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import pipe
from themis_vcs.transfer.messages import MAX_OIDS
from themis_vcs.transfer.pipe import GREETING, Pipe
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer
from themis_vcs.transfer.wire_endpoint import WireEndpoint

MIB = 1 << 20
OTHER = Value("parsed", "other")
TAG = Tag("v1", oid(OTHER), "", 0, "somebody")


def sent(data: bytes) -> bytes:
    sink = io.BytesIO()
    pipe.write(sink, io.BytesIO(data))
    return sink.getvalue()


def answer(body: bytes | Any, head: Any = None) -> bytes:
    return sent(msgspec.json.encode(head or {})) + sent(body if isinstance(body, bytes) else msgspec.json.encode(body))


def failure(**fields: Any) -> bytes:
    return answer(b"", {"error": {"code": "corrupt", "message": "no", **fields}})


def chunk(claimed: int, data: bytes = b"") -> bytes:
    return claimed.to_bytes(4, "big") + data


def endless(size: int = MIB, count: int = 140) -> bytes:
    return chunk(size, b" " * size) * count


def refs(**named: str) -> bytes:
    return answer({"format": 1, "refs": named})


TAGGED = {"tags/v1": oid(TAG).hex()}
FETCHING = GREETING + refs(**TAGGED)


def large(count: int) -> bytes:
    frames = [framed(Value("parsed", [number, *["a line of text"] * 500_000])) for number in range(count)]
    return assembled(frames)


def of_dictionaries(count: int) -> bytes:
    frames = [framed(Dictionary(number.to_bytes(4, "big") * (MIB // 4 - 99), "x")) for number in range(count)]
    return assembled(frames, dictionaries=range(count))


ANSWERS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a greeting of 10 MB without an end": lambda: b"a" * 10_000_000,
    "a greeting of another program": lambda: b"Welcome to \x1b[31mthis host\n" + FETCHING,
    "a greeting of another version": lambda: b"themis-wire 2\n",
    "a greeting of version 11": lambda: b"themis-wire 11\n",
    "a greeting that is cut": lambda: GREETING[:-1],
    "a greeting alone": lambda: GREETING,
    "a length that is cut": lambda: GREETING + b"\0\0",
    "a chunk that is cut": lambda: GREETING + chunk(100, b"{}"),
    "a head without an end": lambda: GREETING + chunk(2, b"{}"),
    "a head without a body": lambda: GREETING + sent(b"{}"),
    "a body that is cut": lambda: FETCHING[:-10],
    "a chunk of 1 MiB and a byte": lambda: GREETING + chunk(MIB + 1, b" " * (MIB + 1)),
    "a chunk of 2^32 - 1": lambda: GREETING + chunk(2**32 - 1, b"{}"),
    "a head of 140 MiB": lambda: GREETING + endless(),
    "a document of 140 MiB": lambda: GREETING + sent(b"{}") + endless(),
    "a document of many short chunks": lambda: GREETING + sent(b"{}") + chunk(1, b"[") * 200_000,
    "a head of no bytes": lambda: GREETING + sent(b"") * 2,
    "a head that is a list": lambda: GREETING + sent(b"[]") * 2,
    "a head that is no JSON": lambda: GREETING + sent(b"\xff\x00") * 2,
    "a head of 100,000 brackets": lambda: GREETING + sent(b"[" * 100_000) * 2,
    "an error that is a text": lambda: GREETING + sent(b'{"error":"no"}') + sent(b""),
    "an error with a message of 1 MB": lambda: GREETING + failure(message="m" * 1_000_000),
    "an error with a hint of 1 MB": lambda: GREETING + failure(hint="m" * 1_000_000),
    "an error with escapes": lambda: GREETING + failure(message="\x1b]0;x\x07\x9b2J\u202e", hint="\x1b[2J"),
    "a conflict over a name with escapes": lambda: GREETING + failure(code="ref-conflict", name="\x1b[2J" * 9_999),
    "a conflict over no oid": lambda: GREETING + failure(code="ref-conflict", name="names/a", expected="x"),
    "refs that are a list": lambda: GREETING + answer({"format": 1, "refs": []}),
    "refs of another format": lambda: GREETING + answer({"format": 2, "refs": {}}),
    "refs without a format": lambda: GREETING + answer({"refs": {}}),
    "refs of no bytes": lambda: GREETING + answer(b""),
    "refs at short oids": lambda: GREETING + refs(**{"names/a": "00"}),
    "refs at oids in capitals": lambda: GREETING + refs(**{"names/a": "A" * 64}),
    "refs at oids with a newline": lambda: GREETING + refs(**{"names/a": "a" * 64 + "\n"}),
    "refs at numbers": lambda: GREETING + answer({"format": 1, "refs": {"names/a": 1}}),
    "10 million refs": lambda: GREETING + sent(b"{}") + endless(),
    **{
        f"the ref {name!r}": lambda name=name: GREETING + refs(**TAGGED, **{name: "0" * 64})
        for name in ("names/../../x", "names/a/../b", "names/con", "names/.lock", "names/a\\b", "names/\0", "tags/\x1b")
    },
    "no answer to objects": lambda: FETCHING,
    "objects of no bytes": lambda: FETCHING + answer(b"") * 3,
    "objects that are no pack": lambda: FETCHING + answer(b"{}") * 3,
    "an empty pack": lambda: FETCHING + answer(assembled([])) * 3,
    "another object": lambda: FETCHING + answer(assembled([framed(Value("parsed", 2))])) * 3,
    "an object under a wrong hash": lambda: FETCHING + answer(assembled([replace(framed(OTHER), oid=oid(TAG))])) * 3,
    "bytes that are no object": lambda: FETCHING + answer(assembled([as_it_is(b"hello")])) * 3,
    "a pack with bytes after it": lambda: FETCHING + answer(assembled([framed(TAG)]) + b"\0") * 3,
    "a pack that is cut": lambda: FETCHING + answer(assembled([framed(TAG)])[:-9]) * 3,
    "a pack of 140 MiB": lambda: FETCHING + sent(b"{}") + endless(),
    "a pack of objects of 90 MB": lambda: FETCHING + answer(large(12)),
    "a pack of dictionaries of 40 MiB": lambda: FETCHING + answer(of_dictionaries(40)),
    "a tag and then nothing": lambda: FETCHING + answer(assembled([framed(TAG)])) * 6,
    "a run where the tag is to be": lambda: GREETING + refs(**{"tags/v1": oid(OTHER).hex()})
    + answer(assembled([framed(OTHER)])) * 6,
}  # fmt: skip


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a broken conversation is not waited for."""
    monkeypatch.setattr(pipe, "_PATIENCE", 0.1)


def served(data: bytes, directory: Path) -> list[str]:
    """Return a command that says all this at once, and then listens until it is left."""
    (directory / "answers").write_bytes(data)
    return ["sh", "-c", 'cat "$0" && exec 1>&- && exec cat >/dev/null', str(directory / "answers")]


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_hostile_server_says_is_refused(name: str, tmp_path: Path) -> None:
    command = served(ANSWERS[name](), tmp_path)
    with Repository.memory() as here:
        with pytest.raises(ThemisError) as caught:
            there = WireEndpoint(Pipe(command, "there"))
            try:
                updates = [RefUpdate(*ref) for ref in there.refs().items()]
                transfer(there, StoreEndpoint(here), updates, message="fetch")
            finally:
                there.close()
        error = caught.value
        assert (
            "there" in error.message
            or "names/" in error.message
            or "\N{REPLACEMENT CHARACTER}" in error.message
            or "expected an object of kind tag" in error.message
        )
        for text in (error.message, error.hint or ""):
            assert len(text) < 1_200
            assert all(each.isprintable() or each == "\n" for each in text)
        assert {found for found, _ in here.backend.everything()} <= {oid(OTHER)}
        assert list(here.refs()) == []


def test_an_answer_says_of_each_object_whether_it_is_missing(tmp_path: Path) -> None:
    there = WireEndpoint(Pipe(served(GREETING + answer({"missing": "01"}), tmp_path), "there"))
    try:
        assert there.missing([oid(TAG), oid(OTHER)]) == [oid(OTHER)]
    finally:
        there.close()


@pytest.mark.parametrize("flags", ["", "0", "011", "1 ", "1\n", "12", "0\u0661", "1" * (MAX_OIDS + 1), ["1", "1"], 11])
def test_an_answer_about_other_objects_than_were_asked_about_is_refused(flags: object, tmp_path: Path) -> None:
    there = WireEndpoint(Pipe(served(GREETING + answer({"missing": flags}), tmp_path), "there"))
    try:
        with pytest.raises(RemoteError, match="^there (answers about|did not answer sensibly)"):
            there.missing([oid(TAG), oid(OTHER)])
    finally:
        there.close()
