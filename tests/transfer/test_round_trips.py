"""How often the other side is asked: nothing new is one question, and little new is few."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from threading import Event
from typing import BinaryIO, TypeVar

import pytest

from tests.support.stores import store_run
from themis_vcs.model.objects import Dictionary
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import messages
from themis_vcs.transfer.messages import Oids
from themis_vcs.transfer.service import ANSWERS, Service
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer
from themis_vcs.transfer.unpack import PackReader
from themis_vcs.transfer.wire_endpoint import WireEndpoint

T = TypeVar("T")


class Loop:
    """A wire of no length, which notes what is asked."""

    name = "there"

    def __init__(self, repository: Repository) -> None:
        self._service = Service(repository)
        self.asked: list[str] = []

    def ask(self, question: str, document: object | None, kind: type[T]) -> T:
        return self.send(question, io.BytesIO(messages.encode(document)), kind)

    def fetch(self, question: str, document: object) -> BinaryIO:
        return self._answer(question, io.BytesIO(messages.encode(document)))

    def send(self, question: str, data: BinaryIO, kind: type[T]) -> T:
        return messages.decode(messages.encode(self._answer(question, data)), kind)

    def close(self) -> None:
        pass

    def _answer(self, question: str, data: BinaryIO) -> object:
        self.asked.append(question)
        return ANSWERS[question](self._service, data)


def test_a_push_of_nothing_new_asks_for_the_refs_and_reads_no_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Repository.init(tmp_path / "here") as here, Repository.init(tmp_path / "there") as there:
        run = store_run(here, 500)
        for wire in (Loop(there), Loop(there)):
            updates = [RefUpdate("names/demo", run.run)]
            transfer(StoreEndpoint(here), WireEndpoint(wire), updates, message="push")
            monkeypatch.setattr(here.backend, "stored", lambda oids: pytest.fail("an object was read"))
            monkeypatch.setattr(there.backend, "get_many", lambda oids: pytest.fail("an object was read"))
        assert wire.asked == ["refs"]


@pytest.mark.parametrize("way", ["push", "fetch"])
def test_what_is_new_in_a_large_run_takes_few_questions(way: str, tmp_path: Path) -> None:
    with Repository.init(tmp_path / "one") as one, Repository.init(tmp_path / "other") as other:
        first = store_run(one, 3_000)
        near, far = (one, other) if way == "push" else (other, one)
        for asked in ([], []):
            wire = Loop(far)
            wire.asked = asked
            ends = (StoreEndpoint(near), WireEndpoint(wire))
            transfer(
                *(ends if way == "push" else ends[::-1]), [RefUpdate("names/demo", one.ref("names/demo"))], message=way
            )
            store_run(one, 3_001, parent=first.run)
        assert len(asked) <= 20, asked


class Slow(Loop):
    """A wire on which a pack takes long. Notes the dictionaries that packs carry, and what is asked again meanwhile."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository)
        self.packs = 0
        self.carried: Counter[Oid] = Counter()
        self.again: set[Oid] = set()
        self._before: set[Oid] = set()
        self._repository = repository
        self._asked = Event()
        self._under_way = False

    def ask(self, question: str, document: object | None, kind: type[T]) -> T:
        if isinstance(document, Oids):
            oids = set(messages.from_hex(document.oids))
            if self._under_way:
                self.again |= self._before & oids
                self._asked.set()
            self._before |= oids
        return super().ask(question, document, kind)

    def send(self, question: str, data: BinaryIO, kind: type[T]) -> T:
        if question == "pack":
            self._under_way = True
            self._asked.wait(0.05)
            items = list(PackReader(data, known=self._repository.read))
            data.seek(0)
            self.packs += 1
            self.carried.update(item.frame.oid for item in items if isinstance(item.object, Dictionary))
        answer = super().send(question, data, kind)
        self._under_way = False
        return answer


def test_who_sends_does_not_wait_to_learn_that_a_dictionary_arrived(tmp_path: Path) -> None:
    with Repository.init(tmp_path / "here") as here, Repository.init(tmp_path / "there") as there:
        run = store_run(here, 3_000)
        wire = Slow(there)
        endpoint = WireEndpoint(wire, pack_bytes=20_000)
        transfer(StoreEndpoint(here), endpoint, [RefUpdate("names/demo", run.run)], message="push")
    assert wire.packs >= 5
    assert wire.again == set()
    assert max(wire.carried.values()) in (1, 2), "a dictionary comes again only while it is on its way"
