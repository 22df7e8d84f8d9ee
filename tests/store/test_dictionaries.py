"""When records share a dictionary, and what becomes of it: STORE-23."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.damage import damage_frame
from tests.support.records import values
from tests.support.stores import store_run
from themis_vcs.errors import Corrupt
from themis_vcs.model.objects import Dictionary, Value, load
from themis_vcs.store import dictionaries
from themis_vcs.store.repository import Repository


def records(count: int, first: int = 0) -> list[Value]:
    return list(values(first + count, types=["generation"]))[first:]


def put(repository: Repository, made: list[Value]) -> list[bytes]:
    oids = [repository.put(value) for value in made]
    repository.flush()
    return oids


def dictionaries_of(repository: Repository) -> list[Dictionary]:
    found = (load(payload) for _, payload in repository.backend.everything())
    return [obj for obj in found if isinstance(obj, Dictionary)]


def test_enough_records_of_a_label_get_a_dictionary_and_become_much_smaller(repository: Repository) -> None:
    made = records(1500)
    put(repository, made[:450])
    before = repository.statistics().file_bytes
    assert dictionaries_of(repository) == []
    put(repository, made[450:600])
    assert [each.label for each in dictionaries_of(repository)] == ["value:generation"]
    start = repository.statistics().file_bytes
    put(repository, made[600:1050])
    assert repository.statistics().file_bytes - start < 0.75 * before


def test_records_that_come_all_at_once_get_one(repository: Repository) -> None:
    put(repository, records(2500))
    assert [each.label for each in dictionaries_of(repository)] == ["value:generation"]


def test_a_small_store_gets_none(repository: Repository) -> None:
    store_run(repository, 60)
    assert repository.statistics().dictionaries == 0


def test_small_records_get_a_small_one(repository: Repository) -> None:
    store_run(repository, 600)
    found = {each.label: len(each.data) for each in dictionaries_of(repository)}
    assert set(found) == {"value:case", "value:generation", "step:generate"}
    assert max(found.values()) < 40_000


def test_records_that_share_nothing_get_none(repository: Repository) -> None:
    put(repository, [Value("noise", os.urandom(300)) for _ in range(2100)])
    assert repository.statistics().dictionaries == 0


def test_records_that_share_little_get_none(repository: Repository) -> None:
    shared = "answer with one word only, and give no reason"
    put(repository, [Value("noise", [os.urandom(1500), shared]) for _ in range(700)])
    assert repository.statistics().dictionaries == 0


def test_records_of_earlier_sessions_count(path: Path) -> None:
    made = records(600)
    Repository.init(path).close()
    for start in range(0, 600, 60):
        with Repository.open(path) as repository:
            put(repository, made[start : start + 60])
    with Repository.open(path) as repository:
        assert len(dictionaries_of(repository)) == 1


def test_a_store_opened_anew_goes_on_with_its_dictionary(path: Path) -> None:
    made = records(1200)
    with Repository.init(path) as repository:
        put(repository, made[:600])
    with Repository.open(path) as repository:
        oids = put(repository, made[600:])
        assert len(dictionaries_of(repository)) == 1
        assert [repository.load(oid, Value) for oid in oids] == made[600:]


def test_another_handle_reads_what_a_dictionary_of_another_wrote(path: Path) -> None:
    made = records(700)
    with Repository.init(path) as writer, Repository.open(path) as reader:
        put(reader, made[:10])
        oids = put(writer, made)
        assert [reader.load(oid, Value) for oid in oids] == made


def test_two_handles_that_train_at_once_both_keep_working(path: Path) -> None:
    made = records(1400)
    with Repository.init(path) as first, Repository.open(path) as second:
        put(first, made[:480])
        put(second, made[480:960])
        put(first, made[960:1100])
        put(second, made[1100:])
    with Repository.open(path) as repository:
        assert sum(1 for _ in repository.backend.everything()) == 1400 + repository.statistics().dictionaries
        assert 1 <= repository.statistics().dictionaries <= 2


def test_the_size_follows_the_records_and_has_a_limit() -> None:
    small = dictionaries.train(
        "x", [b"score of metric exact_match is %d of 1" % (n % 2) + b"%d" % n for n in range(600)]
    )
    large = dictionaries.train("x", [str(value.data).encode() for value in records(900)])
    assert small is not None and large is not None
    assert (
        len(small.dictionary.as_bytes()) < 8_000 < 60_000 < len(large.dictionary.as_bytes()) <= dictionaries.MAX_BYTES
    )


def test_a_damaged_dictionary_is_named_by_the_objects_that_need_it(path: Path) -> None:
    with Repository.init(path) as repository:
        put(repository, records(600))
        oids = put(repository, records(50, first=600))
        trained = next(oid for oid, payload in repository.backend.everything() if payload[3:13] == b"dictionary")
        damage_frame(repository, trained)
    with Repository.open(path) as repository, pytest.raises(Corrupt, match="dictionary 1 cannot be used") as caught:
        repository.load(oids[0], Value)
    assert caught.value.oid == trained


def test_a_label_whose_dictionary_is_damaged_can_still_be_written(path: Path) -> None:
    made = records(1300)
    with Repository.init(path) as repository:
        put(repository, made[:600])
        trained = next(oid for oid, payload in repository.backend.everything() if payload[3:13] == b"dictionary")
        damage_frame(repository, trained)
    with Repository.open(path) as repository:
        oids = put(repository, made[600:])
        assert [repository.load(oid, Value) for oid in oids] == made[600:]
        assert repository.statistics().dictionaries == 2
