"""Whoever asks a store over a pipe and means harm: it is told why not, and the store stays as it was (WIRE-1 to 7)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.support.packs import assembled, framed
from tests.support.stores import Stored, store_run, store_tag
from themis_vcs.errors import DataError
from themis_vcs.model.objects import Tag, Value
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import pipe
from themis_vcs.transfer.service import Service
from themis_vcs.transfer.stdio import serve

MIB = 1 << 20
ZERO = "0" * 64


@pytest.fixture
def store() -> Iterator[Repository]:
    with Repository.memory() as opened:
        yield opened


@pytest.fixture
def run(store: Repository) -> Stored:
    stored = store_run(store, 3)
    store_tag(store, stored.run)
    return stored


def sent(data: bytes) -> bytes:
    sink = io.BytesIO()
    pipe.write(sink, io.BytesIO(data))
    return sink.getvalue()


def asked(question: str, body: bytes | Any) -> bytes:
    head = sent(msgspec.json.encode({"ask": question}))
    return head + sent(body if isinstance(body, bytes) else msgspec.json.encode(body))


def move(name: str, new: str | None, expected: Any = "any", **more: Any) -> bytes:
    return asked("move", {"updates": [{"name": name, "new": new, "expected": expected}], **more})


def answers(store: Repository, data: bytes, *, writable: bool = True) -> list[dict[str, Any]]:
    """Return the heads of the answers to what is sent."""
    sink = io.BytesIO()
    serve(Service(store, writable=writable), io.BytesIO(data), sink)
    sink.seek(len(pipe.GREETING))
    heads = []
    while sink.tell() < len(sink.getvalue()):
        heads.append(msgspec.json.decode(pipe.read(sink)))
        pipe.read(sink)
    return heads


def state(store: Repository) -> tuple[dict[bytes, bytes], dict[str, bytes]]:
    return dict(store.backend.everything()), dict(store.refs())


ORPHAN = framed(Tag("x", bytes(32), "", 0, ""))
ENDLESS = (MIB.to_bytes(4, "big") + b" " * MIB) * 129
# What is asked, given the oid of a run, and what the answer says.
QUESTIONS: dict[str, tuple[Callable[[str], bytes], str]] = {
    "an unknown question": (lambda run: asked("drop", {}), "is not a question"),
    "a question of escapes": (lambda run: asked("\x1b[2J" * 99, {}), "is not a question"),
    "a question of a dunder": (lambda run: asked("__class__", {}), "is not a question"),
    "missing with no document": (lambda run: asked("missing", b""), "not a document"),
    "missing with a list": (lambda run: asked("missing", []), "not a document"),
    "missing with brackets": (lambda run: asked("missing", b"[" * 100_000), "not a document"),
    "8,193 oids": (lambda run: asked("missing", {"oids": ZERO * 8_193}), "not a document"),
    "an oid that is short": (lambda run: asked("missing", {"oids": "0" * 63}), "not a document"),
    "an oid with a newline": (lambda run: asked("missing", {"oids": ZERO[1:] + "\n"}), "not a document"),
    "a list of oids": (lambda run: asked("missing", {"oids": [ZERO]}), "not a document"),
    "an unknown field": (lambda run: asked("missing", {"oids": "", "path": "/"}), "not a document"),
    "no objects": (lambda run: asked("objects", {"oids": ""}), "not a document"),
    "objects that are not here": (lambda run: asked("objects", {"oids": ZERO}), ZERO),
    "8,193 dictionaries": (lambda run: asked("objects", {"oids": run, "dictionaries": ZERO * 8_193}), "not a doc"),
    "a pack of no bytes": (lambda run: asked("pack", b""), "ends here"),
    "a pack that is none": (lambda run: asked("pack", b"hello, world"), "is no pack"),
    "a pack that needs what is not here": (lambda run: asked("pack", assembled([ORPHAN])), "refers to object"),
    "a pack with a byte after it": (lambda run: asked("pack", assembled([]) + b"\0"), "follow the end"),
    "a move to nothing": (lambda run: move("names/a", ZERO), "refers to object"),
    "a move of a head": (lambda run: move(f"runs/{ZERO}/head", run), "not one that can be sent"),
    "a move of a remote's ref": (lambda run: move("remotes/origin/a", run), "not one that can be sent"),
    "a deletion of a head": (lambda run: move(f"runs/{bytes(range(32)).hex()}/head", None), "not one that can be sent"),
    "a move out of the name space": (lambda run: move("names/../runs/x", run), "ref"),
    "a move of a name of 201 bytes": (lambda run: move("names/" + "a" * 195, run), "not a document"),
    "a move of a device": (lambda run: move("names/con", run), "ref"),
    "a move of a lock": (lambda run: move("names/a.lock", run), "ref"),
    "a move of NUL": (lambda run: move("names/a\0", run), "ref"),
    "a name to a tag": (lambda run: move("names/a", run, None), "found a tag"),
    "a tag to a run": (lambda run: move("tags/a", run), "found a run"),
    "expected garbage": (lambda run: move("names/a", run, "garbage"), "not a document"),
    "expected a number": (lambda run: move("names/a", run, 1), "not a document"),
    "expected an oid with a newline": (lambda run: move("names/a", run, ZERO + "\n"), "not a document"),
    "expected another oid": (lambda run: move("names/a", run, ZERO), "moved"),
    "8,193 moves": (
        lambda run: asked("move", {"updates": [{"name": "names/a", "new": None, "expected": None}] * 8_193}),
        "not a document",
    ),
    "a message of 1,001 characters": (lambda run: move("names/a", run, None, message="m" * 1_001), "not a document"),
    "one good move and one bad": (
        lambda run: asked("move", {"updates": [
            {"name": "names/b", "new": run, "expected": None}, {"name": "remotes/o/a", "new": run, "expected": None},
        ]}),
        "not one that can be sent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_that_means_harm_is_answered_by_why_not(name: str, store: Repository, run: Stored) -> None:
    make, reason = QUESTIONS[name]
    target = store.ref("tags/v1") if name == "a name to a tag" else run.run
    assert target is not None
    before = state(store)
    wrong, after = answers(store, make(target.hex()) + asked("refs", b""))
    assert reason in wrong["error"]["message"]
    assert after == {}
    assert state(store) == before


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff\xff", (MIB + 1).to_bytes(4, "big"), ENDLESS], ids=["4 GiB", "1 MiB", "endless"]
)
@pytest.mark.parametrize("question", ["missing", "objects", "pack", "move"])
def test_a_message_beyond_its_limit_ends_the_conversation(
    question: str, body: bytes, store: Repository, run: Stored
) -> None:
    before = state(store)
    with pytest.raises(DataError, match="longer than it may be"):
        answers(store, sent(msgspec.json.encode({"ask": question})) + body)
    assert state(store) == before


def test_a_conversation_may_end_anywhere(store: Repository, run: Stored) -> None:
    value = framed(Value("parsed", 7))
    whole = asked("missing", {"oids": ZERO}) + asked("pack", assembled([value]))
    for size in range(len(whole)):
        answers(store, whole[:size])
        assert not store.has(value.oid)
    answers(store, whole)
    assert store.has(value.oid)


@pytest.mark.parametrize("question", ["pack", "move"])
def test_a_store_that_is_for_reading_takes_nothing(question: str, store: Repository, run: Stored) -> None:
    before = state(store)
    document = assembled([framed(Value("parsed", 7))]) if question == "pack" else {"updates": []}
    (wrong,) = answers(store, asked(question, document), writable=False)
    assert "for reading only" in wrong["error"]["message"]
    assert state(store) == before
